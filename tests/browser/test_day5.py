"""Day 5 as a learner sees it: the notebook with the words in Chinese, and sliders that bend a picture."""

from learner import open_notebook, run_all, scroll_to
from playwright.sync_api import expect

NAME = "day5_attention.ipynb"


def test_a_learner_runs_all_of_day_5_moves_the_temperature_and_trains_four_heads(page, lab, screenshots):
    open_notebook(page, lab, NAME)
    notebook = run_all(page, lab.folder / NAME)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 5

    # A key changes the temperature, and the heatmap is another.
    cell = page.locator(".jp-Cell", has_text="temperature=widgets.SelectionSlider").last
    scroll_to(cell)
    picture = cell.locator(".jp-OutputArea img")
    before = picture.get_attribute("src")
    cell.locator(".noUi-handle").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(picture).not_to_have_attribute("src", before)
    cell.screenshot(path=screenshots / "day5_temperature.png")

    # A press of the button trains a net with four heads and draws them.
    sliders = page.locator(".jp-Cell", has_text="widgets.interact_manual").last
    scroll_to(sliders)
    sliders.locator("button", has_text="Train").click()
    expect(sliders.locator(".jp-OutputArea img")).to_be_visible(timeout=60_000)
    expect(sliders).to_contain_text("loss at first 2.")
    sliders.screenshot(path=screenshots / "day5_sliders.png")
