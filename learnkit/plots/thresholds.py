"""What a threshold on scores does: the two histograms that it cuts, and where it stands on the two curves."""

import math

from jaxtyping import Float64, Int64
from matplotlib.figure import Figure
from torch import Tensor

from learnkit import metrics
from learnkit.plots.style import BLUE, GREY, ORANGE, VERMILION, styled

BINS = 60


@styled
def threshold_curves(
    scores: Float64[Tensor, " items"],
    labels: Int64[Tensor, " items"],
    threshold: float,
    names: tuple[str, str] = ("negative", "positive"),
) -> Figure:
    """Two histograms of scores with a threshold between them, the precision–recall curve and the ROC curve.

    Parameters
    ----------
    scores
        Higher means more likely positive, in any unit.
    labels
        0 (negative) or 1 (positive).
    threshold
        A score at or above it is called positive. A point on each curve shows where it stands.
    names
        What the two kinds are called, the negative one first.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        As `learnkit.metrics.confusion_matrix_at_thresholds`.
    """
    thresholds = scores.new_tensor([threshold, *scores.unique().tolist()])  # the threshold's own point comes first
    matrices = metrics.confusion_matrix_at_thresholds(labels, scores, thresholds)
    recall = metrics.recall(matrices, average=None)[:, 1]
    precision = metrics.precision(matrices, average=None, zero_division=math.nan)[:, 1]
    false_alarms = 1 - metrics.recall(matrices, average=None)[:, 0]
    figure = Figure(figsize=(7.5, 5))
    panels = figure.subplot_mosaic([["scores", "scores"], ["precision", "roc"]])

    axes = panels["scores"]
    limits = (scores.min().item(), scores.max().item())
    for kind, name, colour in zip((0, 1), names, (BLUE, ORANGE), strict=True):
        axes.hist(scores[labels == kind].numpy(), range=limits, bins=BINS, alpha=0.6, color=colour, label=name)
    axes.axvline(threshold, color=VERMILION, label=f"threshold {threshold:g}")
    axes.set(xlabel="score", ylabel="items")
    axes.legend()

    (tn, fp), (fn, tp) = matrices[0].tolist()
    axes.set_title(f"TP {tp:,}   FP {fp:,}   FN {fn:,}   TN {tn:,}")
    for axes, x, y, words in (
        (panels["precision"], recall, precision, ("recall", "precision")),
        (panels["roc"], false_alarms, recall, ("false positive rate", "recall")),
    ):
        axes.plot(x[1:], y[1:], color=BLUE)
        axes.plot(x[:1], y[:1], "o", color=VERMILION)
        axes.set(xlabel=words[0], ylabel=words[1], xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    panels["roc"].plot([0, 1], [0, 1], "--", color=GREY, linewidth=1)
    return figure
