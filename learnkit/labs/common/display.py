"""How a lab comes onto the page: a live view, and a still picture for those who have no kernel."""

import asyncio
import base64
import io
import time
import weakref
from collections.abc import Callable
from typing import Any

from IPython import get_ipython
from IPython.display import HTML, display, update_display
from ipywidgets import VBox, Widget
from matplotlib.figure import Figure

SECONDS_OF_REST = 2.0  # drawing takes most of a second, during which a key would be answered late
VIEW = "application/vnd.jupyter.widget-view+json"
NO_KERNEL = "There is no kernel behind this lab. This is how it looked last; run its cell to go on."

# The first output. Its rules show the still picture only where no live view stands before it, and words of ours where
# JupyterLab has some about a missing model. They look forward only: a rule that asks what comes after an element costs
# the browser some milliseconds at each change anywhere in the notebook.
_CHILD = ".jp-OutputArea-child"
_GONE = (
    f"{_CHILD}:has(> .jp-OutputArea-output > .learnkit-page) + {_CHILD}:not(:has(.learnkit-lab))\n"
    "  > .jp-OutputArea-output"
)
PAGE = f"""<style class="learnkit-page">
{_CHILD}:has(.learnkit-lab:not(.jupyter-widgets-disconnected)) + {_CHILD}:has(img) {{ display: none }}
.learnkit-lab.jupyter-widgets-disconnected > *, .learnkit-lab.jupyter-widgets-disconnected::before,
{_GONE} > * {{ display: none }}
{_GONE} {{ font-size: 0 }}
.learnkit-lab.jupyter-widgets-disconnected::after,
{_GONE}::after {{ font-size: 13px; content: "{NO_KERNEL}" }}
</style>"""


class Display:
    """A lab on the page: three outputs, of which one is seen.

    The live view has no text to fall back to, since JupyterLab never would. It stands in a box, since an anywidget by
    itself is not told that its kernel has gone. The still picture is an output of its own, which is renewed in place;
    the notebook's file keeps the newest. (Once the page was reloaded, JupyterLab no longer knows which output that is:
    until the cell runs again, the picture stays as it was.) The first output hides the still picture where there is a
    live view.

    Parameters
    ----------
    lab
        The live view.
    draw
        Draws the still picture; it is called on the kernel's main thread only, as matplotlib demands.
    fail
        Is told what went wrong when it was drawn anew.
    """

    def __init__(self, lab: Widget, draw: Callable[[], Figure], fail: Callable[[Exception], None]) -> None:
        self._box = VBox([lab]).add_class("learnkit-lab")
        self._draw, self._fail = draw, fail
        self._id = f"learnkit-{self._box.model_id}"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due = 0.0
        self._is_waiting = False  # to draw it when it is due

    def show(self) -> None:
        """Show it, once more if it is shown already."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self._box.model_id}
        display(HTML(PAGE))
        display({VIEW: view}, raw=True)
        display(_png(self._draw()), raw=True, display_id=self._id)
        try:
            self._loop = asyncio.get_running_loop()  # in a kernel, the main thread's
        except RuntimeError:
            self._loop = None

    def renew(self) -> None:
        """Renew the still picture once this has not been called for a moment: drawing is slow. From any thread."""
        self._due = time.monotonic() + SECONDS_OF_REST
        if self._loop is not None and not self._loop.is_closed() and not self._is_waiting:
            self._is_waiting = True
            self._loop.call_soon_threadsafe(self._renew_when_due)

    def close(self) -> None:
        """Close the view, and draw no more."""
        self._loop = None
        self._box.close()
        self._box.layout.close()

    def _renew_when_due(self) -> None:
        if self._loop is None:  # it was closed
            return
        left = self._due - time.monotonic()
        if left > 0:
            self._loop.call_later(left, self._renew_when_due)
            return
        self._is_waiting = False
        try:
            update_display(_png(self._draw()), raw=True, display_id=self._id)
        except Exception as error:  # nobody waits for it who could be told otherwise
            self._fail(error)


def _png(figure: Figure) -> dict[str, str]:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100, metadata={"Software": None})  # the same bytes from any version
    return {"image/png": base64.b64encode(file.getvalue()).decode()}


_made: dict[str, tuple[str, list[weakref.ref[Widget]]]] = {}  # by cell: in which run of it, and which labs


def close_earlier(lab: Widget) -> None:
    """Close the labs that an earlier run of this cell made: nobody sees them any more, and they might still train."""
    parent: dict[str, Any] = getattr(get_ipython(), "get_parent", dict)()
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
