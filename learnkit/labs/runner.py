"""A thread that trains what it was last asked to, and can be stopped at every step."""

import atexit
import threading
from collections.abc import Callable, Iterator

# The runners that have something to do, in the order in which they were asked: one at a time has its turn, the one
# asked last, so that what a person touches moves, and ten labs do not fight for the processor.
_busy: list["Runner"] = []
_changed = threading.Condition()

Job = Callable[[], Iterator[None]]


class Runner:
    """Goes through one iterator at a time, in a daemon thread that lives as long as there is something to do.

    Each job is a generator function; every ``yield`` in it is a place at which it can be stopped. There it compares a
    generation number, which each `start` and `stop` changes. A generator that is stopped is closed.

    Parameters
    ----------
    at_rest
        Is called in the thread when there is nothing more to do, before the thread ends.
    waits
        Is called in the thread when it has to wait, since another runner has the turn.
    failed
        Is called in the thread with what a job or `at_rest` raised: no error is swallowed.
    """

    def __init__(
        self, at_rest: Callable[[], None], waits: Callable[[], None], failed: Callable[[Exception], None]
    ) -> None:
        self._at_rest = at_rest
        self._waits = waits
        self._failed = failed
        self._generation = 0
        self._job: Job | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_busy(self) -> bool:
        return self._thread is not None

    def start(self, job: Job) -> None:
        """Go through this job from now on, instead of any other."""
        with _changed:
            self._generation += 1
            self._job = job
            _busy[:] = [*(runner for runner in _busy if runner is not self), self]  # at once: threads look at the end
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="learnkit lab", daemon=True)
                self._thread.start()
            _changed.notify_all()

    def stop(self) -> None:
        """Do nothing more; the step that is being made is finished."""
        with _changed:
            self._generation += 1
            self._job = None
            _changed.notify_all()

    def wait(self) -> None:
        """Return when there is nothing more to do. A KeyboardInterrupt gets through, on Windows too."""
        with _changed:
            while self.is_busy:
                _changed.wait(0.2)

    def _work(self) -> None:
        try:
            while True:
                with _changed:
                    job, generation, self._job = self._job, self._generation, None
                try:
                    if job is None:
                        self._at_rest()
                    else:
                        self._go_through(job(), generation)
                except Exception as error:
                    self._failed(error)
                with _changed:
                    if job is None and self._job is None:
                        self._end()
                        return
        finally:
            with _changed:
                self._end()

    def _end(self) -> None:
        if self._thread is threading.current_thread():
            self._thread = None
            _busy.remove(self)
            _changed.notify_all()

    def _go_through(self, steps: Iterator[None], generation: int) -> None:
        try:
            for _ in steps:
                if _busy[-1] is not self:
                    self._waits()
                    with _changed:
                        _changed.wait_for(lambda: _busy[-1] is self or self._generation != generation)
                if self._generation != generation:
                    return
        finally:
            steps.close()


@atexit.register
def _stop_all() -> None:
    """A thread that Python's end meets in the middle of a step would abort the whole process."""
    for runner in list(_busy):
        runner.stop()
    for runner in list(_busy):
        runner.wait()
