"""Day 5 as a learner sees it: the notebook with the words in Chinese, and sliders that bend a picture."""

from learner import open_notebook, run_all
from playwright.sync_api import expect

NAME = "day5_attention.ipynb"


def test_a_learner_runs_all_of_day_5_moves_the_temperature_and_trains_four_heads(page, lab, screenshots):
    open_notebook(page, lab, NAME)
    run_all(page)
    expect(page.locator('[data-mime-type="application/vnd.jupyter.error"]')).to_have_count(0)
    expect(page.locator('[data-mime-type="application/vnd.jupyter.stderr"]')).to_have_count(0)

    # A key changes the temperature, and the heatmap is another.
    cell = page.locator(".jp-Cell", has_text="temperature=widgets.FloatLogSlider").last
    cell.scroll_into_view_if_needed()
    picture = cell.locator(".jp-OutputArea img")
    before = picture.get_attribute("src")
    cell.locator(".noUi-handle").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(picture).not_to_have_attribute("src", before)
    cell.screenshot(path=screenshots / "day5_temperature.png")

    # A press of the button trains a net with four heads and draws them.
    sliders = page.locator(".jp-Cell", has_text="widgets.interact_manual").last
    sliders.scroll_into_view_if_needed()
    sliders.locator("button", has_text="Train").click()
    expect(sliders.locator(".jp-OutputArea img")).to_be_visible(timeout=60_000)
    expect(sliders).to_contain_text("loss at first 2.")
    sliders.screenshot(path=screenshots / "day5_sliders.png")
