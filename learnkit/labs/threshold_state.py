"""What a threshold makes of scores, and where it costs least; without widgets, which are in threshold_lab.py."""

import math
from numbers import Real as RealNumber

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64, Integer, Real
from torch import Tensor

from learnkit import metrics

BINS = 60
POINTS = 300  # of a curve, at most
POSITIONS = 200  # of a slider, at least


class ThresholdState:
    """Scores, a threshold, and what the threshold makes of the scores. A score at or above it counts as positive.

    Parameters
    ----------
    scores
        Higher means more likely positive, in any unit.
    labels
        1 (or True) where the item is positive, 0 where it is not.

    Attributes
    ----------
    thresholds, matrices
        Every threshold that makes a difference, ascending, and the 2 × 2 confusion matrix of each.
    lowest, highest, step
        A scale of round numbers for a slider: at ``lowest`` everything is positive, at ``highest`` nothing. Its
        positions are counted in steps from zero.

    Raises
    ------
    ValueError
        If there is nothing to decide: scores that are all equal or not numbers, labels of one kind only, or not as many
        scores as labels.
    """

    def __init__(
        self, scores: Real[Tensor, " items"], labels: Integer[Tensor, " items"] | Bool[Tensor, " items"]
    ) -> None:
        self.scores, self.labels = _checked(scores, labels)
        self._precision = scores.dtype if scores.is_floating_point() else torch.float64
        distinct = self.scores.unique()  # ascending
        low, high = distinct[0].item(), distinct[-1].item()
        self.step = _round_step((high - low) / POSITIONS)
        self.lowest = self.at(math.floor(low / self.step))
        above = math.floor(high / self.step) + 1
        # In single precision, 2.3 is no higher than a score of 2.3, which is 2.2999999… in double.
        self.highest = self.at(above if self._as_score(self.at(above)) > high else above + 1)
        self.thresholds = torch.cat([distinct, distinct.new_tensor([self.highest])])
        self.matrices = metrics.confusion_matrix_at_thresholds(self.labels, self.scores, self.thresholds)
        self._costs = (1.0, 1.0)
        self._threshold = self.at(self.position((self.lowest + self.highest) / 2))

    @property
    def threshold(self) -> float:
        """From which score on an item counts as positive."""
        return self._threshold

    @threshold.setter
    def threshold(self, value: int | float) -> None:
        if not _is_finite(value):
            raise ValueError(f"The threshold is {value!r}; expected a number, in the unit of the scores.")
        self._threshold = float(value)

    @property
    def costs(self) -> tuple[float, float]:
        """What a false positive and a false negative costs. Set them, and the threshold goes to the cheapest place.

        If there are several, it is the lowest.
        """
        return self._costs

    @costs.setter
    def costs(self, value: tuple[int | float, int | float]) -> None:
        if len(value) != 2 or not all(_is_finite(cost) and cost >= 0 for cost in value) or max(value) == 0:
            raise ValueError(
                f"The costs are {value!r}; expected two numbers, 0 or more and not both 0, such as (10, 1)."
            )
        self._costs = (float(value[0]), float(value[1]))
        place = int(np.argmin(self.cost(self.matrices).numpy()))  # the first of several, which torch does not promise
        below = self.thresholds[place - 1].item() if place > 0 else self.lowest - self.step
        self._threshold = self._roundest(below, self.thresholds[place].item())

    @property
    def matrix(self) -> Int64[Tensor, "2 2"]:
        """``[[TN, FP], [FN, TP]]`` at the threshold."""
        # No score lies between the threshold and the next that makes a difference: both call the same positive.
        place = np.searchsorted(self.thresholds.numpy(), self._as_score(self.threshold))
        return self.matrices[min(int(place), len(self.matrices) - 1)]

    def cost(self, matrices: Int64[Tensor, "*stack 2 2"]) -> Float64[Tensor, "*stack"]:
        """FP · a + FN · b of each matrix."""
        false_positive, false_negative = self.costs
        return (matrices[..., 0, 1] * false_positive + matrices[..., 1, 0] * false_negative).double()

    def at(self, position: int) -> float:
        """The threshold at a position of the slider."""
        # 3 * 0.1 is not 0.3, but rounded to a digit or two more than the step has it is.
        return round(position * self.step, 2 - math.floor(math.log10(self.step)))

    def position(self, threshold: float) -> int:
        """The slider's position that is nearest to a threshold."""
        return round(min(max(threshold, self.lowest), self.highest) / self.step)

    def _as_score(self, value: float) -> float:
        """The number as ``scores >= value`` takes it: with the precision that the scores came with."""
        return torch.tensor(value, dtype=self._precision).item()

    def _roundest(self, low: float, high: float) -> float:
        """A number above ``low`` and not above ``high``, with as few decimals as there can be."""
        near = (round((low + high) / 2, places) for places in range(17))
        return next((number for number in near if low < self._as_score(number) <= high), high)


def rates(matrices: Int64[Tensor, "*stack 2 2"]) -> dict[str, Float64[Tensor, "*stack"]]:
    """Accuracy, precision, recall, F1 and false positive rate; precision is NaN where nothing is called positive."""
    negative = metrics.recall(matrices, average=None)[..., 0]
    return {
        "accuracy": metrics.accuracy(matrices),
        "precision": metrics.precision(matrices, average=None, zero_division=math.nan)[..., 1],
        "recall": metrics.recall(matrices, average=None)[..., 1],
        "F1": metrics.f1(matrices, average=None)[..., 1],
        "false positive rate": 1 - negative,
    }


def histogram(
    scores: Float64[Tensor, " items"], labels: Int64[Tensor, " items"], ends: tuple[float, float]
) -> tuple[Float64[Tensor, " edges"], Float64[Tensor, "kinds edges"]]:
    """Edges of bins, and for each kind how many items lie between an edge and the next; the last repeats."""
    edges = torch.linspace(*ends, BINS + 1, dtype=torch.float64)
    counts = torch.stack([torch.histogram(scores[labels == kind], edges).hist for kind in (0, 1)])
    return edges, torch.cat([counts, counts[:, -1:]], dim=1)


def thinned(x: Float64[Tensor, " points"], y: Float64[Tensor, " points"]) -> tuple[list[float], list[float]]:
    """At most `POINTS` of a curve: of each piece its ends, its lowest and its highest point, so that a spike stays."""
    steps = sum(axis.diff().abs() / (axis.max() - axis.min()).clamp(min=1e-12) for axis in (x, y))
    along = torch.cat([steps.new_zeros(1), steps.cumsum(0)])  # pieces are of equal length on the screen, about
    pieces = (along / along[-1] * (POINTS // 4 - 1)).long()
    kept = set()
    for piece in pieces.unique():
        (members,) = (pieces == piece).nonzero(as_tuple=True)
        kept |= {int(members[i]) for i in (0, y[members].argmin(), y[members].argmax(), -1)}
    chosen = torch.tensor(sorted(kept))
    return x[chosen].tolist(), y[chosen].tolist()


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


def _is_finite(value: object) -> bool:
    return isinstance(value, RealNumber) and not isinstance(value, bool) and math.isfinite(value)


def _round_step(size: float) -> float:
    """The largest of …, 0.1, 0.2, 0.5, 1, 2, 5, … that is not above ``size``."""
    power = 10.0 ** math.floor(math.log10(size))
    return next(step for step in (5 * power, 2 * power, power) if step <= size * (1 + 1e-9))
