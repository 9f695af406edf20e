"""Eight seeds of Day 1's net on 60,000 images, two epochs each: a study with two processes of one thread each, against
a loop over the seeds with two threads; and the overhead of a study over that loop.
"""

import multiprocessing
import tempfile
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path

import torch

from benchmarks.measure import interleaved, print_table
from learnkit import data
from learnkit.models import FullyConnected
from learnkit.study import study
from learnkit.training import Training

SIZES = (784, 128, 256, 10)
SEEDS = range(8)
EPOCHS = 2


def main() -> None:
    mnist = data.load()
    torch.set_num_threads(2)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as executor, tempfile.TemporaryDirectory() as folder:
        numbers = count()

        def saved_study(executor: Executor | None = None) -> None:
            path = Path(folder) / f"{next(numbers)}.sqlite"
            study(
                {"sizes": [SIZES]},
                SEEDS,
                mnist,
                epochs=EPOCHS,
                path=path,
                executor=executor,
                threads=1 if executor else 2,
            )

        ways: dict[str, Callable[[], None]] = {
            "loop over the seeds, two threads": partial(loop, mnist, 2),
            "study, two threads": saved_study,
            "study, two processes of one thread": partial(saved_study, executor=executor),
        }
        # The warm-up round starts the processes, which takes a learner some seconds for each study.
        seconds = interleaved(ways, rounds=3)
    print_table("Eight seeds", seconds, "loop over the seeds, two threads", "s")


def loop(mnist: data.LabelledImages, threads: int) -> None:
    """The code one would write without study: train, and evaluate on the test set."""
    torch.set_num_threads(threads)
    for seed in SEEDS:
        training = Training(FullyConnected(SIZES, seed=seed), mnist, epochs=EPOCHS, seed=seed, threads=threads)
        losses = [loss for _, _, loss in training]
        torch.stack(losses).mean().item()
        training.evaluate("test")
