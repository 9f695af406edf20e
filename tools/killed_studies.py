"""Kill a study at random moments and continue it: ``python -m tools.killed_studies [TIMES]``, by default 20 times.

Each time a new process starts the study with an empty file and is killed in a way that it cannot handle. Then the
study is called again with that file, and its table is compared with that of a study that was not interrupted.
"""

import multiprocessing
import os
import random
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from learnkit.data import LabelledImages
from learnkit.models import FullyConnected
from learnkit.study import study
from learnkit.study.workers import start_method

GRID: dict[str, list[Any]] = {"sizes": [(784, 10), (784, 32, 10)], "activation": ["relu"], "learning_rate": [0.01, 0.1]}
SEEDS = range(3)
RUNS = 12


def few_images() -> LabelledImages:
    """Noise, since it does not matter here what is learned."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, count in {"train": 1_000, "validation": 100, "test": 100}.items():
        tensors[f"{name}_images"] = torch.rand(count, 28, 28, generator=generator)
        tensors[f"{name}_labels"] = torch.randint(10, (count,), generator=generator)
    return LabelledImages(**tensors, classes=tuple("0123456789"))


class Announced(FullyConnected):
    """A net that leaves a mark in a file when it is made, so that the runs that were started can be counted."""

    def __init__(self, sizes: tuple[int, ...], activation: str | None = None, marks: str = "", *, seed: int) -> None:
        super().__init__(sizes, activation, seed=seed)
        with open(marks, "a", encoding="utf-8") as file:
            file.write("x")


def run(folder: Path) -> pd.DataFrame:
    grid = {**GRID, "marks": [str(folder / "marks")]}
    return study(grid, SEEDS, few_images(), path=folder / "runs.sqlite", model=Announced, epochs=4, threads=1)


def marks(folder: Path) -> int:
    file = folder / "marks"
    return file.stat().st_size if file.exists() else 0


def saved_runs(folder: Path) -> int:
    """How many runs the file has, according to SQLite itself."""
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


def kill_and_resume(times: int, folder: Path, seed: int = 0) -> list[tuple[int, int, bool]]:
    """For each time: how many runs had begun when the study was killed, how many were saved, and whether the table is
    that of the uninterrupted study, which is computed first."""
    context: Any = multiprocessing.get_context(start_method())
    uninterrupted = folder / "uninterrupted"
    uninterrupted.mkdir()
    table = run(uninterrupted)
    expected = without_clock(table)
    duration = table[table["test_loss"].notna()]["seconds"].sum()
    moments, found = random.Random(seed), []
    for number in range(times):
        attempt = folder / str(number)
        attempt.mkdir()
        process = context.Process(target=run, args=(attempt,))
        process.start()
        # By runs and not by the clock alone, since the first run of a process takes far longer than the others.
        runs = moments.randint(0, RUNS)
        while marks(attempt) < runs and process.is_alive():
            time.sleep(0.001)
        time.sleep(moments.uniform(0, duration / RUNS))
        process.kill()
        process.join()
        begun, saved = marks(attempt), saved_runs(attempt)
        table = without_clock(run(attempt))
        assert marks(attempt) - begun == RUNS - saved, "a saved run has been trained again"
        found.append((begun, saved, table.equals(expected)))
    return found


if __name__ == "__main__":
    times = int(sys.argv[1]) if sys.argv[1:] else 20
    with tempfile.TemporaryDirectory() as name:
        results = kill_and_resume(times, Path(name), seed=int.from_bytes(os.urandom(4), "big"))
    for begun, saved, same in results:
        print(f"Killed with {begun:2} of {RUNS} runs begun and {saved:2} saved. The table is the same: {same}")
    sys.exit(0 if all(same and begun - saved <= 1 for begun, saved, same in results) else 1)
