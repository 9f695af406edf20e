"""What a threshold makes of scores, and where it costs least; decisions.js computes the same in the browser."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64, Integer, Real
from torch import Tensor

from learnkit import metrics
from learnkit.labs.common.state import State
from learnkit.labs.common.validation import Field, InvalidSetting, Number

POSITIONS = 200  # of the slider, at least
PRECISIONS = {torch.float16: "float16", torch.bfloat16: "bfloat16", torch.float32: "float32"}


@dataclass(frozen=True)
class Costs(Field):
    """What a false positive and a false negative cost."""

    default: tuple[int | float, int | float] = (1.0, 1.0)

    def validate(self, name: str, value: Any) -> tuple[float, float]:
        try:
            numbers = [Number(1, minimum=0).validate(name, cost) for cost in value]
            if len(numbers) == 2 and max(numbers) > 0:
                return numbers[0], numbers[1]
        except (TypeError, InvalidSetting):
            pass
        raise InvalidSetting(
            name, f"The costs are {value!r}; expected two numbers, 0 or more and not both 0, such as (10, 1)."
        )


class ThresholdState(State):
    """Scores, a threshold, and what the threshold makes of the scores. A score at or above it counts as positive.

    Parameters are those of `learnkit.labs.ThresholdLab`.

    Attributes
    ----------
    thresholds, matrices
        Every threshold that makes a difference, ascending, and the 2 × 2 confusion matrix of each.
    ticks
        Round numbers for a slider: at the first everything is positive, at the last nothing.
    """

    def __init__(
        self,
        scores: Real[Tensor, " items"],
        labels: Integer[Tensor, " items"] | Bool[Tensor, " items"],
        names: tuple[str, str] = ("negative", "positive"),
    ) -> None:
        self.scores, self.labels = _checked(scores, labels)
        self.names = names
        self._precision = scores.dtype if scores.is_floating_point() else torch.float64
        distinct = self.scores.unique()  # ascending
        self.ticks = self._ticks(distinct[0].item(), distinct[-1].item())
        self.thresholds = torch.cat([distinct, distinct.new_tensor(self.ticks[-1:])])
        self.matrices = metrics.confusion_matrix_at_thresholds(self.labels, self.scores, self.thresholds)
        middle = self.ticks[len(self.ticks) // 2]
        super().__init__({"threshold": Number(middle, ticks=self.ticks), "costs": Costs()})

    def change(self, **values: Any) -> None:
        """Take other values. Costs alone move the threshold to the cheapest place; of several, to the lowest."""
        settings = self.with_changes(values)
        if "costs" in values and "threshold" not in values:
            settings = self.with_changes({**values, "threshold": self.cheapest(settings["costs"])})
        self.settings = settings

    @property
    def matrix(self) -> Int64[Tensor, "2 2"]:
        """``[[TN, FP], [FN, TP]]`` at the threshold."""
        # No score lies between the threshold and the next that makes a difference: both call the same positive.
        place = np.searchsorted(self.thresholds.numpy(), self._as_score(self.settings["threshold"]))
        return self.matrices[min(int(place), len(self.matrices) - 1)]

    def cost(self, matrices: Int64[Tensor, "*stack 2 2"], costs: Sequence[int | float]) -> Float64[Tensor, "*stack"]:
        """FP · a + FN · b of each matrix."""
        return (matrices[..., 0, 1] * costs[0] + matrices[..., 1, 0] * costs[1]).double()

    def cheapest(self, costs: Sequence[int | float]) -> float:
        """The lowest of the cheapest thresholds, as round as can be."""
        place = int(np.argmin(self.cost(self.matrices, costs).numpy()))  # the first, which torch does not promise
        below = self.thresholds[place - 1].item() if place > 0 else 2 * self.ticks[0] - self.ticks[1]
        return self._roundest(below, self.thresholds[place].item())

    @property
    def constants(self) -> dict[str, Any]:
        """The scores in ascending order, and which of them are of positive items: from these all else follows."""
        scores, order = self.scores.sort()
        return {
            "names": self.names,
            "scores": scores.numpy().astype("<f8").tobytes(),
            "labels": self.labels[order].to(torch.uint8).numpy().tobytes(),
            "precision": PRECISIONS.get(self._precision, "float64"),
            "end": self.ticks[-1],
        }

    def frame(self) -> tuple[dict[str, Any], list[bytes]]:
        """Nothing but the settings."""
        return {}, []

    def _ticks(self, low: float, high: float) -> list[float]:
        step = _round_step((high - low) / POSITIONS)
        # 3 * 0.1 is not 0.3, but rounded to a digit or two more than the step has it is.
        at = [round(place * step, 2 - math.floor(math.log10(step))) for place in range(*_places(low, high, step))]
        # In single precision, 2.3 is no higher than a score of 2.3, which is 2.2999999… in double.
        return at if self._as_score(at[-2]) <= high else at[:-1]

    def _as_score(self, value: float) -> float:
        """The number as ``scores >= value`` takes it: with the precision that the scores came with."""
        return torch.tensor(value, dtype=self._precision).item()

    def _roundest(self, low: float, high: float) -> float:
        """A number above ``low`` and not above ``high``, with as few decimals as there can be."""
        middle = Decimal((low + high) / 2)
        near = (
            float(middle.quantize(Decimal(1).scaleb(-places), rounding))
            for places in range(17)
            for rounding in (ROUND_DOWN, ROUND_UP)
        )
        return next((number for number in near if low < self._as_score(number) <= high), high)


def _places(low: float, high: float, step: float) -> tuple[int, int]:
    return math.floor(low / step), math.floor(high / step) + 3


def _checked(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    scores = torch.as_tensor(scores).detach().cpu().double()
    labels = torch.as_tensor(labels).detach().cpu()
    labels = labels.long() if labels.dtype == torch.bool else labels
    if scores.ndim != 1:
        raise ValueError(f"The scores have the shape {tuple(scores.shape)}; expected one axis, a score for each item.")
    matrix = metrics.confusion_matrix_at_thresholds(labels, scores, scores[:1])[0]  # says what is wrong with the rest
    if not scores.isfinite().all():
        raise ValueError(f"{int(scores.isinf().sum())} of the {len(scores)} scores are infinite; expected numbers.")
    negatives, positives = matrix.sum(1).tolist()
    if negatives == 0 or positives == 0:
        kind = "1 (positive)" if negatives == 0 else "0 (negative)"
        raise ValueError(
            f"All {len(labels):,} labels are {kind}, so that no threshold can be wrong. Expected some of both kinds, "
            "such as labels == 5."
        )
    if scores.min() == scores.max():
        raise ValueError(
            f"All {len(scores):,} scores are {scores[0].item():g}, so that no threshold can tell one item from "
            "another. Look at what they were made with."
        )
    return scores, labels.long()


def _round_step(size: float) -> float:
    """The largest of …, 0.1, 0.2, 0.5, 1, 2, 5, … that is not above ``size``."""
    power = 10.0 ** math.floor(math.log10(size))
    return next(step for step in (5 * power, 2 * power, power) if step <= size * (1 + 1e-9))
