"""What all labs have in common: how they come onto the page and leave it, and how some train behind it."""

import weakref
from abc import ABC, abstractmethod
from typing import Protocol

from IPython import get_ipython
from matplotlib.figure import Figure

from learnkit.labs.runner import Runner
from learnkit.labs.showing import Shown

_made: dict[str, tuple[str, list[weakref.ref["Lab"]]]] = {}  # by cell: in which run of it, and what


class Lab(ABC):
    """Shown by naming it at the end of a cell: live while there is a kernel, and as a still picture ever after.

    To make one is to close those that an earlier run of its cell made.
    """

    def __init__(self) -> None:
        self._page: Shown | None = None
        _replace_earlier(self)

    @abstractmethod
    def figure(self) -> Figure:
        """The present state as a picture."""

    @abstractmethod
    def _make_page(self) -> Shown:
        """What it looks like, alive."""

    def close(self) -> None:
        """Take the lab off the page."""
        page, self._page = self._page, None
        if page is not None:
            page.close()

    def _ipython_display_(self) -> None:
        if self._page is None:
            self._page = self._make_page()
        self._page.show(self.figure())


class View(Protocol):
    """What a lab that trains asks of its view."""

    def show_values(self) -> None: ...

    def redraw(self) -> None: ...


class LabThatTrains(Lab):
    """A lab that trains in the background: no cell has to be running, and others can run beside it.

    Attributes
    ----------
    status
        ``"ready"``, ``"training"``, ``"waiting"`` (for another lab), ``"paused"``, ``"ended"`` or ``"stopped"`` (by an
        error).
    message
        What it has to say.
    """

    def __init__(self) -> None:
        super().__init__()
        self.status = "ready"
        self.message = ""
        self._runner = Runner(self._come_to_rest, self._wait_for_turn, self._fail)
        self._view: View | None = None

    def wait(self) -> None:
        """Return when the training has ended or paused. If this is interrupted, so is the training."""
        try:
            self._runner.wait()
        except KeyboardInterrupt:
            self.pause()
            raise

    def pause(self) -> None:
        """Stop after the present step."""
        self._runner.stop()

    def close(self) -> None:
        """Stop training, and take the view off the page."""
        self.pause()
        self._view = None
        super().close()

    # What the thread calls.

    def _come_to_rest(self) -> None:
        self._redraw()
        if (page := self._page) is not None:
            page.renew(self.figure())

    def _wait_for_turn(self) -> None:
        self.status = "waiting"
        self._redraw()

    def _fail(self, error: Exception) -> None:
        self.status, self.message = "stopped", self._explained(error)
        self._redraw()

    def _explained(self, error: Exception) -> str:
        return str(error)

    # What the view is told, if there is one.

    def _redraw(self) -> None:
        if (view := self._view) is not None:
            view.redraw()

    def _show_values(self) -> None:
        if (view := self._view) is not None:
            view.show_values()


def _replace_earlier(lab: Lab) -> None:
    """Close the labs that an earlier run of this cell made: nobody sees them any more, and they might still train."""
    parent = getattr(get_ipython(), "get_parent", dict)()
    cell = parent.get("metadata", {}).get("cellId")
    if cell is None:
        return
    this_run = parent["header"]["msg_id"]
    run, labs = _made.get(cell, (this_run, []))
    if run != this_run:
        for earlier in filter(None, (reference() for reference in labs)):
            earlier.close()
        labs = []
    _made[cell] = (this_run, [*labs, weakref.ref(lab)])
