"""What it costs if another program keeps a core occupied: trainings, redraws of labs, every notebook.

A class's computer is never quiet. ``python course.py bench busy`` measures both, quiet and busy by turns.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import cycle, islice, product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import nbformat
import torch
from playwright.sync_api import Locator, Page, sync_playwright

from learnkit import data, threads
from learnkit.models import FullyConnected
from learnkit.training import Training
from tools.execution import first_error, run_notebook
from tools.jupyterlab import choose, find_chromium, launch_chromium, open_notebook, start_jupyterlab, write_notebook
from tools.notebook_definitions import NOTEBOOKS

RIGHT_LEFT = ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft")  # each twice: once quiet, once busy
LABS = (  # the code, the control, its keys by turns, of which the last is timed, and what changes after it
    (
        "from learnkit.labs import TrainingLab\nTrainingLab(epochs=1000, device='cpu')",
        "[type=range] >> nth=1",
        RIGHT_LEFT,
        ".lk-pictures",
    ),
    (
        "import torch\nfrom learnkit.labs import ThresholdLab\nscores = torch.arange(-99, 99, 0.1)\n"
        "ThresholdLab(scores, scores > 0)",
        "[type=range]",
        RIGHT_LEFT,
        ".lk-four",
    ),
    ("from learnkit.labs import AttentionLab\nAttentionLab()", "[type=range]", RIGHT_LEFT, ".chain"),
    (
        "from learnkit import models\nfrom learnkit.labs import DrawLab\nDrawLab(models.FullyConnected((784, 64, 10)))",
        ".lk-pad",
        # Space puts the pen down
        ("Space ArrowDown",) + ("ArrowDown",) * 9 + ("ArrowRight",) * 9 + ("ArrowUp",) * 9 + ("ArrowLeft",) * 9,
        ".lk-top",
    ),
    (
        "from learnkit.labs import TransformerLab\nTransformerLab(steps=100_000)",
        "[type=range]",
        RIGHT_LEFT,
        ".lk-state",
    ),
)
# The milliseconds in the page from a key to the first change that follows from it.
WATCH = """(lab, changed) => {
  window.redrawn = undefined
  let began
  const watcher = new MutationObserver(() => {
    if (began === undefined) return
    watcher.disconnect()
    window.redrawn = performance.now() - began
  })
  watcher.observe(lab.querySelector(changed), { subtree: true, childList: true, attributes: true })
  document.addEventListener("keydown", () => { began = performance.now() }, { capture: true, once: true })
}"""
MANY = 10**6  # epochs: more than will be run
TRAININGS = (((784, 128, 256, 10), 200, 20), ((784, 1024, 1024, 10), 2_000, 2))  # sizes, batch size, steps a turn
ROUNDS, KEYS = 7, 15
REST = 3_000  # milliseconds before a key; half a second after a change, labs draw a still picture


def main() -> None:
    cores = multiprocessing.cpu_count()
    print(f"PyTorch {torch.__version__}, Python {sys.version.split()[0]}, {cores} cores; medians")
    for sizes, batch_size, steps in TRAININGS:
        compare(f"{steps} steps of {sizes}, batches of {batch_size:,}", trainings(sizes, batch_size, steps), ROUNDS)
    redraws_of_labs()
    compare("Notebooks", {path.stem: partial(run, path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}, 1)


@contextmanager
def busy_core() -> Iterator[None]:
    """A process that does nothing, as fast as it can."""
    process = multiprocessing.get_context("spawn").Process(target=spin, daemon=True)
    process.start()
    time.sleep(1)
    try:
        yield
    finally:
        process.kill()
        process.join()


def spin() -> None:
    while True:
        pass


def compare(title: str, ways: Mapping[str, Callable[[], float]], rounds: int) -> None:
    """A row for each way: the medians of its seconds on the quiet and on the busy machine, and their ratio."""
    seconds: dict[tuple[str, object], list[float]] = {key: [] for key in product(ways, (nullcontext, busy_core))}
    if rounds > 1:  # else it is too long for a warm-up
        for way in ways.values():
            way()
    for _ in range(rounds):
        for surroundings in (nullcontext, busy_core):
            with surroundings():
                for name, way in ways.items():
                    seconds[name, surroundings].append(way())
    print(f"\n{title}\n{'':44}{'quiet':>10}{'busy':>10}{'ratio':>8}")
    for name in ways:
        quiet, busy = (median(seconds[name, surroundings]) for surroundings in (nullcontext, busy_core))
        print(f"{name:44}{quiet:8.3f} s{busy:8.3f} s{busy / quiet:8.2f}", flush=True)


def trainings(sizes: tuple[int, ...], batch_size: int, steps: int) -> dict[str, Callable[[], float]]:
    """Seconds of some steps with one thread, with all, and with the number that learnkit chooses."""
    mnist = data.load()

    def timed(number: int | None) -> Callable[[], float]:
        net = FullyConnected(sizes, "relu")
        training = Training(net, mnist, epochs=MANY, batch_size=batch_size, device="cpu", threads=number)

        def advance() -> float:
            start = time.perf_counter()
            for _ in islice(training, steps):
                pass
            return time.perf_counter() - start

        return advance

    chosen = threads.number_for(FullyConnected(sizes), batch_size)
    ways = {"one thread": 1, f"{torch.get_num_threads()} threads": torch.get_num_threads()}
    return {name: timed(number) for name, number in ways.items()} | {f"learnkit's choice, {chosen}": timed(None)}


def redraws_of_labs() -> None:
    """Each lab by itself in a notebook in Chromium: from a key to the first change."""
    with (
        TemporaryDirectory() as settings,
        TemporaryDirectory() as folder,
        start_jupyterlab(Path(settings), Path(folder)) as jupyterlab,
        sync_playwright() as playwright,
    ):
        page = launch_chromium(playwright, find_chromium()).new_page(viewport={"width": 1_280, "height": 1_600})
        page.set_default_timeout(120_000)
        for code, control, keys, changed in LABS:
            name = code.rpartition("\n")[2].partition("(")[0]
            open_notebook(page, jupyterlab, write_notebook(jupyterlab, f"{name}.ipynb", [code]))
            choose(page, "Run", "Run All Cells")
            lab = page.locator(".jp-Cell-outputArea")
            lab.locator(control).first.wait_for()
            page.wait_for_timeout(2_000)
            compare(
                f"From a key to the first change, {name}",
                {"": partial(redraw, page, lab, control, cycle(keys), changed)},
                KEYS,
            )


def redraw(page: Page, lab: Locator, control: str, keys: Iterator[str], changed: str) -> float:
    """The seconds from a key on a lab's control to the lab's first change, starting from rest."""
    lab.locator(control).first.focus()
    *before, key = next(keys).split()
    for other in before:
        page.keyboard.press(other)
    page.wait_for_timeout(REST)
    lab.evaluate(WATCH, changed)
    page.keyboard.press(key)
    seconds = page.wait_for_function("window.redrawn").json_value() / 1_000
    pause = lab.get_by_role("button", name="Pause")
    if pause.count():
        pause.click()
    return seconds


def run(path: Path) -> float:
    """Seconds that a notebook takes from top to bottom."""
    notebook, start = nbformat.read(path, as_version=4), time.perf_counter()
    run_notebook(notebook, path.parent)
    if error := first_error(notebook):
        sys.exit(f"{path.name} was not measured: {error}")
    return time.perf_counter() - start
