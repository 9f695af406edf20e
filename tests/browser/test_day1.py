"""Day 1 as a learner sees it."""

import nbformat
import pytest
from learner import choose, open_notebook, run_all, scroll_to
from playwright.sync_api import expect

NAME = "day1_metrics_and_first_network.ipynb"


def test_a_learner_runs_all_of_day_1_and_moves_its_sliders(page, lab, screenshots):
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    open_notebook(page, lab, NAME)
    run_all(page, lab.folder / NAME)

    # The threshold: a key moves it, and counts and picture follow.
    judge = page.locator(".jp-Cell", has_text="widgets.interact(judge").first
    scroll_to(judge)
    output = judge.locator(".jp-OutputArea-output", has_text="TP").last
    expect(output).to_contain_text("TP 824")
    judge.locator(".noUi-handle").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(judge.locator(".widget-readout")).to_have_text("1.00")
    expect(output).not_to_contain_text("TP 824")
    expect(output).to_contain_text("TP ")
    expect(judge.locator("img")).to_be_visible()
    judge.screenshot(path=screenshots / "day1_threshold.png")

    # The last sliders: a press of the button trains a net and draws its losses.
    sliders = page.locator(".jp-Cell", has_text="widgets.interact_manual").last
    scroll_to(sliders)
    sliders.locator("button", has_text="Train").click()
    expect(sliders.locator(".jp-OutputArea img")).to_be_visible(timeout=60_000)
    expect(sliders).to_contain_text("sizes [784, 128, 128, 10], validation accuracy 0.9")
    sliders.screenshot(path=screenshots / "day1_sliders.png")

    choose(page, "File", "Save Notebook")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    saved = nbformat.read(lab.folder / NAME, as_version=4)
    outputs = [output for cell in saved.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 7
    assert hosts == {lab.url.removeprefix("http://")}


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_the_pictures_of_day_1_fit_from_700_to_1600_pixels(page, lab, screenshots, theme):
    open_notebook(page, lab, NAME)
    choose(page, "Settings", "Theme", f"JupyterLab {theme}")
    choose(page, "View", "Appearance", "Show Left Sidebar")
    for width in (700, 1000, 1600):
        page.set_viewport_size({"width": width, "height": 1200})
        for name in ("two_hills(threshold)", "plots.confusion_heatmap", "plots.worst_mistakes"):
            cell = page.locator(".jp-CodeCell", has_text=name).last
            scroll_to(cell)
            picture = cell.locator("img")
            if picture.count():
                box, room = picture.bounding_box(), cell.locator(".jp-OutputArea").bounding_box()
                assert box["x"] + box["width"] <= room["x"] + room["width"] + 1
                assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
        page.screenshot(path=screenshots / f"day1_{theme.lower()}_{width}.png")
