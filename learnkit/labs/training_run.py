"""One training, and what was seen of it so far."""

import math
import threading
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn.functional import cross_entropy

from learnkit import metrics
from learnkit.threads import using
from learnkit.training import EVAL_BATCH_SIZE, Evaluation, Training


@dataclass(frozen=True)
class Epoch:
    """What came out at the end of an epoch."""

    train_loss: float  # mean over the epoch's steps
    loss: float  # of the images that are looked at after each epoch, as are the other three
    accuracy: float


class Run:
    """A training that keeps its losses and looks at the validation images after each epoch.

    To go through a run is to train: each time that the next one is asked for, it makes one step, or a part of an
    evaluation. To stop is to ask no more, and nothing is lost by it.

    Parameters
    ----------
    values
        The setting: a value for each parameter that can be chosen.
    training
        At its beginning.
    split
        What the validation images of its data are: ``"validation"``, or ``"train"`` if they were trained on, too.
    label
        The setting in a few words.
    """

    def __init__(self, values: dict[str, Any], training: Training, split: str, label: str) -> None:
        self.values = values
        self.training = training
        self.split = split
        self.label = label
        self.parameters = sum(parameter.numel() for parameter in training.model.parameters())
        self.seconds = 0.0  # of training, without looking
        self.epochs: list[Epoch] = []
        self.evaluation: Evaluation | None = None  # the newest
        self.test_accuracy = math.nan  # unless this very net's was looked at
        self._losses = array("d")
        self._unread: list[Tensor] = []  # losses that still lie on the device
        self._reading = threading.Lock()

    def __iter__(self) -> Iterator[None]:
        while True:
            if self.has_to_look:
                yield from self._evaluate()
            elif self.training.step == len(self.training):
                return
            else:
                self._step()
                yield

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, and looked at."""
        return len(self.epochs) == self.training.epochs

    @property
    def has_to_look(self) -> bool:
        """Whether the last step ended an epoch, after which the validation images are looked at."""
        return len(self.epochs) < self.training.step // self.training.steps_per_epoch

    @property
    def seconds_left(self) -> float:
        """Of training, at the speed so far; NaN before the first step."""
        steps = self.training.step
        return (len(self.training) - steps) * self.seconds / steps if steps else math.nan

    @property
    def losses(self) -> np.ndarray:
        """The loss of each step, up to the first that is not finite. To read it is to wait for the device."""
        with self._reading:
            count = len(self._unread)  # while they are read, the training may go on
            if count:
                new = torch.stack(self._unread[:count])
                self._losses.extend(new[: int(new.isfinite().cumprod(0).sum())].tolist())
                del self._unread[:count]
            return np.array(self._losses)

    @property
    def confusion_matrix(self) -> Int64[Tensor, "true predicted"] | None:
        """Of the images looked at after the last epoch; None before."""
        return None if self.evaluation is None else self.evaluation.confusion_matrix

    @property
    def table(self) -> pd.DataFrame:
        """A row for each epoch and curve, as `learnkit.plots.learning_curves` draws them."""
        return table_of(self.epochs)

    @property
    def row(self) -> dict[str, Any]:
        """The setting and what came out of it so far; NaN where nothing did yet."""
        matrix, nothing = self.confusion_matrix, math.nan
        figures = {"precision": metrics.precision, "recall": metrics.recall, "f1": metrics.f1}
        return {
            **self.values,
            "images": len(self.training.data.train_labels),
            "parameters": self.parameters,
            "steps": self.training.step,
            "seconds": self.seconds,
            "train_loss": self.epochs[-1].train_loss if self.epochs else nothing,
            "split": self.split,
            "loss": self.epochs[-1].loss if self.epochs else nothing,
            "accuracy": self.epochs[-1].accuracy if self.epochs else nothing,
            **{name: nothing if matrix is None else figure(matrix).item() for name, figure in figures.items()},
            "test_accuracy": self.test_accuracy,
        }

    def look_at_test_images(self) -> float:
        """The accuracy on the test images, at this step."""
        self.test_accuracy = self.training.evaluate("test").accuracy
        return self.test_accuracy

    def _step(self) -> None:
        start = time.perf_counter()
        try:
            _, _, loss = next(self.training)
        finally:
            self.seconds += time.perf_counter() - start
        self._unread.append(loss)
        self.test_accuracy = math.nan  # it was another net's

    def _evaluate(self) -> Iterator[None]:
        """As `Training.evaluate` does, with a place to stop after each part: a wide net's evaluation takes seconds."""
        images, labels = self.training.data.split("validation")
        model, parts = self.training.model, []
        for some in images.split(EVAL_BATCH_SIZE):
            model.eval()
            with torch.no_grad(), using(self.training.threads):
                parts.append(model(some))
            model.train()
            yield
        logits = torch.cat(parts)
        self.evaluation = Evaluation(cross_entropy(logits, labels).item(), labels, logits)
        losses = self.losses[-self.training.steps_per_epoch :]
        self.epochs.append(Epoch(losses.mean().item(), self.evaluation.loss, self.evaluation.accuracy))
        yield


class Pin:
    """What stays of a run that is pinned: its label, its row in the table, its curves."""

    def __init__(self, run: Run) -> None:
        self.label = run.label
        self.row = run.row
        self.losses = run.losses
        self.steps_per_epoch = run.training.steps_per_epoch
        self.epochs = list(run.epochs)


def table_of(epochs: list[Epoch]) -> pd.DataFrame:
    """A row for each epoch and part of the data: ``epoch``, ``split``, ``loss``, ``accuracy``."""
    rows = []
    for number, epoch in enumerate(epochs, start=1):
        rows.append({"epoch": number, "split": "train", "loss": epoch.train_loss})
        rows.append({"epoch": number, "split": "validation", "loss": epoch.loss, "accuracy": epoch.accuracy})
    return pd.DataFrame(rows, columns=["epoch", "split", "loss", "accuracy"])
