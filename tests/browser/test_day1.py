"""Day 1 as a learner sees it."""

import re

import pytest
from learner import choose_theme, run_all, save, scroll_to
from playwright.sync_api import expect

from tools.jupyterlab import choose, open_notebook

NAME = "day1_metrics_and_first_network.ipynb"


def test_a_learner_runs_all_of_day_1_and_moves_its_sliders(page, lab, screenshots):
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    open_notebook(page, lab, NAME)
    run_all(page, lab.folder / NAME)

    # The threshold: a key moves it, and the counts follow.
    judge = page.locator(".jp-Cell", has_text="labs.ThresholdLab").first
    scroll_to(judge)
    numbers = judge.locator(".lk-numbers")
    before = numbers.inner_text()
    slider = judge.get_by_role("slider", name="threshold", exact=True)
    assert slider.bounding_box()["width"] > 300  # whatever the styles of the labs below do
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(numbers).not_to_have_text(before, use_inner_text=True)
    judge.screenshot(path=screenshots / "day1_threshold.png")

    # The board of sliders: a key on one of them, and a net trains to its end.
    board = page.locator(".jp-Cell", has_text="labs.TrainingLab(").last
    scroll_to(board)
    board.get_by_role("slider", name="width 1", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(board.locator(".lk-state")).to_contain_text("training: epoch")
    expect(board.locator(".lk-state")).to_contain_text("ended")
    expect(board.locator(".lk-state")).to_contain_text("accuracy 0.9")
    board.screenshot(path=screenshots / "day1_sliders.png")

    # A digit, drawn: two nets say what it is.
    drawing = page.locator(".jp-Cell", has_text="labs.DrawLab").last
    scroll_to(drawing)
    box = drawing.locator(".lk-pad").bounding_box()
    page.mouse.move(box["x"] + 140, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 240, steps=8)
    page.mouse.up()
    expect(drawing).to_contain_text(re.compile(r"says \d"))
    drawing.screenshot(path=screenshots / "day1_drawing.png")

    saved = save(page, lab.folder / NAME)
    outputs = [output for cell in saved.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 10
    assert hosts == {lab.url.removeprefix("http://")}


@pytest.mark.slow
def test_the_pictures_of_day_1_fit_from_700_to_1600_pixels_light_and_dark(page, lab, screenshots):
    open_notebook(page, lab, NAME)
    choose(page, "View", "Appearance", "Show Left Sidebar")
    for theme in ("Light", "Dark"):
        choose_theme(page, theme)
        for width in (700, 1000, 1600):
            page.set_viewport_size({"width": width, "height": 1200})
            for name in ("two_hills(threshold)", "plots.confusion_heatmap", "plots.worst_mistakes"):
                cell = page.locator(".jp-CodeCell", has_text=name).last
                scroll_to(cell)
                picture = cell.locator("img")
                if picture.count():
                    box, output = picture.bounding_box(), cell.locator(".jp-OutputArea").bounding_box()
                    assert box["x"] + box["width"] <= output["x"] + output["width"] + 1
                    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
            page.screenshot(path=screenshots / f"day1_{theme.lower()}_{width}.png")
