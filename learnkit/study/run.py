"""One training of a study: what it is made of, what it is called, what comes out of it. It can be sent to a worker."""

import hashlib
import inspect
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from learnkit import metrics
from learnkit.data import LabelledImages
from learnkit.training import Evaluation, Training, TrainingDiverged

LAST = 200  # images: the notes looked at one batch
Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A training that is still to be done, with all that its figures depend on but the data."""

    model: Callable[..., nn.Module]
    of_model: dict[str, Any]
    of_training: dict[str, Any]
    seed: int
    threads: int

    def key(self, fingerprint: str) -> str:
        """What this training, on data of this fingerprint, is kept under: the same whenever, and only if, it is.

        Raises
        ------
        ValueError
            If something in it cannot be told apart from another of the same name.
        """
        parts = {"model": _identity(self.model), "data": fingerprint, "seed": self.seed, "threads": self.threads}
        whole = parts | {"of_model": self.of_model, "of_training": self.of_training}
        return json.dumps(whole, sort_keys=True, default=_plain)


class Outcome(NamedTuple):
    """What came out of a run."""

    rows: list[Row]  # one for each epoch; if it failed, the last one says why
    final: bool  # whether it would come out so again: a training that diverged would, one without memory might not


def attempt(run: Run, data: LabelledImages) -> Outcome:
    """Train to the end, whatever comes of it."""
    rows = []
    try:
        with _threads(run.threads):
            for row in _epochs(run, data):
                rows.append(row)
    except Exception as error:  # whatever it is, the other settings shall be trained
        return failed(run, error, rows)
    return Outcome(rows, final=True)


def failed(run: Run, error: BaseException, rows: list[Row] | None = None) -> Outcome:
    """The outcome of a run that did not come to its end: its finished epochs, and a row with the error."""
    rows = rows or []
    row = {"epoch": len(rows) + 1, "threads": run.threads, "error": f"{type(error).__name__}: {error}"}
    return Outcome([*rows, row], final=isinstance(error, TrainingDiverged))


def _epochs(run: Run, data: LabelledImages) -> Iterator[Row]:
    net = run.model(**run.of_model, seed=run.seed)
    training = Training(net, data, **run.of_training, seed=run.seed)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    seconds, start, losses = 0.0, time.perf_counter(), []
    for epoch, step, loss in training:
        losses.append(loss)
        if step % training.steps_per_epoch:
            continue
        row = {"epoch": epoch, "train_loss": torch.stack(losses).mean().item()}
        seconds += time.perf_counter() - start
        if len(data.validation_labels):
            row |= _figures("validation", training.evaluate("validation"))
        if step == len(training):
            row |= _figures("test", training.evaluate("test"))
        yield row | {"seconds": seconds, "parameters": parameters, "threads": run.threads}
        start, losses = time.perf_counter(), []


def _figures(split: str, evaluation: Evaluation) -> dict[str, float]:
    matrix = evaluation.confusion_matrix
    right = evaluation.predictions == evaluation.labels
    figures = {
        "loss": evaluation.loss,
        "accuracy": evaluation.accuracy,
        "precision": metrics.precision(matrix).item(),
        "recall": metrics.recall(matrix).item(),
        "f1": metrics.f1(matrix).item(),
        f"last_{LAST}": right[-LAST:].double().mean().item(),
    }
    return {f"{split}_{name}": figure for name, figure in figures.items()}


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _plain(value: object) -> object:
    """What JSON has no word for, in words that it has."""
    if hasattr(value, "item"):  # a number of numpy or torch
        return value.item()
    return str(value) if isinstance(value, torch.device) else _identity(value)


def _identity(thing: object) -> object:
    """What tells a class or function apart: its name, and if it is not of learnkit, its source text."""
    if isinstance(thing, partial):
        return [_identity(thing.func), list(thing.args), thing.keywords]
    name = f"{getattr(thing, '__module__', '?')}.{getattr(thing, '__qualname__', '?')}"
    if name.startswith("learnkit."):
        return name
    try:
        if "<" in name or "?" in name:  # <lambda>, <locals>: what such a function does depends on where it was made
            raise TypeError("it has no name of its own")
        source = inspect.getsource(thing)
    except (OSError, TypeError) as error:
        raise ValueError(
            f"{thing!r} cannot be named in the file that keeps the trainings, so that it could be taken for another "
            f"({error}). Define it with class or def at the top of a cell or module, or study it without path."
        ) from error
    # Without the module: what a script calls __main__ is __mp_main__ to its workers.
    return f"{thing.__qualname__} {hashlib.sha256(source.encode()).hexdigest()}"
