"""DrawLab as a widget."""

from pathlib import Path
from typing import Any

import pandas as pd
from jaxtyping import Float32, Int64
from matplotlib.figure import Figure
from torch import Tensor, nn

from learnkit import plots
from learnkit.labs.common.esm import css, esm
from learnkit.labs.common.lab import Lab
from learnkit.labs.draw.raster import Strokes
from learnkit.labs.draw.state import DrawState

HERE = Path(__file__).parent
SAVED = "Saved as {path}."


class DrawLab(Lab):
    """Draw a digit, with mouse, finger or keyboard, and see while you draw what each net takes it for.

    The drawing is scaled and centred as MNIST's digits were, and shown as the nets get it. Drawings can be kept, with
    the digit that they are meant to be, and the nets tested on them. ``strokes`` is a trait: what is drawn.

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

    _esm = esm(HERE / "view.js")
    _css = css(HERE / "view.css")

    actions = ("keep", "remove", "save")
    state: DrawState

    def __init__(self, *models: nn.Module) -> None:
        super().__init__(DrawState(*models))

    @property
    def image(self) -> Float32[Tensor, "28 28"]:
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
        self.change(strokes=strokes)

    def keep(self, label: int) -> None:
        """Keep the drawing, as a picture of this digit."""
        self.state.keep(label)
        self._show()

    def remove(self, number: int) -> None:
        """Take a drawing out of those that were kept; 0 is the first."""
        self.state.remove(number)
        self._show()

    def save(self, path: str | Path | None = None) -> Path:
        """Write the drawing, as the nets get it, into a PNG (see `DrawState.save`), and return where it is."""
        saved = self.state.save(path)
        self._message = SAVED.format(path=saved)
        self._show()
        return saved

    def figure(self) -> Figure:
        """The present state as a picture."""
        state = self.state
        answers = {name: answer[0] for name, answer in state.answers(state.image[None]).items()}
        said: list[Any] = state.table.drop(columns="is").to_numpy().tolist()
        return plots.drawn_digits(
            state.image, {} if state.is_empty else answers, state.images, state.labels.tolist(), said
        )
