"""One training to its end: the loss of each step, and after each epoch an evaluation, as a row of a table."""

import math
import threading
import time
from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from learnkit import metrics
from learnkit.training import Evaluation, Training

LAST_IMAGES = 200  # the notes computed their accuracy on the last batch
Row = dict[str, Any]


class Run:
    """A training with the results of each of its epochs.

    To go through a run is to train: each time the next item is requested, it makes one step, or evaluates the model on
    a part of the validation images. To pause, request no more; nothing is lost by it.

    Parameters
    ----------
    training
        At its beginning.
    held_out
        What the validation images are called in the rows: another name if the model is trained on them, too.
    test
        Whether to evaluate on the test images after the last epoch.

    Attributes
    ----------
    rows
        One for each epoch that is finished and evaluated. Columns: ``epoch``; ``train_loss``, the mean over the steps
        of the epoch; if there are validation images, ``validation_loss``, ``validation_accuracy``,
        ``validation_precision``, ``validation_recall``, ``validation_f1`` (macro averages) and ``validation_last_200``,
        the accuracy on the last 200 images; after the last epoch the same for the test images, if wanted; ``seconds``
        of training so far; the number of ``parameters`` and of ``threads``.
    evaluation
        The latest on the validation images.
    seconds
        Of training so far, without the evaluations.
    """

    def __init__(self, training: Training, *, held_out: str = "validation", test: bool = False) -> None:
        self.training = training
        self.held_out = held_out
        self.parameters = sum(parameter.numel() for parameter in training.model.parameters())
        self.rows: list[Row] = []
        self.evaluation: Evaluation | None = None
        self.seconds = 0.0
        self._test = test
        self._of_epoch: list[Float[Tensor, ""]] = []  # losses of the present epoch, on the device
        self._unread: list[Float[Tensor, ""]] = []
        self._losses = array("d")
        self._reading = threading.Lock()

    def __iter__(self) -> Iterator[None]:
        while not self.is_over:
            if self.needs_evaluation:
                yield from self._finish_epoch()
            else:
                self._step()
            yield

    @property
    def is_over(self) -> bool:
        """Whether all epochs are finished and evaluated."""
        return len(self.rows) == self.training.epochs

    @property
    def needs_evaluation(self) -> bool:
        """Whether the last step has finished an epoch that was not evaluated yet."""
        return len(self.rows) < self.training.step // self.training.steps_per_epoch

    @property
    def seconds_left(self) -> float:
        """Of training, at the speed so far; NaN before the first step."""
        steps = self.training.step
        return (len(self.training) - steps) * self.seconds / steps if steps else math.nan

    @property
    def losses(self) -> Float[np.ndarray, " steps"]:
        """The loss of each step, up to the first that is not finite. Reading it waits for the device."""
        self._read_losses()
        return np.array(self._losses)

    def _read_losses(self) -> None:
        with self._reading:
            if count := len(self._unread):  # the training may go on meanwhile
                new = torch.stack(self._unread[:count]).cpu()
                self._losses.extend(new[: int(new.isfinite().cumprod(0).sum())].tolist())
                del self._unread[:count]

    def _step(self) -> None:
        start = time.perf_counter()
        try:
            loss = next(self.training).loss
        finally:
            self.seconds += time.perf_counter() - start
        self._of_epoch.append(loss)
        self._unread.append(loss)

    def _finish_epoch(self) -> Iterator[None]:
        start = time.perf_counter()
        row: Row = {"epoch": len(self.rows) + 1, "train_loss": torch.stack(self._of_epoch).mean().item()}
        seconds = self.seconds + time.perf_counter() - start  # on a GPU, reading a loss waits for the steps
        splits = {"validation": self.held_out} if len(self.training.data.validation_labels) else {}
        if self._test and row["epoch"] == self.training.epochs:
            splits["test"] = "test"
        evaluation = self.evaluation
        for split, name in splits.items():
            for result in self.training.evaluate_in_parts(split):
                if result is None:
                    yield
                    continue
                row |= {f"{name}_{metric}": value for metric, value in _metrics_of(result).items()}
                evaluation = result if split == "validation" else evaluation
        # All at once: if one stops in the middle, the epoch is evaluated again from its beginning.
        self.seconds, self.evaluation = seconds, evaluation
        self.rows.append(row | {"seconds": seconds, "parameters": self.parameters, "threads": self.training.threads})
        self._of_epoch.clear()
        self._read_losses()  # a thousand epochs of small tensors would fill the memory


def _metrics_of(evaluation: Evaluation) -> dict[str, float]:
    matrix = evaluation.confusion_matrix
    last = (evaluation.predictions == evaluation.labels)[-LAST_IMAGES:]
    return {
        "loss": evaluation.loss,
        "accuracy": evaluation.accuracy,
        "precision": metrics.precision(matrix).item(),
        "recall": metrics.recall(matrix).item(),
        "f1": metrics.f1(matrix).item(),
        f"last_{LAST_IMAGES}": last.sum().item() / len(last),
    }
