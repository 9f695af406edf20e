"""What a hand does arrives: dragged wildly, typed oddly, while a cell runs, and with a kernel that is far away."""

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from statistics import median

import pytest
from far import Distance, proxy
from playwright.sync_api import Locator, Page, expect

from tools.jupyterlab import JupyterLab, choose, open_notebook, write_notebook

TRAINING = """from learnkit import labs
lab = labs.TrainingLab(hidden=(32, 16), activation="relu", epochs=1000, device="cpu")
lab"""
SMALL = """import torch
from learnkit import models
scores = torch.arange(-99, 99, 0.1)
threshold = labs.ThresholdLab(scores, scores > 0)
threshold"""
DRAW = "pad = labs.DrawLab(models.FullyConnected((784, 64, 10)))\npad"
AGREE = "print(list(lab.hidden), lab.learning_rate, list(lab.model.sizes), lab.state.status)"
ODD = ("0", "-5", "99999", "1e9", "wide", "", "3.5", "nan", " 7 ", "٣", "1_0", "0x10", "1e-400", "−4", "2,048", "💥")

# The milliseconds in the page from each press of a button, or key, to the change that shows it.
PAUSED = """() => {
  window.times = []
  let began = null
  document.querySelector(".lk-bar").addEventListener("click", () => { began = performance.now() }, true)
  const status = document.querySelector(".lk-status")
  new MutationObserver(() => {
    if (began === null || !status.textContent.startsWith("paused")) return
    times.push(performance.now() - began)
    began = null
  }).observe(status, { characterData: true, childList: true, subtree: true })
}"""
CHANGED = """([acted, event, changed]) => {
  window.times = []
  let began = null
  document.querySelector(acted).addEventListener(event, () => { began ??= performance.now() }, { capture: true })
  new MutationObserver(() => {
    if (began !== null) { times.push(performance.now() - began); began = null }
  }).observe(document.querySelector(changed), { subtree: true, childList: true, attributes: true })
}"""


@pytest.fixture
def far(lab: JupyterLab) -> Iterator[tuple[JupyterLab, Distance]]:
    """JupyterLab through a proxy, which is near until its distance is set."""
    with proxy(lab.url) as (url, distance):
        yield replace(lab, url=url), distance
    for kernel in lab.request("kernels"):
        lab.request(f"kernels/{kernel['id']}", method="DELETE")


def opened(page: Page, lab: JupyterLab, name: str, *cells: str) -> Locator:
    open_notebook(page, lab, write_notebook(lab, name, cells))
    choose(page, "View", "Appearance", "Show Left Sidebar")
    run(page, 0)
    it = page.locator(".lk-lab").first
    expect(it.locator(".lk-state")).to_contain_text("ready")
    return it


def run(page: Page, number: int) -> Locator:
    cell = page.locator(".jp-CodeCell").nth(number)
    cell.locator(".cm-content").click()
    choose(page, "Run", "Run Selected Cell and Do not Advance")
    return cell


def printed(page: Page, number: int) -> str:
    cell = run(page, number)
    expect(cell.locator(".jp-InputPrompt")).to_have_text(re.compile(r"^\[\d+\]:$"))
    return cell.locator(".jp-OutputArea-output").last.inner_text().strip()


def drag_wildly(page: Page, it: Locator, seconds: float, chance: random.Random) -> None:
    """Drag a width and the learning rate to and fro, and type odd values between; at last, a width of 300."""
    for _ in range(int(seconds)):
        for label in ("width 1", "learning rate"):
            box = it.get_by_role("slider", name=label, exact=True).bounding_box()
            y = box["y"] + box["height"] / 2
            page.mouse.move(box["x"] + chance.random() * box["width"], y)
            page.mouse.down()
            for _ in range(12):
                page.mouse.move(box["x"] + chance.random() * box["width"], y, steps=2)
                page.wait_for_timeout(20)
            page.mouse.up()
        for value in chance.sample(ODD, 5):
            field = it.get_by_label("width 2, typed", exact=True)
            field.fill(value)
            field.press("Enter")
    field = it.get_by_label("width 1, typed", exact=True)
    field.fill("300")
    field.press("Enter")


