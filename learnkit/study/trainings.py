"""Settings × seeds, each trained once: in this process, in several, or on a cluster."""

import inspect
import itertools
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn
from tqdm.auto import tqdm

from learnkit.data import LabelledImages
from learnkit.errors import check_whole_number, unknown
from learnkit.models import FullyConnected
from learnkit.study.run import LAST, Row, Run
from learnkit.study.store import Store, fingerprint_of
from learnkit.study.workers import train_here, train_there
from learnkit.training import Training

STORED = Path(__file__).parent.parent / "stored"
FIGURES = ("loss", "accuracy", "precision", "recall", "f1", f"last_{LAST}")


class StudyInterrupted(KeyboardInterrupt):
    """Ctrl-C, or a kernel's interrupt, came; `table` has the trainings that are finished."""

    table: pd.DataFrame


class StudyStopped(RuntimeError):
    """No more can be trained, since the workers or the store are gone; `table` has the trainings that are finished."""

    table: pd.DataFrame


def study(
    grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    seeds: Iterable[int],
    data: LabelledImages | Callable[[], LabelledImages],
    *,
    path: str | Path | None = None,
    executor: Executor | None = None,
    model: Callable[..., nn.Module] = FullyConnected,
    epochs: int = 20,
    threads: int | None = None,
) -> pd.DataFrame:
    """Train a model with each setting and each seed.

    Parameters
    ----------
    grid
        Lists of values by the names of `Training`'s and the model's parameters: each combination is a setting. Or a
        list of settings, as dicts; what one of them leaves out has its default there.
    seeds
        Each is both the model's and the training's.
    data
        What to train on. If images were held out for validation, they are looked at after every epoch. For workers that
        share no disk with this process, a function that returns the data, which each of them calls once:
        ``partial(learnkit.data.load, "mnist", validation=10_000)``.
    path
        A file in which every finished training is kept at once. Only what is not yet in it is trained, so that an
        interrupted study goes on where it was, and seeds and settings can be added later. A training is known by its
        whole setting (what was left at its default too), its seed, data and number of threads.
    executor
        Who trains: any `concurrent.futures.Executor`, such as ``ProcessPoolExecutor(2)`` or, on a cluster, Dask's
        ``client.get_executor()``. By default this process, one training after the other.
    model
        Is called with the model's part of a setting and with ``seed``.
    epochs
        Of each training, unless the grid says otherwise.
    threads
        Of the CPU, for each training; by default as many as torch uses here, and with an executor one. With the same
        number the figures are the same to the last bit, whoever trains; with another a nonlinear net's are not.

    Returns
    -------
    pandas.DataFrame
        A row for each setting, seed and epoch, in the order of grid and seeds. Columns: what the setting says;
        ``seed``, ``epoch``; ``train_loss``, the mean over the epoch's steps; ``validation_loss``,
        ``validation_accuracy``, ``validation_precision``, ``validation_recall``, ``validation_f1`` (macro) and
        ``validation_last_200``, the accuracy of the last 200 images; the same for the test set in the row of the last
        epoch, NaN in the others; ``seconds`` of training so far; ``parameters`` and ``threads``, how many; ``error``:
        a training that diverged or was impossible ends with a row that says why, and the others are not touched by it.

    Raises
    ------
    ValueError
        If there is no setting or no seed, if one stands there twice, if something is given alone and not in a list, or
        if neither `Training` nor the model has a parameter of some name.
    OSError
        If nothing can be written at ``path``.
    StudyInterrupted, StudyStopped
        If it could not come to its end. What is finished is in the file, and in the exception's ``table``.
    """
    if threads is None:
        threads = torch.get_num_threads() if executor is None else 1
    check_whole_number("threads", threads)
    settings, runs = _runs(grid, _listed("seeds", seeds, "range(5)"), model, epochs, threads)
    outcomes: dict[int, list[Row]] = {}
    with ExitStack() as stack:
        here = data() if callable(data) and (executor is None or path is not None) else data
        keys, store = [], None
        if path is not None:
            fingerprint = fingerprint_of(here)
            keys = [run.key(fingerprint) for run in runs]
            store = stack.enter_context(closing(Store(Path(path))))
            outcomes = {number: store.rows(key) for number, key in enumerate(keys) if key in store}
        missing = {number: run for number, run in enumerate(runs) if number not in outcomes}
        coming = train_here(missing, here) if executor is None else train_there(missing, data, executor)
        stack.enter_context(closing(coming))
        bar = stack.enter_context(tqdm(total=len(runs), initial=len(outcomes), desc="trainings", leave=False))
        try:
            for number, outcome in coming:
                if store is not None and outcome.final:
                    store.keep(keys[number], outcome.rows)
                outcomes[number] = outcome.rows
                bar.update()
        except (KeyboardInterrupt, BrokenExecutor, CancelledError, OSError) as stop:
            stopped = _stopped(stop, _table(settings, runs, outcomes), len(outcomes), len(runs), path)
            raise stopped from (None if isinstance(stop, KeyboardInterrupt) else stop)
    table = _table(settings, runs, outcomes)
    errors = table["error"].dropna()
    if len(errors):
        failed = f"{len(errors)} of the {len(runs)} trainings failed; the column 'error' says why."
        warnings.warn(f"{failed} The first: {errors.iloc[0]}", stacklevel=2)
    return table


