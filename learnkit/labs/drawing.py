"""From strokes on a canvas to an image such as MNIST's, and what nets say to it; without widgets (see draw_lab.py)."""

import math
from collections.abc import Sequence
from numbers import Real
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Float32, Int64
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn.functional import interpolate

from learnkit.errors import check_whole_number

CANVAS = 280  # side of the canvas, in pixels
PEN = 22  # width of a stroke on it
SIDE, BOX = 28, 20  # of an image, and of the square in it that the digit fills
CLASSES = 10

Point = Sequence[int | float]  # x from the left, y from the top, in pixels of the canvas
Strokes = Sequence[Sequence[Point]]


def inked(strokes: Strokes) -> Float32[Tensor, "280 280"]:
    """The canvas after some strokes with a round pen: 0 is paper, 1 is ink. What lies beyond its edge is lost."""
    canvas = Image.new("L", (CANVAS, CANVAS))
    pen, radius = ImageDraw.Draw(canvas), PEN / 2
    for stroke in strokes:
        points = [(float(x), float(y)) for x, y in stroke]
        pen.line(points, fill=255, width=PEN)
        for x, y in points:  # round ends, and no gaps where a stroke turns
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    # By numpy: torch would share so many pixels among threads, and may have to wait for them while a net is trained.
    return torch.from_numpy(np.asarray(canvas, dtype=np.float32) / 255)


def as_mnist(canvas: Float[Tensor, "height width"]) -> Float[Tensor, "28 28"]:
    """Scale and centre a drawing as the digits of MNIST were.

    What has ink is cut out and scaled, its proportions kept, until it just fits into a square of 20 × 20 pixels; edges
    become grey on the way. Then it is laid into 28 × 28 pixels so that its centre of mass is at pixel (14, 14).

    Parameters
    ----------
    canvas
        Of any size; 0 is paper, 1 is ink.

    Returns
    -------
    Tensor
        All zeros if there is no ink.

    References
    ----------
    The steps are those on the page of the MNIST database, http://yann.lecun.com/exdb/mnist/.
    """
    image = canvas.new_zeros(SIDE, SIDE)
    rows, columns = (np.flatnonzero(canvas.numpy().max(axis)) for axis in (1, 0))
    if len(rows) == 0:
        return image
    digit = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(digit.shape)
    size = [max(1, round(length * scale)) for length in digit.shape]
    digit = interpolate(digit[None, None], size, mode="area")[0, 0]
    top, left = (_start(digit.sum(dim), length) for dim, length in ((1, size[0]), (0, size[1])))
    image[top : top + size[0], left : left + size[1]] = digit
    return image


def _start(ink: Float[Tensor, " length"], length: int) -> int:
    """Where to begin along one axis so that the ink's centre of mass comes to pixel 14, and all of it stays within."""
    centre = (ink * torch.arange(length, device=ink.device)).sum() / ink.sum()
    return min(max(round(SIDE / 2 - centre.item()), 0), SIDE - length)


