"""ThresholdLab and DrawLab as a learner sees them, in a notebook of their own."""

import json
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
from learner import choose_theme, overflowing, run_all, save, scroll_to
from playwright.sync_api import Locator, Page, expect

from learnkit import doctor
from tools.jupyterlab import choose, open_notebook, write_notebook

THRESHOLD = """\
import torch
from learnkit.labs import ThresholdLab

generator = torch.Generator().manual_seed(0)
is_five = torch.rand(10_000, generator=generator) < 0.1
scores = 3 * torch.randn(10_000, generator=generator) + 5 * is_five
judge = ThresholdLab(scores, is_five, names=("not a five", "a five"))
judge"""
DRAW = """\
from learnkit import data, models, training
from learnkit.labs import DrawLab

net = models.FullyConnected((784, 64, 10), "relu")
mnist = data.load(validation=50_000)
for _ in training.Training(net, mnist, epochs=2, optimizer="adam", learning_rate=3e-3):
    pass
board = DrawLab(net, models.ElmanRNN(28, 128, 10))
board"""
SEVEN = [(80, 60), (200, 60), (120, 230)]

# The times in the page from an event on one element to the first change around another.
WATCH = """([acted, event, changed]) => {
  window.times = []
  let began = null
  document.querySelector(acted).addEventListener(event, () => { began ??= performance.now() }, { capture: true })
  new MutationObserver(() => {
    if (began !== null) { window.times.push(performance.now() - began); began = null }
  }).observe(document.querySelector(changed).parentElement, { subtree: true, childList: true, attributes: true })
}"""


@pytest.fixture
def notebook(lab, request) -> str:
    """A notebook with both labs, for one test alone."""
    return write_notebook(lab, f"labs_{abs(hash(request.node.name))}.ipynb", (THRESHOLD, DRAW))


def open_and_run(page: Page, lab, name: str) -> tuple[Locator, Locator]:
    """The outputs of the two cells, after they were run."""
    open_notebook(page, lab, name)
    choose(page, "View", "Appearance", "Show Left Sidebar")
    run_all(page, lab.folder / name)
    outputs = page.locator(".jp-Cell-outputArea")
    expect(outputs.nth(0).locator(".lk-curves")).to_have_count(4)
    expect(outputs.nth(1).locator(".lk-pad")).to_be_visible()
    return outputs.nth(0), outputs.nth(1)


def saved_pictures(page: Page, lab, name: str) -> list[str]:
    outputs = [output for cell in save(page, lab.folder / name).cells for output in cell.outputs]
    return [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]


def true_positives(threshold: float) -> int:
    """Of the scores in the notebook."""
    names = {}
    exec(THRESHOLD.partition("judge")[0], names)
    return int((names["scores"][names["is_five"]] >= threshold).sum())


