"""One trial of a study: its settings, the key it is stored under, and its results. Workers can receive it."""

import hashlib
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from learnkit.data import LabelledImages
from learnkit.run import Row, Run
from learnkit.training import Training, TrainingDiverged


@dataclass(frozen=True)
class Trial:
    """A training to be executed: everything that its results depend on, except the data."""

    model: Callable[..., nn.Module]
    model_kwargs: dict[str, Any]
    training_kwargs: dict[str, Any]
    seed: int
    threads: int | None  # None: by the size of the net

    def key(self, fingerprint: str) -> str:
        """The key that this trial is stored under: two trials have the same if, and only if, all that was set is equal.

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
    """The results of a trial."""

    rows: list[Row]  # one for each epoch; if it failed, the last one says why
    final: bool  # whether another try would end the same way: yes if the loss diverged, perhaps not if memory ran out


def execute(trial: Trial, data: LabelledImages) -> Outcome:
    """Train to the end; an error becomes a row of the outcome."""
    rows: list[Row] = []
    try:
        net = trial.model(**trial.model_kwargs, seed=trial.seed)
        training = Training(net, data, **trial.training_kwargs, seed=trial.seed, threads=trial.threads)
        run = Run(training, test=True)
        rows = run.rows
        for _ in run:
            pass
    except Exception as error:  # no error of one trial may stop the others
        return failed(trial, error, rows)
    return Outcome(rows, final=True)


def failed(trial: Trial, error: BaseException, rows: list[Row] | None = None) -> Outcome:
    """The outcome of a trial that did not finish: the epochs it completed, and a row with the error."""
    rows = rows or []
    row = {"epoch": len(rows) + 1, "threads": trial.threads, "error": f"{type(error).__name__}: {error}"}
    return Outcome([*rows, row], final=isinstance(error, TrainingDiverged))


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
