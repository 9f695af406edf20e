"""How a lab comes onto the page: a live view, and a still picture for those who have no kernel."""

import asyncio
import base64
import io
from collections.abc import Callable
from pathlib import Path

from IPython.display import HTML, display, update_display
from ipywidgets import Widget
from matplotlib.figure import Figure

SECONDS_OF_REST = 0.5
VIEW = "application/vnd.jupyter.widget-view+json"
COMMON_STYLE = (Path(__file__).parent / "lab.css").read_text(encoding="utf-8")

# The third output, which all labs share. Its rules show the still picture only where no live view stands before it, and
# words of ours where JupyterLab has some about a missing model. The script lets a screen reader speak each slider's
# name and the value that is shown beside it, which ipywidgets does not tell.
PAGE = """<style class="learnkit-page">
.jp-OutputArea-child:has(.learnkit-lab:not(.jupyter-widgets-disconnected)) + .jp-OutputArea-child:has(img) {
  display: none }
.learnkit-lab.jupyter-widgets-disconnected > *, .learnkit-lab.jupyter-widgets-disconnected::before,
.jp-OutputArea-child:not(:has(.learnkit-lab)):has(+ .jp-OutputArea-child + .jp-OutputArea-child .learnkit-page)
  > .jp-OutputArea-output > * { display: none }
.jp-OutputArea-child:not(:has(.learnkit-lab)):has(+ .jp-OutputArea-child + .jp-OutputArea-child .learnkit-page)
  > .jp-OutputArea-output { font-size: 0 }
.learnkit-lab.jupyter-widgets-disconnected::after,
.jp-OutputArea-child:not(:has(.learnkit-lab)):has(+ .jp-OutputArea-child + .jp-OutputArea-child .learnkit-page)
  > .jp-OutputArea-output::after {
  font-size: 13px; content: "There is no kernel behind this lab. This is how it looked last; run its cell to go on." }
%s</style>
<script>
window.learnkitNames ??= setInterval(() => {
  const say = (element, name, text) => {
    if (element && text && element.getAttribute(name) !== text) element.setAttribute(name, text)
  }
  for (const icon of document.querySelectorAll(".learnkit-lab button i")) say(icon, "aria-hidden", "true")
  for (const row of document.querySelectorAll(".learnkit-lab .learnkit-row, .learnkit-lab .widget-slider")) {
    const label = row.querySelector(".widget-label")?.textContent
    const field = row.querySelector("input")
    const handle = row.querySelector(".noUi-handle")
    if (row.classList.contains("widget-slider") && row.closest(".learnkit-row")) continue
    say(handle, "aria-label", label)
    say(handle, "aria-valuetext", field?.value ?? row.querySelector(".widget-readout")?.textContent)
    say(field, "aria-label", label)
  }
}, 100)
</script>"""


class Shown:
    """A lab on the page: three outputs, of which one is seen.

    The live view has no text to fall back to, since JupyterLab never would. The still picture is an output of its own,
    which is renewed in place; the notebook's file keeps the newest. (Once the page was reloaded, JupyterLab no longer
    knows which output that is: until the cell runs again, the picture stays as it was.) The third output hides the
    still picture where there is a live view.

    Parameters
    ----------
    root
        The view.
    style
        CSS of the lab's own. It holds for the whole page, and so its selectors name what no other lab has.
    """

    def __init__(self, root: Widget, style: str = "") -> None:
        self._root = root
        self._style = style
        self._id = f"learnkit-{root.model_id}"
        self._waiting: asyncio.TimerHandle | None = None
        self._is_on_page = False
        root.add_class("learnkit-lab")

    def show(self, still: Figure) -> None:
        """Show it, once more if it is shown already."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self._root.model_id}
        display({VIEW: view}, raw=True)
        display(_png(still), raw=True, display_id=self._id)
        display(HTML(PAGE % (COMMON_STYLE + self._style)))
        self._is_on_page = True

    def renew(self, still: Figure) -> None:
        """Show another still picture in the place of the last."""
        update_display(_png(still), raw=True, display_id=self._id)

    def renew_at_rest(self, draw: Callable[[], Figure]) -> None:
        """Renew the still picture, if there is one, as soon as this has not been called for a moment: drawing is slow.

        It is drawn on the thread of the kernel, where nothing else draws with matplotlib at the same time.
        """
        if not self._is_on_page:
            return
        if self._waiting is not None:
            self._waiting.cancel()
        loop = asyncio.get_running_loop()
        self._waiting = loop.call_later(SECONDS_OF_REST, lambda: self.renew(draw()))

    def close(self) -> None:
        """Close the view and everything in it."""
        if self._waiting is not None:
            self._waiting.cancel()
        parts: list[Widget] = []
        _collect(self._root, parts)
        for part in parts:
            part.close()


def _png(figure: Figure) -> dict[str, str]:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100, metadata={"Software": None})  # the same bytes from any version
    return {"image/png": base64.b64encode(file.getvalue()).decode()}


def _collect(widget: Widget, found: list[Widget]) -> None:
    if any(widget is other for other in found):
        return
    found.append(widget)
    for value in widget.trait_values().values():
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
        for part in parts:
            if isinstance(part, Widget):
                _collect(part, found)
