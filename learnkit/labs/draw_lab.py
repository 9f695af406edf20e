"""A canvas to draw a digit on, and nets that say which it is while it is drawn. Days 1 and 4."""

from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as widgets
import pandas as pd
import traitlets
from jaxtyping import Float, Float32, Int64
from matplotlib.figure import Figure
from torch import Tensor, nn

from learnkit import plots
from learnkit.labs.drawing import PEN, DrawState, Strokes
from learnkit.labs.lab import Lab
from learnkit.labs.showing import Shown

HERE = Path(__file__).parent


class DrawView(anywidget.AnyWidget):
    """What the browser (draw_lab.js) and the kernel tell each other."""

    _esm = HERE / "draw_lab.js"

    pen = traitlets.Int(PEN).tag(sync=True)
    strokes = traitlets.List().tag(sync=True)  # the only one that the browser sets: lists of [x, y]
    image = traitlets.List().tag(sync=True)  # the 784 pixels that the nets get, 0 to 255
    answers = traitlets.Dict().tag(sync=True)  # by model: ten probabilities, or None where they are NaN
    gallery = traitlets.Dict({"digits": [], "table": []}).tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)


class DrawLab(Lab):
    """Draw a digit, with mouse, finger or keyboard, and see while you draw what each net takes it for.

    The drawing is scaled and centred as MNIST's digits were, and shown as the nets get it. Drawings can be kept, with
    the digit that they are meant to be, and the nets tested on them.

    Parameters
    ----------
    *models
        Each takes ``(batch, 28, 28)`` and returns logits, ``(batch, 10)``, as `learnkit.models.FullyConnected` and
        `learnkit.models.ElmanRNN` do.

    Attributes
    ----------
    state
        The `DrawState` that the lab shows.

    Raises
    ------
    ValueError
        If there is no model, or one that does not take such images or does not return ten logits.
    """

    def __init__(self, *models: nn.Module) -> None:
        self.state = DrawState(*models)
        super().__init__()
        self._view = DrawView()
        self._page = self._make_page()
        self._show()
        self._view.observe(lambda change: self._do(self.state.draw, change.new), "strokes")
        self._view.on_msg(self._told)

    # ------------------------------------------------------------ what the next cell can use

    @property
    def image(self) -> Float[Tensor, "28 28"]:
        """The drawing as the nets get it."""
        return self.state.image

    @property
    def images(self) -> Float32[Tensor, "kept 28 28"]:
        """The drawings that were kept."""
        return self.state.images

    @property
    def labels(self) -> Int64[Tensor, " kept"]:
        """What the drawings that were kept are meant to be."""
        return self.state.labels

    @property
    def table(self) -> pd.DataFrame:
        """A row for each drawing that was kept: what it is, and what each net says it is."""
        return self.state.table

    @property
    def accuracy(self) -> pd.Series:
        """For each net the share of the kept drawings about which it is right."""
        return self.state.accuracy

    def draw(self, strokes: Strokes) -> None:
        """Draw on an empty canvas of 280 × 280 pixels; each stroke is a list of points, (x, y) from the upper left."""
        self.state.draw(strokes)
        self._show()

    def keep(self, label: int) -> None:
        """Keep the drawing, as a picture of this digit."""
        self.state.keep(label)
        self._show()

    def save(self, path: str | Path | None = None) -> Path:
        """Write the drawing, as the nets get it, into a PNG (see `DrawState.save`), and return where it is."""
        return self.state.save(path)

    def figure(self) -> Figure:
        """The present state as a picture."""
        state = self.state
        answers = {name: answer[0] for name, answer in state.answers(state.image[None]).items()}
        answers = {} if state.is_empty else answers
        said = state.table.drop(columns="is").to_numpy().tolist()
        return plots.drawn_digits(state.image, answers, state.images, state.labels.tolist(), said)

    def _make_page(self) -> Shown:
        # In a box, since a bare anywidget is not told that its kernel has gone.
        return Shown(widgets.VBox([self._view]), (HERE / "draw_lab.css").read_text(encoding="utf-8"))

    # ------------------------------------------------------------ what the browser asks for

    def _told(self, _: DrawView, content: dict[str, Any], __: object) -> None:
        if content.get("do") == "keep":
            self._do(self.state.keep, content["label"])
        elif content.get("do") == "remove":
            self._do(self.state.remove, content["number"])
        elif content.get("do") == "save":
            self._do(self._save_and_tell)

    def _save_and_tell(self) -> str:
        return f"Saved as {self.state.save()}."

    def _do(self, act: Any, *values: object) -> None:
        """Do what was asked for; if that cannot be, say why in the lab."""
        try:
            message = act(*values) or ""
        except (OSError, RuntimeError, ValueError) as error:
            message = str(error)
        self._show(message)

    def _show(self, message: str = "") -> None:
        """Let the view show what the state is."""
        state = self.state
        answers = state.answers(state.image[None])
        with self._view.hold_sync():
            self._view.message = message
            self._view.strokes = state.strokes
            self._view.image = _pixels(state.image)
            self._view.answers = {name: _numbers(answer[0]) for name, answer in answers.items()}
            self._view.gallery = _gallery(state)
        if self._page is not None:
            self._page.renew_at_rest(self.figure)


def _gallery(state: DrawState) -> dict[str, Any]:
    """The kept drawings and what was said to them, as the browser takes it."""
    if len(state.labels) == 0:
        return {"digits": [], "table": []}
    rows = state.table.to_dict("records")
    return {
        "digits": [
            {"image": _pixels(image), "label": row["is"], "said": [row[name] for name in state.models]}
            for image, row in zip(state.images, rows, strict=True)
        ],
        "table": [{"name": name, "accuracy": accuracy} for name, accuracy in state.accuracy.items()],
    }


def _pixels(image: Float[Tensor, "28 28"]) -> list[int]:
    return (image.flatten() * 255).round().int().tolist()


def _numbers(answer: Float[Tensor, "10"]) -> list[float] | None:
    """The browser's JSON has no NaN."""
    return None if answer.isnan().any() else answer.tolist()
