"""Eight seeds of Day 1's net on 60,000 images, two epochs each: a study by two processes of one thread against a loop
over the seeds with two; and what a study costs beside the bare trainings.
"""

import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
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

        def kept(**options: object) -> None:
            path = Path(folder) / f"{next(numbers)}.sqlite"
            study({"sizes": [SIZES]}, SEEDS, mnist, epochs=EPOCHS, path=path, **options)

        ways = {
            "loop over the seeds, two threads": partial(loop, mnist, 2),
            "study, two threads": kept,
            "study, two processes of one thread": partial(kept, executor=executor),
        }
        # The first round starts the processes; a learner pays for that once a study, some seconds.
        seconds = interleaved(ways, rounds=3)
    print_table("Eight seeds", seconds, "loop over the seeds, two threads", "s")


def loop(mnist: data.LabelledImages, threads: int) -> None:
    """What one would write without a study: train, and look at the test set."""
    torch.set_num_threads(threads)
    for seed in SEEDS:
        training = Training(FullyConnected(SIZES, seed=seed), mnist, epochs=EPOCHS, seed=seed)
        losses = [loss for _, _, loss in training]
        torch.stack(losses).mean().item()
        training.evaluate("test")
