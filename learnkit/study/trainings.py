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
from torch import nn
from tqdm.auto import tqdm

from learnkit.data import LabelledImages
from learnkit.errors import check_whole_number, unknown
from learnkit.models import FullyConnected
from learnkit.run import LAST_IMAGES, Row
from learnkit.study.store import Store, fingerprint_of
from learnkit.study.trial import Trial
from learnkit.study.workers import processes, run_on, run_serial
from learnkit.threads import number_set_by_user
from learnkit.training import Training

STORED = Path(__file__).parent.parent / "stored"
METRICS = ("loss", "accuracy", "precision", "recall", "f1", f"last_{LAST_IMAGES}")

SAVED = (
    "{finished} of {total} runs are finished and saved in {path}. Call study again with this path, and only the others "
    "are trained."
)
NOT_SAVED = (
    "{finished} of {total} runs are finished; their rows are in this exception's table (import sys; "
    "sys.last_value.table). With a path, study would save them and could resume."
)
WORKERS_LOST = (
    "The executor has lost its workers ({error}: {reason}): perhaps they ran out of memory, or were killed. {progress} "
    "This executor cannot be used any more; create a new one."
)
CANCELLED = "its work was cancelled"
SOME_FAILED = "{failed} of the {total} runs failed; the column 'error' says why. The first: {first}"


class StudyInterrupted(KeyboardInterrupt):
    """The study was interrupted, by Ctrl-C or in the notebook; `table` has the finished runs."""

    table: pd.DataFrame


class StudyStopped(RuntimeError):
    """The study could not continue without its workers or its file; `table` has the finished runs."""

    table: pd.DataFrame


def study(
    grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    seeds: Iterable[int],
    data: LabelledImages | Callable[[], LabelledImages],
    *,
    path: str | Path | None = None,
    executor: Executor | int | None = None,
    model: Callable[..., nn.Module] = FullyConnected,
    epochs: int = 20,
    threads: int | None = None,
) -> pd.DataFrame:
    """Train a model with each setting and each seed.

    Parameters
    ----------
    grid
        Lists of values, by the names of parameters of `Training` or of the model: each combination is a setting. Or a
        list of settings as dicts, in which a parameter that is left out has its default.
    seeds
        Each seed is used for both the model and the training.
    data
        The data to train on. If it has validation images, the model is evaluated on them after every epoch. For workers
        that share no disk with this process, a function that returns the data, which each of them calls once:
        ``partial(learnkit.data.load, "mnist", validation=10_000)``.
    path
        A file in which each run is saved as soon as it finishes. Only runs that are not yet in it are trained, so that
        an interrupted study resumes where it stopped, and seeds and settings can be added later. A run is identified by
        its complete setting (defaults included), its seed, its data and ``threads``, if that was set.
    executor
        Where to train: in so many processes of this machine, such as 2; by any `concurrent.futures.Executor`; or on a
        cluster by Dask's ``client.get_executor()``. By default in this process, one run after another. Processes
        import the model by its name, so a class defined in a notebook has to be moved to a module, and a script needs
        ``if __name__ == "__main__":``.
    model
        Called with the model's part of a setting and with ``seed``.
    epochs
        For each run, unless the grid says otherwise.
    threads
        CPU threads of each run; by default chosen by the size of its network, see `learnkit.threads`, and one with an
        executor. The same number gives bit-identical results, wherever they are computed; with another, those of a
        nonlinear network differ.

    Returns
    -------
    pandas.DataFrame
        A row for each setting, seed and epoch, in the order of the grid and the seeds. Columns: the parameters of the
        setting; ``seed`` and ``epoch``; ``train_loss``, the mean over the steps of the epoch; ``validation_loss``,
        ``validation_accuracy``, ``validation_precision``, ``validation_recall``, ``validation_f1`` (macro averages) and
        ``validation_last_200``, the accuracy on the last 200 images; the same for the test set, in the row of the last
        epoch and NaN elsewhere; ``seconds`` of training so far; the number of ``parameters`` and of ``threads``; and
        ``error``: a run that diverged or was impossible ends with a row that says why, and does not affect the others.

    Raises
    ------
    ValueError
        If there are no settings or no seeds, if one is given twice, if a single value is given instead of a list, or
        if neither `Training` nor the model has a parameter of some name, or if a model or data cannot be sent to other
        processes.
    OSError
        If ``path`` cannot be written.
    StudyInterrupted, StudyStopped
        If the study did not finish. Finished runs are in the file and in the exception's ``table``.
    """
    if threads is None:
        threads = number_set_by_user() if executor is None else 1
    else:
        check_whole_number("threads", threads)
    settings, trials = _trials(grid, _listed("seeds", seeds, "range(5)"), model, epochs, threads)
    outcomes: dict[int, list[Row]] = {}
    with ExitStack() as stack:
        if isinstance(executor, int):
            check_whole_number("executor", executor)
            executor = processes(executor)
            stack.callback(executor.shutdown, wait=False, cancel_futures=True)
        if executor is None or path is not None:
            local = data if isinstance(data, LabelledImages) else data()
        keys, store = [], None
        if path is not None:
            fingerprint = fingerprint_of(local)
            keys = [trial.key(fingerprint) for trial in trials]
            store = stack.enter_context(closing(Store(Path(path))))
            outcomes = {number: store.rows(key) for number, key in enumerate(keys) if key in store}
        missing = {number: trial for number, trial in enumerate(trials) if number not in outcomes}
        arriving = run_serial(missing, local) if executor is None else run_on(missing, data, executor)
        stack.enter_context(closing(arriving))
        bar = stack.enter_context(tqdm(total=len(trials), initial=len(outcomes), desc="runs", leave=False))
        try:
            for number, outcome in arriving:
                if store is not None and outcome.final:
                    store.keep(keys[number], outcome.rows)
                outcomes[number] = outcome.rows
                bar.update()
        except (KeyboardInterrupt, BrokenExecutor, CancelledError, OSError) as stop:
            stopped = _stopped(stop, _table(settings, trials, outcomes), len(outcomes), len(trials), path)
            raise stopped from (None if isinstance(stop, KeyboardInterrupt) else stop)
    table = _table(settings, trials, outcomes)
    errors = table["error"].dropna()
    if len(errors):
        message = SOME_FAILED.format(failed=len(errors), total=len(trials), first=errors.iloc[0])
        warnings.warn(message, stacklevel=2)
    return table


