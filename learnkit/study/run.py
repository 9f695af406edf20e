"""One training run of a study: its settings, the key it is stored under, and its results. Workers can receive it."""

import hashlib
import inspect
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from learnkit import metrics
from learnkit.data import LabelledImages
from learnkit.training import Evaluation, Training, TrainingDiverged

LAST_IMAGES = 200  # the notes computed their accuracy on the last batch
Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A run to be executed: everything that its results depend on, except the data."""

    model: Callable[..., nn.Module]
    model_kwargs: dict[str, Any]
    training_kwargs: dict[str, Any]
    seed: int
    threads: int | None  # None: by the size of the net

    def key(self, fingerprint: str) -> str:
        """The key that this run is stored under; runs have the same key if, and only if, all that was set is the same.

        Where the size of the net decides on the number of threads, that number is not part of the key.

        Raises
        ------
        ValueError
            If the model has no name that identifies it, as a lambda has none.
        """
        parts = {"model": _identity(self.model), "data": fingerprint, "seed": self.seed, "threads": self.threads}
        parts |= {"model_kwargs": self.model_kwargs, "training_kwargs": self.training_kwargs}
        return json.dumps(parts, sort_keys=True, default=_to_json)


class Outcome(NamedTuple):
    """The results of a run."""

    rows: list[Row]  # one for each epoch; if the run failed, the last one says why
    final: bool  # whether another try would end the same way: yes if the loss diverged, perhaps not if memory ran out


def execute(run: Run, data: LabelledImages) -> Outcome:
    """Train to the end; an error becomes a row of the outcome."""
    rows = []
    try:
        for row in _epochs(run, data):
            rows.append(row)
    except Exception as error:  # no error of one run may stop the others
        return failed(run, error, rows)
    return Outcome(rows, final=True)


def failed(run: Run, error: BaseException, rows: list[Row] | None = None) -> Outcome:
    """The outcome of a run that did not finish: the epochs it completed, and a row with the error."""
    rows = rows or []
    row = {"epoch": len(rows) + 1, "threads": run.threads, "error": f"{type(error).__name__}: {error}"}
    return Outcome([*rows, row], final=isinstance(error, TrainingDiverged))


def _epochs(run: Run, data: LabelledImages) -> Iterator[Row]:
    net = run.model(**run.model_kwargs, seed=run.seed)
    training = Training(net, data, **run.training_kwargs, seed=run.seed, threads=run.threads)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    seconds, start, losses = 0.0, time.perf_counter(), []
    for epoch, step, loss in training:
        losses.append(loss)
        if step % training.steps_per_epoch:
            continue
        row = {"epoch": epoch, "train_loss": torch.stack(losses).mean().item()}
        seconds += time.perf_counter() - start
        if len(data.validation_labels):
            row |= _evaluation_columns("validation", training.evaluate("validation"))
        if step == len(training):
            row |= _evaluation_columns("test", training.evaluate("test"))
        yield row | {"seconds": seconds, "parameters": parameters, "threads": training.threads}
        start, losses = time.perf_counter(), []


def _evaluation_columns(split: str, evaluation: Evaluation) -> dict[str, float]:
    matrix = evaluation.confusion_matrix
    correct = evaluation.predictions == evaluation.labels
    columns = {
        "loss": evaluation.loss,
        "accuracy": evaluation.accuracy,
        "precision": metrics.precision(matrix).item(),
        "recall": metrics.recall(matrix).item(),
        "f1": metrics.f1(matrix).item(),
        f"last_{LAST_IMAGES}": correct[-LAST_IMAGES:].double().mean().item(),
    }
    return {f"{split}_{name}": value for name, value in columns.items()}


def _to_json(value: object) -> object:
    """A JSON value for an object that JSON has no type for."""
    if hasattr(value, "item"):  # a scalar of NumPy or torch
        return value.item()
    return str(value) if isinstance(value, torch.device) else _identity(value)


def _identity(thing: Any) -> object:
    """What identifies a class or function: its name and, unless it belongs to learnkit, a hash of its source."""
    if isinstance(thing, partial):
        return [_identity(thing.func), list(thing.args), thing.keywords]
    name = f"{getattr(thing, '__module__', '?')}.{getattr(thing, '__qualname__', '?')}"
    if name.startswith("learnkit."):
        return name
    try:
        if "<" in name or "?" in name:  # <lambda>, <locals>: its behaviour depends on where it was made
            raise TypeError("it has no name of its own")
        source = inspect.getsource(thing)
    except (OSError, TypeError) as error:
        raise ValueError(
            f"{thing!r} cannot be identified in the file that stores the runs ({error}), so it could be mistaken for "
            "another. Define it with class or def at the top level of a cell or module, or call study without a path."
        ) from error
    # Without the module, since __main__ of a script is __mp_main__ in its workers.
    return f"{thing.__qualname__} {hashlib.sha256(source.encode()).hexdigest()}"
