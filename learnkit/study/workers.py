"""Who trains: this process, or the workers of an executor."""

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
from learnkit.study.run import Outcome, Run, attempt, failed


@dataclass(frozen=True)
class Source:
    """Where workers get the data; two sources are the same if their names are."""

    name: str
    fetch: Callable[[], LabelledImages] = field(compare=False)


def train_here(runs: dict[int, Run], data: LabelledImages) -> Generator[tuple[int, Outcome], None, None]:
    """Train one after the other, in this process."""
    for number, run in runs.items():
        yield number, attempt(run, data)


def train_there(
    runs: dict[int, Run], data: LabelledImages | Callable[[], LabelledImages], executor: Executor
) -> Generator[tuple[int, Outcome], None, None]:
    """Let the executor train, and hand out what is finished as it comes.

    Raises
    ------
    ValueError
        If the executor was shut down.
    BrokenExecutor, CancelledError
        If it lost its workers, or the work was taken from it; by then all that was finished has been handed out.
    """
    if not runs:
        return
    with _source(data) as source:
        try:
            futures = {executor.submit(_attempt, run, source): number for number, run in runs.items()}
        except BrokenExecutor:
            raise
        except RuntimeError as error:
            raise ValueError(
                f"This executor takes no work any more ({error}), as after the end of its with block. Make a new one."
            ) from error
        lost = None
        try:
            for future in as_completed(futures):
                try:
                    outcome = future.result()
                except (BrokenExecutor, CancelledError) as error:
                    lost = error  # others may have come to their end before
                    continue
                except Exception as error:  # such as a model that cannot be sent to a worker
                    outcome = failed(runs[futures[future]], error)
                yield futures[future], outcome
        finally:
            for future in futures:
                future.cancel()
        if lost is not None:
            raise lost


def _attempt(run: Run, source: Source) -> Outcome:
    return attempt(run, _fetched(source))


@lru_cache(maxsize=1)
def _fetched(source: Source) -> LabelledImages:
    """The data, which a worker gets once and not for every run."""
    return source.fetch()


@contextmanager
def _source(data: LabelledImages | Callable[[], LabelledImages]) -> Iterator[Source]:
    """A function that workers call, or a file that they open, since the data is too large to go with every run."""
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
            f"This worker does not see {file}, where the data is: it runs on another machine, or the study has ended. "
            'Give study a function instead of the data: partial(learnkit.data.load, "mnist", validation=10_000).'
        )
    return LabelledImages(**torch.load(file, weights_only=True))