def draw(page: Page, pad: Locator, points: list[tuple[int, int]]) -> None:
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    for number, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x, box["y"] + y, steps=8 if number else 1)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def draw_with_a_finger(page: Page, pad: Locator, points: list[tuple[int, int]]) -> None:
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    chromium = page.context.new_cdp_session(page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        there = [{"x": box["x"] + x, "y": box["y"] + y} for x, y in places]
        chromium.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": there})

    touch("touchStart", points[0])
    for (x, y), (to_x, to_y) in pairwise(points):
        for part in range(1, 9):
            touch("touchMove", (x + (to_x - x) * part / 8, y + (to_y - y) * part / 8))
    touch("touchEnd")


def test_a_learner_moves_the_threshold_and_draws_a_digit_by_mouse_and_by_keyboard(
    page, lab, notebook, screenshots, capsys
):
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]) if "://" in request.url else None)
    judge, board = open_and_run(page, lab, notebook)

    # ThresholdLab: a key, the field and the buttons move the line, the numbers and the points.
    scroll_to(judge)
    handle, field = (judge.get_by_label(name, exact=True) for name in ("threshold", "threshold, typed"))
    page.evaluate(WATCH, ["[type=range]", "keydown", ".lk-numbers"])
    handle.focus()
    first = float(field.input_value())
    for step in range(1, 9):
        page.keyboard.press("ArrowRight")
        expect(field).to_have_value(f"{first + step / 10:g}")
    keys = page.evaluate("times")
    expect(handle).to_have_attribute("aria-valuetext", "2")
    line, grip = judge.locator(".lk-hills .lk-line").bounding_box(), handle.bounding_box()
    handle_at = grip["x"] + 8 + (grip["width"] - 16) * handle.evaluate("it => it.value / it.max")
    assert abs(line["x"] + line["width"] / 2 - handle_at) <= 3
    field.fill("3.14159")
    field.press("Enter")
    numbers = judge.locator(".lk-numbers")
    expect(numbers).to_contain_text(f"TP {true_positives(3.14159)}")
    expect(field).to_have_value("3.14159")
    judge.get_by_role("button", name="A wrong conviction is dear").click()
    expect(judge.get_by_label("a =")).to_have_value("10")
    expect(numbers).to_contain_text("the least is")
    assert float(field.input_value()) > 6
    judge.get_by_role("button", name="Let no one go").click()
    expect(judge.get_by_label("b =")).to_have_value("10")
    expect(field).not_to_have_value("3.14159")
    judge.get_by_label("a =").fill("-1")
    judge.get_by_label("a =").press("Enter")
    expect(judge.get_by_role("alert").filter(has_text="expected two numbers, 0 or more")).to_be_visible()
    expect(judge.get_by_label("a =")).to_have_value("1")

    # DrawLab: the mouse draws a seven, and the net reads it while it is drawn.
    pad, models = board.locator(".lk-pad"), board.locator(".lk-models")
    expect(models).to_contain_text("nothing drawn yet")
    page.evaluate(WATCH, [".lk-pad", "pointermove", ".lk-models"])
    draw(page, pad, SEVEN)
    expect(models).to_contain_text("FullyConnected says 7")
    strokes = page.evaluate("times")
    board.get_by_role("button", name="keep it as a 7").click()
    expect(board.locator(".lk-digits")).to_contain_text("A: 7 ✓")
    board.get_by_role("button", name="Save as PNG").click()
    expect(board.locator(".lk-message")).to_contain_text("digit_1.png")
    assert (lab.folder / "digit_1.png").exists()
    board.get_by_role("button", name="Clear").click()
    expect(models).to_contain_text("nothing drawn yet")
    board.get_by_role("button", name="keep it as a 0").click()
    expect(board.locator(".lk-message")).to_contain_text("Nothing is drawn yet")

    # A finger draws one, too.
    draw_with_a_finger(page, pad, SEVEN)
    expect(models).to_contain_text("FullyConnected says 7")
    board.get_by_role("button", name="Undo").click()
    expect(models).to_contain_text("nothing drawn yet")

    # The keyboard draws a one, and the notebook's own keys are left alone.
    pad.focus()
    page.keyboard.press("Space")
    for _ in range(14):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(models).to_contain_text("FullyConnected says 1")
    expect(pad).to_be_focused()
    board.get_by_role("button", name="keep it as a 1").click()
    expect(board.locator(".lk-digits figure")).to_have_count(2)
    expect(board.locator("table")).to_contain_text("2 of 2")
    pad.focus()
    page.keyboard.press("Backspace")
    expect(models).to_contain_text("nothing drawn yet")
    board.get_by_role("button", name="remove drawing 1").click()
    expect(board.locator(".lk-digits figure")).to_have_count(1)

    draw(page, pad, SEVEN)
    board.get_by_role("button", name="keep it as a 7").click()
    expect(board.locator(".lk-digits figure")).to_have_count(2)
    check_that_both_fit(page, {"threshold": judge, "draw": board}, screenshots)
    assert hosts == {lab.url.removeprefix("http://")}
    with capsys.disabled():
        for what, times in (("key to numbers", keys), ("pen to bars", strokes)):
            print(f"\n{what}: median {median(times):.0f} ms, most {max(times):.0f} ms, of {len(times)}", end="")