def stored(name: str) -> pd.DataFrame:
    """A table of trainings that take long, as kept with learnkit; ``python course.py studies NAME`` makes it again.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    known = {path.stem: path for path in sorted(STORED.glob("*.csv"))}
    if name not in known:
        raise unknown("stored study", name, known)
    return pd.read_csv(known[name], comment="#")


def _runs(
    grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    seeds: list[int],
    model: Callable[..., nn.Module],
    epochs: int,
    threads: int,
) -> tuple[list[Row], list[Run]]:
    """What the table shall say of each run's setting, and the runs."""
    if isinstance(grid, Mapping):
        lists = [_listed(name, values, f"[{values!r}]") for name, values in grid.items()]
        given = [dict(zip(grid, values, strict=True)) for values in itertools.product(*lists)] if lists else []
    else:
        given = [dict(setting) for setting in grid]
    if not given or not seeds:
        raise ValueError(f"{len(given)} settings and {len(seeds)} seeds make no training; give one of each or more.")
    of_training, of_model = _defaults(Training, {"model", "data", "seed"}), _defaults(model, {"seed"})
    of_training["epochs"] = epochs
    known = of_training | of_model
    names = list(dict.fromkeys(itertools.chain.from_iterable(given)))
    for name in names:
        if name not in known:
            raise unknown("parameter of the model or of Training", name, sorted(known))
    whole = [[{**part, **_within(part, setting)} for part in (of_model, of_training)] for setting in given]
    for what, things, told in (("seed", seeds, seeds), ("setting", whole, given)):
        for number, thing in enumerate(things):
            if thing in things[:number]:
                raise ValueError(f"The {what} {told[number]} stands there twice: give it once.")
    settings, runs = [], []
    for (setting, parts), seed in itertools.product(zip(given, whole, strict=True), seeds):
        check_whole_number("A seed", seed, minimum=0)
        settings.append({name: setting.get(name, known[name]) for name in names})
        of_model, of_training = ({k: v for k, v in part.items() if v is not inspect.Parameter.empty} for part in parts)
        runs.append(Run(model, of_model, of_training, seed=int(seed), threads=threads))
    return settings, runs


def _listed(name: str, values: object, example: str) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name} is {values!r}; expected a list of values, such as {example}.")
    return list(values)


def _within(part: dict[str, Any], setting: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in setting.items() if name in part}


def _defaults(made: Callable[..., Any], without: set[str]) -> dict[str, Any]:
    """The parameters of a class or function, with their defaults."""
    parameters = inspect.signature(made).parameters.values()
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    return {one.name: one.default for one in named if one.name not in without}


def _table(settings: list[Row], runs: list[Run], outcomes: dict[int, list[Row]]) -> pd.DataFrame:
    rows = [
        {**settings[number], "seed": runs[number].seed, **row}
        for number in sorted(outcomes)
        for row in outcomes[number]
    ]
    splits = ["validation", "test"]
    if any("error" not in row and "validation_loss" not in row for row in rows):
        splits.remove("validation")
    figures = [f"{split}_{figure}" for split in splits for figure in FIGURES]
    ends = ["seconds", "parameters", "threads", "error"]
    return pd.DataFrame(rows, columns=[*settings[0], "seed", "epoch", "train_loss", *figures, *ends])


def _stopped(
    stop: BaseException, table: pd.DataFrame, finished: int, runs: int, path: str | Path | None
) -> StudyInterrupted | StudyStopped:
    if path is not None:
        kept = f"kept in {path}: call study again with this path, and only the others are trained."
    else:
        kept = (
            "in this exception's table (import sys; sys.last_value.table). With a path, study would keep them and "
            "could go on from there."
        )
    words = f"{finished} of {runs} trainings are finished, and {kept}"
    if isinstance(stop, KeyboardInterrupt):
        stopped = StudyInterrupted(words)
    elif isinstance(stop, OSError):
        stopped = StudyStopped(f"{stop} {words}")
    else:
        reason = str(stop) or "its work was cancelled"
        stopped = StudyStopped(
            f"The executor has lost its workers ({type(stop).__name__}: {reason}), by lack of memory perhaps, or "
            f"killed from outside. {words} The executor is of no more use; make a new one."
        )
    stopped.table = table
    return stopped
