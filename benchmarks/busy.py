"""What it costs if another program keeps a core occupied: a training with one thread and with all, and every notebook.

A class's computer is never quiet. ``python course.py bench busy`` measures both, quiet and busy by turns.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import islice, product
from pathlib import Path
from statistics import median

import nbformat
import torch

from learnkit import data, threads
from learnkit.models import FullyConnected
from learnkit.training import Training
from tools.execution import run_notebook
from tools.notebook_definitions import NOTEBOOKS

MANY = 10**6  # epochs: more than will be run
TRAININGS = (((784, 128, 256, 10), 200, 20), ((784, 1024, 1024, 10), 2_000, 2))  # sizes, batch size, steps a turn
ROUNDS = 7


def main() -> None:
    cores = multiprocessing.cpu_count()
    print(f"PyTorch {torch.__version__}, Python {sys.version.split()[0]}, {cores} cores; medians")
    for sizes, batch_size, steps in TRAININGS:
        compare(f"{steps} steps of {sizes}, batches of {batch_size:,}", trainings(sizes, batch_size, steps), ROUNDS)
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


def compare(title: str, ways: dict[str, Callable[[], float]], rounds: int) -> None:
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


def run(path: Path) -> float:
    """Seconds that a notebook takes from top to bottom."""
    notebook, start = nbformat.read(path, as_version=4), time.perf_counter()
    run_notebook(notebook, path.parent)
    return time.perf_counter() - start
