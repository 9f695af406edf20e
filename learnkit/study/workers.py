"""Where trials are executed: in this process, or by the workers of an executor."""

import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import torch

from learnkit.data import LabelledImages
from learnkit.study.trial import Outcome, Trial, execute, failed


@dataclass(frozen=True)
class Source:
    """Where workers get the data. Two sources are equal if their names are."""

    name: str
    fetch: Callable[[], LabelledImages] = field(compare=False)


def run_serial(trials: dict[int, Trial], data: LabelledImages) -> Generator[tuple[int, Outcome], None, None]:
    """Execute the trials one after another, in this process."""
    for number, trial in trials.items():
        yield number, execute(trial, data)


def run_on(
    trials: dict[int, Trial], data: LabelledImages | Callable[[], LabelledImages], executor: Executor
) -> Generator[tuple[int, Outcome], None, None]:
    """Submit the trials to an executor, and yield each outcome as it arrives.

    Raises
    ------
    ValueError
        If the executor has been shut down.
    BrokenExecutor, CancelledError
        If it lost its workers, or its work was cancelled; every outcome that arrived has been yielded by then.
    """
    if not trials:
        return
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
