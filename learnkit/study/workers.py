"""Where trials are executed: in this process, or by the workers of an executor."""

import io
import multiprocessing
import pickle
import sys
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from types import FunctionType
from typing import Any, Literal

import torch

from learnkit.data import LabelledImages
from learnkit.study.trial import Outcome, Trial, execute, failed

IN_NOTEBOOK = (
    "{name} is defined in a notebook or at Python's prompt, from which no other process can import it. Put it into a "
    "module, such as a file nets.py in this folder, and import it from there: from nets import {name}."
)
CANNOT_BE_SENT = (
    "{thing!r} cannot be sent to another process ({error}). Give one that has a name, defined at the top level of a "
    "module, with plain values as its parameters."
)
FORKS = (
    "This executor makes its processes by fork, and a process forked while torch has threads may hang. Give study a "
    "number of processes, executor=2, or an executor with mp_context=multiprocessing.get_context({method!r})."
)


@dataclass(frozen=True)
class Source:
    """Where workers get the data. Two sources are equal if their names are."""

    name: str
    fetch: Callable[[], LabelledImages] = field(compare=False)


def run_serial(trials: dict[int, Trial], data: LabelledImages) -> Generator[tuple[int, Outcome], None, None]:
    """Execute the trials one after another, in this process."""
    for number, trial in trials.items():
        yield number, execute(trial, data)


def start_method() -> Literal["forkserver", "spawn"]:
    """How processes are started: never by fork, which copies locks that torch's threads may hold."""
    return "spawn" if sys.platform == "win32" else "forkserver"


def processes(count: int) -> ProcessPoolExecutor:
    """An executor of so many processes on this machine."""
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context(start_method()))


def run_on(
    trials: dict[int, Trial], data: LabelledImages | Callable[[], LabelledImages], executor: Executor
) -> Generator[tuple[int, Outcome], None, None]:
    """Submit the trials to an executor, and yield each outcome as it arrives.

    Raises
    ------
    ValueError
        If the executor has been shut down, or makes its processes by fork, or if a model or the data cannot be sent to
        another process.
    BrokenExecutor, CancelledError
        If it lost its workers, or its work was cancelled; every outcome that arrived has been yielded by then.
    """
    if not trials:
        return
    if isinstance(executor, ProcessPoolExecutor):
        _check_processes(executor, [*trials.values(), data])
    with _source(data) as source:
        try:
            futures = {executor.submit(_execute, trial, source): number for number, trial in trials.items()}
        except BrokenExecutor:
            raise
        except RuntimeError as error:
            raise ValueError(
                f"This executor accepts no more work ({error}), for example because its with block has ended. Create a "
                "new one."
            ) from error
        lost = None
        try:
            for future in as_completed(futures):
                try:
                    outcome = future.result()
                except (BrokenExecutor, CancelledError) as error:
                    lost = error  # others may have finished before
                    continue
                except Exception as error:  # such as a model that cannot be sent to a worker
                    outcome = failed(trials[futures[future]], error)
                yield futures[future], outcome
        finally:
            for future in futures:
                future.cancel()
        if lost is not None:
            raise lost


def _check_processes(executor: ProcessPoolExecutor, things: list[Any]) -> None:
    """Raise a ValueError if its processes may hang, or could not get one of these things."""
    if executor._mp_context.get_start_method() == "fork":  # type: ignore[union-attr]  # there is no public way
        raise ValueError(FORKS.format(method=start_method()))
    for thing in things:
        if isinstance(thing, LabelledImages):
            continue  # which is sent by a file
        try:
            _Pickler(io.BytesIO()).dump(thing)
        except (AttributeError, TypeError, pickle.PicklingError) as error:
            thing = thing.model if isinstance(thing, Trial) else thing
            raise ValueError(CANNOT_BE_SENT.format(thing=thing, error=error)) from error


class _Pickler(pickle.Pickler):
    """Refuses, with the reason, what a worker would look for in a module called __main__ that it does not have."""

    def reducer_override(self, thing: Any) -> Any:
        is_named = isinstance(thing, type | FunctionType) and thing.__module__ == "__main__"
        if is_named and not hasattr(sys.modules["__main__"], "__file__"):  # a script's is imported by its workers
            raise ValueError(IN_NOTEBOOK.format(name=thing.__qualname__))
        return NotImplemented


def _execute(trial: Trial, source: Source) -> Outcome:
    return execute(trial, _fetched(source))


@lru_cache(maxsize=1)
def _fetched(source: Source) -> LabelledImages:
    """The data, which each worker fetches once and not for every trial."""
    return source.fetch()


@contextmanager
def _source(data: LabelledImages | Callable[[], LabelledImages]) -> Iterator[Source]:
    """A function for workers to call, or a file for them to open, since the data is too large for each trial."""
    name = uuid.uuid4().hex
    if callable(data):
        yield Source(name, data)
        return
    with tempfile.TemporaryDirectory(prefix="learnkit-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "data.pt"
        torch.save(vars(data.to("cpu")), file)
        yield Source(name, partial(_read, file))


def _read(file: Path) -> LabelledImages:
    if not file.exists():
        raise FileNotFoundError(
            f"This worker cannot see {file}, which holds the data: it runs on another machine, or the study has ended. "
            'Give study a function instead of the data: partial(learnkit.data.load, "mnist", validation=10_000).'
        )
    return LabelledImages(**torch.load(file, weights_only=True))
