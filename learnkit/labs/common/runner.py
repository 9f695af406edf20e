"""A thread that does what it was last asked to, and can be stopped at every step."""

import atexit
import threading
from collections.abc import Callable, Generator

# The runners that have something to do, in the order in which they were asked: one at a time has its turn, the one
# asked last, so that what a person touches moves, and ten labs do not fight for the processor.
_busy: list["Runner"] = []
_changed = threading.Condition()

Steps = Generator[None, None, None]


class Runner:
    """Goes through one generator at a time, in a daemon thread that lives as long as there is something to do.

    Every ``yield`` is a place at which it can be stopped; a generator that is stopped is closed.

    Parameters
    ----------
    tick
        Is called in the thread after every step, and when the runner is not busy any more.
    rest
        Is called in the thread when there is nothing more to do, before the thread ends.
    wait_for_turn
        Is called in the thread when another runner has the turn.
    fail
        Is called in the thread with what a step or `rest` raised: no error is swallowed.
    """

    def __init__(
        self,
        tick: Callable[[], None],
        rest: Callable[[], None],
        wait_for_turn: Callable[[], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self._tick, self._rest, self._wait_for_turn, self._fail = tick, rest, wait_for_turn, fail
        self._generation = 0  # changes with each start and stop
        self._next: Steps | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_busy(self) -> bool:
        return self._thread is not None

    def start(self, steps: Steps) -> None:
        """Go through these steps from now on, instead of any others."""
        with _changed:
            self._generation += 1
            self._next = steps
            _busy[:] = [*(runner for runner in _busy if runner is not self), self]
            is_new = self._thread is None
            if is_new:
                self._thread = thread = threading.Thread(target=self._work, name="learnkit lab", daemon=True)
            _changed.notify_all()
        if is_new:  # not while the lock is held: in the new thread a lab may be collected, which is stopped by that
            thread.start()

    def stop(self) -> None:
        """Do nothing more; the present step is finished."""
        with _changed:
            self._generation += 1
            self._next = None
            _changed.notify_all()

    def wait(self) -> None:
        """Return when there is nothing more to do, and its thread has ended.

        A KeyboardInterrupt gets through, on Windows too.
        """
        thread = self._thread
        with _changed:
            while self.is_busy:
                _changed.wait(0.2)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _work(self) -> None:
        try:
            while True:
                with _changed:
                    steps, generation, self._next = self._next, self._generation, None
                try:
                    if steps is None:
                        self._rest()
                    else:
                        self._go_through(steps, generation)
                except Exception as error:
                    self._fail(error)
                with _changed:
                    if steps is None and self._next is None:
                        self._end()
                        return
        finally:
            with _changed:
                self._end()
            self._tick()  # somebody may have seen that it is busy, and left it to the thread to answer

    def _end(self) -> None:
        if self._thread is threading.current_thread():
            self._thread = None
            _busy.remove(self)
            _changed.notify_all()

    def _go_through(self, steps: Steps, generation: int) -> None:
        try:
            for _ in steps:
                with _changed:
                    has_turn = _busy[-1] is self
                if not has_turn:
                    self._wait_for_turn()
                    with _changed:
                        _changed.wait_for(lambda: _busy[-1] is self or self._generation != generation)
                if self._generation != generation:
                    return
                self._tick()
        finally:
            steps.close()


def explained(error: Exception) -> str:
    """What was raised, in words for the person at the lab."""
    return str(error) if isinstance(error, ValueError | RuntimeError) else f"{type(error).__name__}: {error}"


@atexit.register
def _stop_all() -> None:
    """A thread that Python's end meets in the middle of a step would abort the whole process."""
    for runner in list(_busy):
        runner.stop()
    for runner in list(_busy):
        runner.wait()