def check_that_page_and_net_agree(page: Page, it: Locator, cell: int) -> None:
    expect(it.locator(".lk-net")).to_have_attribute("aria-label", re.compile("^The net, 784 to 300 to"))
    it.get_by_role("button", name="Pause").click()
    expect(it.locator(".lk-state")).to_contain_text("paused")
    widths = [it.get_by_label(f"width {number}, typed", exact=True).input_value() for number in (1, 2)]
    rate = it.get_by_label("learning rate, typed", exact=True).input_value()
    hidden = f"[{', '.join(widths)}]"
    assert printed(page, cell) == f"{hidden} {float(rate)} [784, {', '.join(widths)}, 10] paused"


def test_a_lab_is_heard_while_a_cell_runs_and_after_wild_dragging_page_and_net_agree(page, far, capsys):
    lab, _ = far
    it = opened(page, lab, "hand.ipynb", TRAINING, AGREE, "import time; time.sleep(10)")
    it.get_by_role("button", name="Train").click()
    expect(it.locator(".lk-state")).to_contain_text("training")
    page.evaluate(PAUSED)
    busy = run(page, 2)
    expect(busy.locator(".jp-InputPrompt")).to_have_text("[*]:")
    it.get_by_role("button", name="Pause").click()
    expect(it.locator(".lk-state")).to_contain_text("paused")
    expect(busy.locator(".jp-InputPrompt")).to_have_text("[*]:")
    (felt,) = page.evaluate("times")
    expect(busy.locator(".jp-InputPrompt")).to_have_text(re.compile(r"^\[\d+\]:$"))
    drag_wildly(page, it, 3, random.Random(0))
    check_that_page_and_net_agree(page, it, 1)
    with capsys.disabled():
        print(f"\nPause while a cell runs: {felt:.0f} ms", end="")


@pytest.mark.slow
def test_a_kernel_that_is_far_away_hears_the_last_of_ten_wild_seconds(page, far, capsys):
    lab, distance = far
    it = opened(page, lab, "far.ipynb", TRAINING, AGREE, SMALL, DRAW)
    run(page, 2)
    run(page, 3)
    pad = page.locator(".lk-pad")
    pad.wait_for()
    distance.seconds, distance.bytes_a_second = 0.1, 1_000_000 / 8
    page.evaluate(PAUSED)
    rates = []
    for _ in range(7):
        it.get_by_role("button", name="Train").click()
        expect(it.locator(".lk-state")).to_contain_text("training")
        page.wait_for_timeout(1_000)
        received = distance.received
        page.wait_for_timeout(1_500)
        rates.append((distance.received - received) / 1_500)
        it.get_by_role("button", name="Pause").click()
        expect(it.locator(".lk-state")).to_contain_text("paused")
        page.wait_for_timeout(500)
    pauses = page.evaluate("times")
    drag_wildly(page, it, 10, random.Random(1))
    check_that_page_and_net_agree(page, it, 1)

    page.evaluate(CHANGED, [".lk-threshold [type=range]", "keydown", ".lk-numbers"])
    page.locator(".lk-threshold [type=range]").first.focus()
    for _ in range(9):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(300)
    thresholds = page.evaluate("times")
    page.evaluate(CHANGED, [".lk-pad", "keydown", ".lk-models"])
    pad.focus()
    page.keyboard.press("Space")
    for _ in range(9):
        page.keyboard.press("ArrowDown")
        page.wait_for_timeout(600)
    answers = page.evaluate("times")
    with capsys.disabled():
        for what, values, unit in (
            ("Pause felt", pauses, "ms"),
            ("received while training", rates, "kB/s"),
            ("threshold to numbers", thresholds, "ms"),
            ("pen to bars", answers, "ms"),
        ):
            print(f"\nfar away, {what}: median {median(values):.0f}, most {max(values):.0f} {unit}", end="")
