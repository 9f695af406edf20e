"""ThresholdLab as a widget."""

from pathlib import Path

from jaxtyping import Bool, Int64, Integer, Real
from matplotlib.figure import Figure
from torch import Tensor

from learnkit import plots
from learnkit.labs.common.esm import css, esm
from learnkit.labs.common.lab import Lab
from learnkit.labs.threshold.state import ThresholdState

HERE = Path(__file__).parent


class ThresholdLab(Lab):
    """One class against the rest: two histograms of scores, a threshold to drag, and all that follows from it.

    ``threshold`` and ``costs`` are traits: set them, and the lab follows. Costs, of a false positive and of a false
    negative, move the threshold to the cheapest place.

    Parameters
    ----------
    scores
        Higher means more likely positive, in any unit.
    labels
        1 (or True) where the item is positive, 0 where it is not.
    names
        What the two kinds are called, the negative one first.

    Attributes
    ----------
    state
        The `ThresholdState` that the lab shows.

    Raises
    ------
    ValueError
        If there is nothing to decide: scores that are all equal or not numbers, labels of one kind only, or not as many
        scores as labels.

    Examples
    --------
    ::

        ThresholdLab(scores, digits.validation_labels == 5, names=("not a five", "a five"))
    """

    _esm = esm(HERE / "view.js")
    _css = css(HERE / "view.css")

    state: ThresholdState

    def __init__(
        self,
        scores: Real[Tensor, " items"],
        labels: Integer[Tensor, " items"] | Bool[Tensor, " items"],
        names: tuple[str, str] = ("negative", "positive"),
    ) -> None:
        super().__init__(ThresholdState(scores, labels, names))

    @property
    def matrix(self) -> Int64[Tensor, "2 2"]:
        """``[[TN, FP], [FN, TP]]`` at the threshold."""
        return self.state.matrix

    def figure(self) -> Figure:
        """The present state as a picture."""
        state = self.state
        return plots.threshold_curves(state.scores, state.labels, state.settings["threshold"], state.names)
