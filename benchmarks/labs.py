"""The training lab in JupyterLab and Chromium, compared with the usual way: `interact` and matplotlib.

Day 1's net, SGD, batches of 200, on the CPU. Changes of the page are timed in the page, by a MutationObserver.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles

from playwright.sync_api import Page, sync_playwright

from tools.jupyterlab import choose, find_chromium, launch_chromium, open_notebook, start_jupyterlab, write_notebook

KEYS = 30
ROUNDS = 7
CELLS = [
    """from learnkit import labs
lab = labs.TrainingLab(epochs=1000, device="cpu")
lab""",
    """import ipywidgets, time
import matplotlib.pyplot as plt
from learnkit.models import FullyConnected
from learnkit.training import Training
frames = []
usual_speeds = []
def usual(width):
    losses, frames[:] = [], []
    net = FullyConnected((784, 128, width, 10))
    start = drawn = time.perf_counter()
    for _, step, loss in Training(net, lab.state.data, epochs=1000, device="cpu"):
        losses.append(loss)
        now = time.perf_counter()
        if step == 1 or now - drawn > 1 / 25:
            ipywidgets.widgets.interaction.clear_output(wait=True)
            figure, axes = plt.subplots(figsize=(5, 2.5))
            axes.plot([loss.item() for loss in losses])
            ipywidgets.widgets.interaction.display(figure)
            plt.close(figure)
            drawn = time.perf_counter()
            frames.append(drawn - start)
        if now - start > 1:
            usual_speeds.append((step, len(frames)))
            return
ipywidgets.interact(usual, width=ipywidgets.SelectionSlider(options=[2**k for k in range(12)], value=256));""",
    """import json, random, time
bare = labs.TrainingLab(lab.state.data, epochs=1000, device="cpu")
def speed(lab, seconds=2.0):
    lab.train()
    time.sleep(0.5)
    first, start = lab.training.step, time.perf_counter()
    time.sleep(seconds)
    steps, took = lab.training.step - first, time.perf_counter() - start
    lab.pause()
    lab.wait()
    return steps / took
speeds = {"with its view": [], "without": []}
for _ in range(ROUNDS):
    for name, which in random.sample([("with its view", lab), ("without", bare)], 2):
        speeds[name].append(speed(which))
print(json.dumps(speeds))""",
    "print(json.dumps(usual_speeds))",
]
CURVE = ".lk-curves[aria-label^=loss] .lk-line"
WATCH = """([place, changed]) => {
  window.seen = {keys: [], changes: []}
  document.addEventListener("keydown", () => seen.keys.push(performance.now()), true)
  new MutationObserver(records => {
    const concerns = records.some(record => record.target.matches(changed) || record.target.querySelector(changed))
    const frame = document.timeline.currentTime
    if (concerns && seen.frame !== frame) seen.changes.push(performance.now())
    if (concerns) seen.frame = frame
  }).observe(document.querySelector(place), {subtree: true, childList: true, attributeFilter: ["d", "src"]})
}"""


def main() -> None:
    print("\nMedians, and 5th to 95th percentile")
    with notebook() as (page, frames):
        run(page, 0)
        page.locator(".lk-lab").wait_for()
        page.wait_for_timeout(1_000)
        page.evaluate(WATCH, [".lk-pair", CURVE])
        page.get_by_role("slider", name="width 2", exact=True).focus()
        report("Key on a slider to first change of the curve", "ms", latencies(page, pause=True))
        press(page, "Train")
        page.wait_for_timeout(1_000)
        rates, sizes = [], []
        for _ in range(ROUNDS):
            before = sum(frames), changes(page)
            page.wait_for_timeout(2_000)
            redraws = changes(page) - before[1]
            rates.append(redraws / 2)
            sizes.append((sum(frames) - before[0]) / redraws / 1_000)
        press(page, "Pause")
        report("Frames in which the curve grows", "per s", rates)
        report("Sent to the browser per redraw, in total", "kB", sizes)
        speeds = json.loads(run(page, 2))
        report("Steps with its view", "per s", speeds["with its view"])
        report("Steps without a view", "per s", speeds["without"])
        ratios = [a / b for a, b in zip(*speeds.values(), strict=True)]
        report("Ratio of the two, with to without", "", ratios)
        run(page, 1)
        usual = page.locator(".jp-CodeCell").nth(1)
        usual.locator("img").wait_for()
        page.evaluate(WATCH, [".jp-CodeCell:nth-child(2) .jp-OutputArea", "img"])
        usual.locator(".noUi-handle").focus()
        report("The usual way: key to first change of the picture", "ms", latencies(page, pause=False))
        steps, pictures = zip(*json.loads(run(page, 3)), strict=True)
        report("The usual way: steps", "per s", steps)
        report("The usual way: pictures", "per s", pictures)


@contextlib.contextmanager
def notebook() -> Iterator[tuple[Page, list[int]]]:
    """A page with the cells above, and the sizes of what its kernel sends."""
    with (
        tempfile.TemporaryDirectory() as settings,
        tempfile.TemporaryDirectory() as folder,
        start_jupyterlab(Path(settings), Path(folder)) as lab,
        sync_playwright() as playwright,
    ):
        write_notebook(lab, "labs.ipynb", [source.replace("ROUNDS", str(ROUNDS)) for source in CELLS])
        browser = launch_chromium(playwright, find_chromium())
        page, frames = browser.new_page(viewport={"width": 1200, "height": 1200}), []
        page.set_default_timeout(120_000)
        page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(len(data))))
        open_notebook(page, lab, "labs.ipynb")
        yield page, frames
        browser.close()


def run(page: Page, number: int) -> str:
    """Run a cell and return what it prints."""
    cell = page.locator(".jp-CodeCell").nth(number)
    cell.locator(".cm-content").click()
    choose(page, "Run", "Run Selected Cell and Do not Advance")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    cell.locator(".jp-InputPrompt", has_text="[*]").wait_for(state="detached")
    page.wait_for_timeout(500)
    return cell.locator(".jp-Cell-outputArea").inner_text()


def press(page: Page, label: str) -> None:
    page.locator(".lk-bar button", has_text=label).click()


def changes(page: Page) -> int:
    return page.evaluate("seen.changes.length")


def latencies(page: Page, *, pause: bool) -> list[float]:
    """The milliseconds from each key press to the first change after it, starting from rest each time."""
    found = []
    for number in range(KEYS):
        handle = page.evaluate_handle("document.activeElement")
        page.keyboard.press("ArrowLeft" if number % 2 else "ArrowRight")
        page.wait_for_function("seen.changes.at(-1) > seen.keys.at(-1)")
        page.wait_for_timeout(400)
        found.append(page.evaluate("seen.changes.find(time => time > seen.keys.at(-1)) - seen.keys.at(-1)"))
        if pause:
            press(page, "Pause")
            handle.evaluate("element => element.focus()")
        page.wait_for_timeout(1_200)
    return found


def report(quantity: str, unit: str, values: Sequence[float]) -> None:
    """Print the median and the 5th and 95th percentiles."""
    edges = quantiles(values, n=20)
    print(f"{quantity:52}{median(values):9.2f} {unit:6} ({edges[0]:.2f} to {edges[-1]:.2f})", flush=True)


if __name__ == "__main__":
    main()
