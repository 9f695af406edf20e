"""What a threshold on scores does: the two histograms that it divides, and its point on two curves."""

import math

from jaxtyping import Integer, Real
from matplotlib.figure import Figure
from torch import Tensor

from learnkit import metrics
from learnkit.plots.style import BLUE, GREY, ORANGE, PANELS, VERMILION, blank_figure

BINS = 60
COUNTS = "TP {tp:,}   FP {fp:,}   FN {fn:,}   TN {tn:,}"
THRESHOLD = "threshold {threshold:g}"


def threshold_curves(
    scores: Real[Tensor, " items"],
    labels: Integer[Tensor, " items"],
    threshold: float,
    names: tuple[str, str] = ("negative", "positive"),
) -> Figure:
    """The histograms of the scores of both classes with a threshold, the precision–recall curve and the ROC curve.

    Parameters
    ----------
    scores
        In any unit; a higher score means more likely positive.
    labels
        0 (negative) or 1 (positive).
    threshold
        A score at or above it counts as positive. A point on each curve shows its position.
    names
        The names of the two classes, the negative one first.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        As `learnkit.metrics.confusion_matrix_at_thresholds`.
    """
    scores, labels = scores.detach().cpu(), labels.cpu()
    if not scores.is_floating_point():
        scores = scores.double()  # or else a threshold between two of them would be cut off to a whole number
    thresholds = scores.new_tensor([threshold, *scores.unique().tolist()])  # the threshold's own point comes first
    matrices = metrics.confusion_matrix_at_thresholds(labels, scores, thresholds)
    precision = metrics.precision(matrices, average=None, zero_division=math.nan)[:, 1]
    true_negative_rate, recall = metrics.recall(matrices, average=None).T
    figure = blank_figure(7.5, 5)
    panels = figure.subplot_mosaic([["scores", "scores"], ["precision", "roc"]], **PANELS)

    axes = panels["scores"]
    limits = (scores.min().item(), scores.max().item())
    for label, name, colour in zip((0, 1), names, (BLUE, ORANGE), strict=True):
        axes.hist(scores[labels == label].numpy(), range=limits, bins=BINS, alpha=0.6, color=colour, label=name)
    axes.axvline(threshold, color=VERMILION, label=THRESHOLD.format(threshold=threshold))
    axes.set(xlabel="score", ylabel="items")
    axes.legend()

    (tn, fp), (fn, tp) = matrices[0].tolist()
    axes.set_title(COUNTS.format(tp=tp, fp=fp, fn=fn, tn=tn))
    for axes, x, y, xlabel, ylabel in (
        (panels["precision"], recall, precision, "recall", "precision"),
        (panels["roc"], 1 - true_negative_rate, recall, "false positive rate", "recall"),
    ):
        axes.plot(x[1:], y[1:], color=BLUE)
        axes.plot(x[:1], y[:1], "o", color=VERMILION)
        axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    panels["roc"].plot([0, 1], [0, 1], "--", color=GREY, linewidth=1)
    return figure