class DrawState:
    """A drawing, what each model says to it, and those drawings that were kept.

    Parameters
    ----------
    *models
        Each takes ``(batch, 28, 28)`` and returns logits, ``(batch, 10)``.

    Attributes
    ----------
    models
        By name: that of their class, with a number where two have the same.
    strokes
        The drawing as it was drawn.
    image
        The drawing as the models get it, 28 × 28.
    images, labels
        The drawings that were kept, and what they are.

    Raises
    ------
    ValueError
        If there is no model, or one that does not take such images or does not return ten logits.
    """

    def __init__(self, *models: nn.Module) -> None:
        if not models:
            raise ValueError("There is no model to answer; expected at least one: DrawLab(model).")
        self.models = _named(models)
        self.images: Float32[Tensor, "kept 28 28"] = torch.zeros(0, SIDE, SIDE)
        self.labels: Int64[Tensor, " kept"] = torch.zeros(0, dtype=torch.int64)
        self.draw([])
        for name, model in self.models.items():
            _check_model(name, model)

    def draw(self, strokes: Strokes) -> None:
        """Draw these strokes on an empty canvas. None is an empty drawing."""
        for point in (point for stroke in strokes for point in stroke):
            if len(point) != 2 or not all(isinstance(place, Real) and math.isfinite(place) for place in point):
                raise ValueError(f"A stroke has the point {point!r}; expected two numbers, x and y.")
        self.image = as_mnist(inked(strokes))
        self.strokes = [[list(point) for point in stroke] for stroke in strokes]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is drawn."""
        return not self.image.any()

    def answers(self, images: Float[Tensor, "batch 28 28"]) -> dict[str, Float[Tensor, "batch 10"]]:
        """For each model, the probabilities that it gives to the ten digits for each image."""
        return {name: _logits(model, images).softmax(1).cpu() for name, model in self.models.items()}

    def keep(self, label: int) -> None:
        """Put the drawing into the gallery, as a picture of the digit that it is meant to be."""
        check_whole_number("The digit", label, minimum=0)
        if label >= CLASSES:
            raise ValueError(f"The digit is {label}; expected 0 to {CLASSES - 1}.")
        self._check_not_empty()
        self.images = torch.cat([self.images, self.image[None]])
        self.labels = torch.cat([self.labels, torch.tensor([label])])

    def remove(self, number: int) -> None:
        """Take a drawing out of the gallery; 0 is the first."""
        if not 0 <= number < len(self.labels):
            raise ValueError(f"There is no drawing {number}; {len(self.labels)} are kept, counted from 0.")
        others = torch.arange(len(self.labels)) != number
        self.images, self.labels = self.images[others], self.labels[others]

    def save(self, path: str | Path | None = None) -> Path:
        """Write the drawing, as the models get it, into a PNG of 28 × 28 pixels: paper is 0, ink 255, as in MNIST.

        Parameters
        ----------
        path
            By default ``digit_1.png``, or the next number that is free, in the present folder. A file that is there is
            not written over.

        Returns
        -------
        pathlib.Path
            Where it was written.
        """
        self._check_not_empty()
        content = Image.fromarray((self.image * 255).round().to(torch.uint8).numpy())
        numbers = (Path(f"digit_{number}.png") for number in range(1, 10_000))
        path = next(free for free in numbers if not free.exists()) if path is None else Path(path)
        with path.open("xb") as file:
            content.save(file, format="png")
        return path.resolve()

    @property
    def table(self) -> pd.DataFrame:
        """A row for each drawing that was kept: what it is, and what each model says it is (None: it says NaN)."""
        answers = self.answers(self.images)
        said = {name: pd.Series(_most_likely(answer), dtype=object) for name, answer in answers.items()}
        return pd.DataFrame({"is": self.labels.tolist(), **said})

    @property
    def accuracy(self) -> pd.Series:
        """For each model the share of the kept drawings about which it is right.

        Raises
        ------
        ValueError
            If none was kept.
        """
        if len(self.labels) == 0:
            raise ValueError("No drawing was kept yet: draw a digit, and say which it is.")
        table = self.table
        return table[list(self.models)].eq(table["is"], axis=0).mean().rename("accuracy")

    def _check_not_empty(self) -> None:
        if self.is_empty:
            raise ValueError("Nothing is drawn yet: draw a digit first.")


def _named(models: Sequence[nn.Module]) -> dict[str, nn.Module]:
    kinds = [type(model).__name__ for model in models]
    return {
        kind if kinds.count(kind) == 1 else f"{kind} {kinds[: number + 1].count(kind)}": model
        for number, (kind, model) in enumerate(zip(kinds, models, strict=True))
    }


def _check_model(name: str, model: nn.Module) -> None:
    """Try a blank image, so that what does not fit is said now and not while somebody draws."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"{model!r} is no model; expected a torch.nn.Module such as models.FullyConnected.")
    shape = tuple(_logits(model, torch.zeros(1, SIDE, SIDE)).shape)
    if shape != (1, CLASSES):
        raise ValueError(f"{name} returns {shape} for one image; expected (1, {CLASSES}), a logit for each digit.")


@torch.no_grad()
def _logits(model: nn.Module, images: Float[Tensor, "batch 28 28"]) -> Tensor:
    """What a model returns, wherever it lies, with dropout and the like switched off."""
    device = next((weights.device for weights in model.parameters()), torch.device("cpu"))
    was_training = model.training
    model.eval()
    try:
        return model(images.to(device))
    finally:
        model.train(was_training)


def _most_likely(answer: Float[Tensor, "batch 10"]) -> list[int | None]:
    return [None if row.isnan().any() else int(row.argmax()) for row in answer]