def check_that_both_fit(page: Page, outputs: dict[str, Locator], screenshots: Path) -> None:
    """Nothing reaches beyond its output between 700 and 1600 pixels; screenshots are kept for a person to look at."""
    for theme in ("Light", "Dark"):
        choose_theme(page, theme)
        for width in (700, 1000, 1600):
            page.set_viewport_size({"width": width, "height": 1500})
            for name, output in outputs.items():
                scroll_to(output)
                assert overflowing(output) == []
                output.screenshot(path=screenshots / f"{name}_{theme.lower()}_{width}.png")


@pytest.mark.slow
def test_the_right_thing_is_seen_with_a_kernel_without_one_and_after_a_reload(page, lab, notebook, screenshots):
    judge, board = open_and_run(page, lab, notebook)
    before = saved_pictures(page, lab, notebook)
    expect(judge.locator("img")).to_be_hidden()
    expect(board.locator("img")).to_be_hidden()
    judge.get_by_role("button", name="Let no one go").click()
    field = judge.get_by_label("threshold, typed", exact=True)
    expect(judge.get_by_label("b =")).to_have_value("10")
    threshold = field.input_value()
    draw(page, board.locator(".lk-pad"), SEVEN)
    expect(board.locator(".lk-models")).to_contain_text("FullyConnected says 7")
    after = before
    for _ in range(50):  # until both still pictures have been renewed, and renewed no more
        page.wait_for_timeout(1000)
        last, after = after, saved_pictures(page, lab, notebook)
        if after == last and all(old != new for old, new in zip(before, after, strict=True)):
            break
    assert [old != new for old, new in zip(before, after, strict=True)] == [True, True]

    page.reload()
    expect(board.locator(".lk-models")).to_contain_text("FullyConnected says 7")
    expect(field).to_have_value(threshold)
    judge.get_by_role("button", name="A wrong conviction is dear").click()
    expect(judge.get_by_label("a =")).to_have_value("10")
    expect(judge.locator("img")).to_be_hidden()

    choose(page, "Kernel", "Restart Kernel…")
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    for output in (judge, board):
        expect(output.locator("img")).to_be_visible()
        expect(output.locator(".lk-pad, .lk-curves, button").first).to_be_hidden()
    page.set_viewport_size({"width": 1000, "height": 1900})
    page.screenshot(path=screenshots / "small_labs_restarted.png")
    assert saved_pictures(page, lab, notebook) == after

    open_notebook(page, lab, notebook)
    for output in (judge, board):
        expect(output.locator("img")).to_be_visible()
        words = output.get_by_text("Error displaying widget")  # JupyterLab's, which nobody should see
        expect(words).to_have_css("font-size", "0px")
    page.screenshot(path=screenshots / "small_labs_reopened.png")


POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: ws:; "


@pytest.mark.slow
@pytest.mark.parametrize("policy", [POLICY, POLICY + "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:"])
def test_a_lab_needs_the_content_policy_that_the_doctor_asks_for(page, lab, policy):
    page.add_init_script(f"""document.addEventListener("DOMContentLoaded", () => {{
      const meta = Object.assign(document.createElement("meta"), {{ content: {json.dumps(policy)} }})
      meta.httpEquiv = "Content-Security-Policy"
      document.head.append(meta)
    }})""")
    name = write_notebook(lab, f"policy_{'blob' in policy}.ipynb", [THRESHOLD])
    refused = []
    page.on("console", lambda message: refused.append(message.text))
    open_notebook(page, lab, name)
    run_all(page, lab.folder / name)
    permitted = doctor.directive_without_blob(policy) is None
    if not permitted:
        page.wait_for_timeout(3000)
    expect(page.locator(".jp-Cell-outputArea .lk-curves")).to_have_count(4 if permitted else 0)
    assert any("blob:" in text and "Content Security Policy" in text for text in refused) == (not permitted)