def stored(name: str) -> pd.DataFrame:
    """A table of runs that take long, stored with learnkit; ``python course.py studies NAME`` computes it again.

    Raises
    ------
    ValueError
        If there is no stored table of this name.
    """
    known = {path.stem: path for path in sorted(STORED.glob("*.csv"))}
    if name not in known:
        raise unknown("stored study", name, known)
    return pd.read_csv(known[name], comment="#")


def _trials(
    grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    seeds: list[int],
    model: Callable[..., nn.Module],
    epochs: int,
    threads: int | None,
) -> tuple[list[Row], list[Trial]]:
    """For each trial, its setting as the table shows it, and the trial itself."""
    if isinstance(grid, Mapping):
        lists = [_listed(name, values, f"[{values!r}]") for name, values in grid.items()]
        given = [dict(zip(grid, values, strict=True)) for values in itertools.product(*lists)] if lists else []
    else:
        given = [dict(setting) for setting in grid]
    if not given or not seeds:
        raise ValueError(f"There are {len(given)} settings and {len(seeds)} seeds; give at least one of each.")
    model_defaults = _defaults(model, {"seed"})
    training_defaults = _defaults(Training, {"model", "data", "seed", "threads"}) | {"epochs": epochs}
    known = training_defaults | model_defaults
    names = list(dict.fromkeys(itertools.chain.from_iterable(given)))
    for name in names:
        if name not in known:
            raise unknown("parameter of the model or of Training", name, sorted(known))
    complete = [[_updated(part, setting) for part in (model_defaults, training_defaults)] for setting in given]
    for kind, items, shown in (("seed", seeds, seeds), ("setting", complete, given)):
        for number, item in enumerate(items):
            if item in items[:number]:
                raise ValueError(f"The {kind} {shown[number]} is given twice; give it once.")
    settings, trials = [], []
    for (setting, parts), seed in itertools.product(zip(given, complete, strict=True), seeds):
        check_whole_number("A seed", seed, minimum=0)
        settings.append({name: setting.get(name, known[name]) for name in names})
        model_kwargs, training_kwargs = (
            {k: v for k, v in part.items() if v is not inspect.Parameter.empty} for part in parts
        )
        trials.append(Trial(model, model_kwargs, training_kwargs, seed=int(seed), threads=threads))
    return settings, trials


def _listed(name: str, values: object, example: str) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name} is {values!r}; expected a list of values, such as {example}.")
    return list(values)


def _updated(defaults: dict[str, Any], setting: dict[str, Any]) -> dict[str, Any]:
    return {name: setting.get(name, default) for name, default in defaults.items()}


def _defaults(function: Callable[..., Any], excluded: set[str]) -> dict[str, Any]:
    """The parameters of a class or function, with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return {p.name: p.default for p in named if p.name not in excluded}


def _table(settings: list[Row], trials: list[Trial], outcomes: dict[int, list[Row]]) -> pd.DataFrame:
    rows = [
        {**settings[number], "seed": trials[number].seed, **row}
        for number in sorted(outcomes)
        for row in outcomes[number]
    ]
    splits = ["validation", "test"]
    if any("error" not in row and "validation_loss" not in row for row in rows):
        splits.remove("validation")
    evaluations = [f"{split}_{metric}" for split in splits for metric in METRICS]
    ends = ["seconds", "parameters", "threads", "error"]
    return pd.DataFrame(rows, columns=[*settings[0], "seed", "epoch", "train_loss", *evaluations, *ends])


def _stopped(
    stop: BaseException, table: pd.DataFrame, finished: int, total: int, path: str | Path | None
) -> StudyInterrupted | StudyStopped:
    progress = (NOT_SAVED if path is None else SAVED).format(finished=finished, total=total, path=path)
    if isinstance(stop, KeyboardInterrupt):
        stopped: StudyInterrupted | StudyStopped = StudyInterrupted(progress)
    elif isinstance(stop, OSError):
        stopped = StudyStopped(f"{stop} {progress}")
    else:
        fields = {"error": type(stop).__name__, "reason": str(stop) or CANCELLED, "progress": progress}
        stopped = StudyStopped(WORKERS_LOST.format(**fields))
    stopped.table = table
    return stopped
