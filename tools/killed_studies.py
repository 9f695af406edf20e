"""Kill a study at random moments and continue it: ``python -m tools.killed_studies [TIMES]``, by default 20 times.

Each time a process of its own begins the study with an empty file and is killed (SIGKILL: it can do nothing about it);
then the study is called again with that file, and its table is held against that of a study which nobody disturbed.
"""

import multiprocessing
import os
import random
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch

from learnkit.data import LabelledImages
from learnkit.models import FullyConnected
from learnkit.study import study

GRID = {"sizes": [(784, 10), (784, 32, 10)], "activation": ["relu"], "learning_rate": [0.01, 0.1]}
SEEDS = range(3)
RUNS = 12


def few_images() -> LabelledImages:
    """Noise: what is learned from it does not matter here, and nothing has to be read."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, count in {"train": 1_000, "validation": 100, "test": 100}.items():
        tensors[f"{name}_images"] = torch.rand(count, 28, 28, generator=generator)
        tensors[f"{name}_labels"] = torch.randint(10, (count,), generator=generator)
    return LabelledImages(**tensors, classes=tuple("0123456789"))


class Announced(FullyConnected):
    """A net that leaves a mark in a file when it is made, so that one can count the trainings that were begun."""

    def __init__(self, sizes: tuple[int, ...], activation: str | None = None, marks: str = "", *, seed: int) -> None:
        super().__init__(sizes, activation, seed=seed)
        with open(marks, "a") as file:
            file.write("x")


def run(folder: Path) -> pd.DataFrame:
    grid = {**GRID, "marks": [str(folder / "marks")]}
    return study(grid, SEEDS, few_images(), path=folder / "runs.sqlite", model=Announced, epochs=4, threads=1)


def marks(folder: Path) -> int:
    file = folder / "marks"
    return file.stat().st_size if file.exists() else 0


def kept(folder: Path) -> int:
    """How many trainings the file has, asked of SQLite itself."""
    file = folder / "runs.sqlite"
    if not file.exists() or file.stat().st_size == 0:
        return 0
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    count = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    count = count and connection.execute("SELECT count(*) FROM runs").fetchone()[0]
    connection.close()
    return count


def without_clock(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=["seconds", "marks"], errors="ignore")


def kill_and_go_on(times: int, folder: Path, seed: int = 0) -> list[tuple[int, int, bool]]:
    """For each time: how many trainings were begun when the study was killed, how many kept, and whether the table came
    out as that of the undisturbed study, which is made first."""
    context = multiprocessing.get_context("forkserver")  # from a process that has imported all and trained nothing
    context.set_forkserver_preload(["learnkit.study"])
    undisturbed = folder / "undisturbed"
    undisturbed.mkdir()
    table = run(undisturbed)
    expected = without_clock(table)
    duration = table[table["test_loss"].notna()]["seconds"].sum()
    moments, found = random.Random(seed), []
    for number in range(times):
        attempt = folder / str(number)
        attempt.mkdir()
        process = context.Process(target=run, args=(attempt,))
        process.start()
        # By trainings and not by the clock alone, since a process's first one takes far longer than the others.
        trainings = moments.randint(0, RUNS)
        while marks(attempt) < trainings and process.is_alive():
            time.sleep(0.001)
        time.sleep(moments.uniform(0, duration / RUNS))
        process.kill()
        process.join()
        begun, saved = marks(attempt), kept(attempt)
        table = without_clock(run(attempt))
        assert marks(attempt) - begun == RUNS - saved, "what was kept has been trained again"
        found.append((begun, saved, table.equals(expected)))
    return found


if __name__ == "__main__":
    times = int(sys.argv[1]) if sys.argv[1:] else 20
    with tempfile.TemporaryDirectory() as name:
        results = kill_and_go_on(times, Path(name), seed=int.from_bytes(os.urandom(4), "big"))
    for begun, saved, same in results:
        print(f"killed with {begun:2} of {RUNS} trainings begun and {saved:2} kept; the table is the same: {same}")
    sys.exit(0 if all(same and begun - saved <= 1 for begun, saved, same in results) else 1)
