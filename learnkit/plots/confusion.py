"""Confusion matrices as tables."""

from collections.abc import Sequence

import seaborn
from jaxtyping import Int64
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from torch import Tensor

from learnkit.plots.style import PANELS, blank_figure


def confusion_heatmap(matrix: Int64[Tensor, "true predicted"], classes: Sequence[str] | None = None) -> Figure:
    """A confusion matrix as a table of counts; the darker a cell, the larger its share of its row.

    The colour follows the square root of the share: with a good net almost everything is on the diagonal, and the few
    images that are not are what you want to see.

    Parameters
    ----------
    matrix
        Rows are the true classes, columns the predicted ones.
    classes
        The names of the classes; by default their numbers.

    Returns
    -------
    matplotlib.figure.Figure
    """
    side = 1 + 0.5 * len(matrix)
    figure = blank_figure(side, side, layout="compressed")
    draw_confusion(figure.subplots(**PANELS), matrix, classes)
    return figure


def draw_confusion(
    axes: Axes, matrix: Int64[Tensor, "true predicted"], classes: Sequence[str] | None = None, fontsize: int = 10
) -> None:
    """Draw the table on existing axes."""
    counts = matrix.cpu().double()
    names = [str(number) for number in range(len(counts))] if classes is None else list(classes)
    if len(names) != len(counts):
        raise ValueError(f"{len(names)} names were given for {len(counts)} classes; expected one for each.")
    shares = (counts / counts.sum(1, keepdim=True).clamp(min=1)).numpy()
    seaborn.heatmap(
        shares,
        annot=matrix.cpu().numpy(),
        annot_kws={"fontsize": fontsize},
        fmt="d",
        cmap="Blues",
        norm=PowerNorm(0.5, vmin=0, vmax=1),
        xticklabels=names,
        yticklabels=names,
        square=True,
        linewidths=0.5,
        cbar=False,
        ax=axes,
    )
    axes.set(xlabel="predicted", ylabel="true")
    axes.tick_params(length=0)
    axes.tick_params(axis="y", rotation=0)
