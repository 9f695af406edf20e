"""A drawing, what nets say to it, and the drawings that were kept; without a browser."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float, Float32, Int64
from PIL import Image
from torch import Tensor, nn

from learnkit.errors import check_whole_number
from learnkit.labs.common.state import State
from learnkit.labs.common.validation import Field, InvalidSetting
from learnkit.labs.draw.raster import CANVAS, PEN, SIDE, as_mnist, inked

CLASSES = 10


@dataclass(frozen=True)
class Drawing(Field):
    """Strokes with a pen: lists of points, x from the left and y from the top."""

    default: tuple[Any, ...] = ()

    def validate(self, name: str, value: Any) -> list[list[list[int | float]]]:
        for point in (point for stroke in value for point in stroke):
            if len(point) != 2 or not all(isinstance(place, Real) and math.isfinite(place) for place in point):
                raise InvalidSetting(name, f"A stroke has the point {point!r}; expected two numbers, x and y.")
        return [[list(point) for point in stroke] for stroke in value]


class DrawState(State):
    """A drawing, what each model says to it, and those drawings that were kept.

    Parameters are those of `learnkit.labs.DrawLab`.

    Attributes
    ----------
    models
        By name: that of their class, with a number where two have the same.
    image
        The drawing as the models get it, 28 × 28.
    images, labels
        The drawings that were kept, and what they are.
    """

    def __init__(self, *models: nn.Module) -> None:
        if not models:
            raise ValueError("There is no model to answer; expected at least one: DrawLab(model).")
        self.models = _named(models)
        self.images: Float32[Tensor, "kept 28 28"] = torch.zeros(0, SIDE, SIDE)
        self.labels: Int64[Tensor, " kept"] = torch.zeros(0, dtype=torch.int64)
        self.image: Float32[Tensor, "28 28"] = torch.zeros(SIDE, SIDE)
        self._gallery_of: list[int] | None = None  # the versions of the nets' weights
        self._gallery: dict[str, Any] = {}
        super().__init__({"strokes": Drawing()})
        for name, model in self.models.items():
            _check_model(name, model)

    def change(self, **values: Any) -> None:
        """Draw other strokes on an empty canvas. None is an empty drawing."""
        settings = self.with_changes(values)
        self.image = as_mnist(inked(settings["strokes"]))
        self.settings = settings

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
        self._gallery_of = None

    def remove(self, number: int) -> None:
        """Take a drawing out of the gallery; 0 is the first."""
        if not 0 <= number < len(self.labels):
            raise ValueError(f"There is no drawing {number}; {len(self.labels)} are kept, counted from 0.")
        others = torch.arange(len(self.labels)) != number
        self.images, self.labels = self.images[others], self.labels[others]
        self._gallery_of = None

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
        content = Image.fromarray(_pixels(self.image).numpy())
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

    # ------------------------------------------------------------ what the page shows

    @property
    def constants(self) -> dict[str, Any]:
        """The size of the canvas and of the pen."""
        return {"canvas": CANVAS, "pen": PEN, "side": SIDE}

    def frame(self) -> tuple[dict[str, Any], list[bytes]]:
        """What the nets say, and the gallery; and the image as they get it."""
        answers = self.answers(self.image[None])
        return {
            "is_empty": self.is_empty,
            "answers": [{"name": name, "answer": _numbers(answer[0])} for name, answer in answers.items()],
            "gallery": self.gallery,
        }, [_pixels(self.image).numpy().tobytes()]

    @property
    def gallery(self) -> dict[str, Any]:
        """The kept drawings and what was said to them; asked anew only if the nets have learned since."""
        versions = [parameter._version for model in self.models.values() for parameter in model.parameters()]
        if self._gallery_of != versions:
            self._gallery_of = versions
            rows = self.table.to_dict("records")
            pictures = [_pixels(image).flatten().tolist() for image in self.images]
            self._gallery = {
                "digits": [
                    {"image": picture, "label": row["is"], "said": [row[name] for name in self.models]}
                    for picture, row in zip(pictures, rows, strict=True)
                ],
                "table": [{"name": name, "right": sum(row[name] == row["is"] for row in rows)} for name in self.models],
            }
        return self._gallery

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
    """What a model returns, wherever it lies, with dropout and the like switched off.

    It is asked as a copy that shares its weights: another lab may be training the model itself at this moment, with
    dropout on.
    """
    weights = [*model.parameters(), *model.buffers()]
    device = next((weight.device for weight in weights), torch.device("cpu"))
    asked = copy.deepcopy(model, {id(weight): weight for weight in weights}).eval()
    return asked(images.to(device))


def _most_likely(answer: Float[Tensor, "batch 10"]) -> list[int | None]:
    return [None if row.isnan().any() else int(row.argmax()) for row in answer]


def _pixels(image: Float[Tensor, "28 28"]) -> Tensor:
    return (image * 255).round().to(torch.uint8)


def _numbers(answer: Float[Tensor, "10"]) -> list[float] | None:
    """The browser's JSON has no NaN."""
    return None if answer.isnan().any() else [round(share, 4) for share in answer.tolist()]
