"""How loss and metrics develop during training."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn
import torch
from jaxtyping import Float, Int64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from learnkit.plots.confusion import draw_confusion
from learnkit.plots.style import (
    BLACK,
    BLUE,
    GREY,
    PANELS,
    SPLIT_COLOURS,
    SPLIT_DASHES,
    SPLIT_MARKERS,
    blank_figure,
    in_style,
)

WINDOW = 50  # steps of the running mean


def step_losses(
    losses: Sequence[float | Float[Tensor, ""]] | Float[Tensor, " steps"], steps_per_epoch: int | None = None
) -> Figure:
    """The loss of every step, which varies from batch to batch, and its running mean over 50 steps.

    Parameters
    ----------
    losses
        One for each step, in nats.
    steps_per_epoch
        If given, a second axis shows epochs.

    Returns
    -------
    matplotlib.figure.Figure
    """
    tensors = [loss for loss in losses if isinstance(loss, Tensor)]  # read at once: each reading would wait for a GPU
    is_all = len(tensors) == len(losses) > 0
    values = pd.Series(torch.stack(tensors).tolist() if is_all else [float(loss) for loss in losses], dtype=float)
    values.index += 1
    if values.empty:
        raise ValueError("There are no losses to draw; expected one for each step.")
    figure = blank_figure(7.5, 3.2)
    axes = figure.subplots(**PANELS)
    axes.plot(values, color=BLUE, alpha=0.3, linewidth=0.7, label="each step")
    mean = values.rolling(WINDOW, center=True).mean()
    axes.plot(mean, color=BLUE, linewidth=1.8, label=f"mean of {WINDOW} steps")
    axes.set(xlabel="step", ylabel="loss", xlim=(0, len(values)), ylim=(0, None))
    axes.xaxis.grid(False)
    axes.legend(loc="upper right")
    if steps_per_epoch is not None:
        epochs = axes.secondary_xaxis(
            "top",
            functions=(
                lambda step: np.divide(step, steps_per_epoch),
                lambda epoch: np.multiply(epoch, steps_per_epoch),
            ),
        )
        in_style(epochs)
        epochs.set_xlabel("epoch")
        epochs.locator_params(axis="x", integer=True)
    return figure


def learning_curves(rows: pd.DataFrame, metric: str = "loss") -> Figure:
    """A metric of each epoch, with a curve for each split of the data.

    Parameters
    ----------
    rows
        A row for each epoch, with a column ``epoch`` and, for each split, one such as ``train_loss``,
        ``validation_loss`` or ``test_loss``; `learnkit.run.Run` makes such rows.
    metric
        What to draw, such as ``"loss"`` or ``"accuracy"``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if not _splits(rows, metric) or "epoch" not in rows:
        wanted = f"train_{metric}" if "epoch" in rows else "epoch"
        raise ValueError(f"The table has no column {wanted!r}; it has {', '.join(map(repr, rows))}.")
    figure = blank_figure(7.5, 3.2)
    _draw_learning_curves(figure.subplots(**PANELS), rows, metric)
    return figure


def run_summary(
    losses: Float[np.ndarray, " steps"],
    steps_per_epoch: int,
    rows: pd.DataFrame,
    matrix: Int64[Tensor, "true predicted"] | None = None,
    classes: Sequence[str] | None = None,
    *,
    title: str = "",
    others: Mapping[str, pd.DataFrame] | None = None,
) -> Figure:
    """A training run on one page: its losses, its accuracy and its confusion matrix.

    Parameters
    ----------
    losses
        One for each step, in nats.
    steps_per_epoch
        The number of steps in an epoch.
    rows
        As for `learning_curves`. There may be none.
    matrix
        The latest confusion matrix, if there is one.
    classes
        The names of the classes; by default their numbers.
    title
        A description of what was trained.
    others
        The rows of other runs by their names; they are drawn pale, behind this one.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = blank_figure(9, 4.6)
    panels = figure.subplot_mosaic([["loss", "confusion"], ["accuracy", "confusion"]], width_ratios=[1.15, 1], **PANELS)
    for name, other in (others or {}).items():
        for metric in ("loss", "accuracy"):
            for split in _splits(other, metric)[-1:]:
                values = other[f"{split}_{metric}"]
                panels[metric].plot(other["epoch"], values, color=GREY, alpha=0.4, linewidth=1)
                if metric == "accuracy":
                    place = (other["epoch"].iloc[-1], values.iloc[-1])
                    panels[metric].annotate(
                        name, place, fontsize=6, color=GREY, ha="right", va="bottom", parse_math=False
                    )
    panels["loss"].plot(np.arange(1, len(losses) + 1) / steps_per_epoch, losses, color=BLUE, alpha=0.3, linewidth=0.7)
    for metric in ("loss", "accuracy"):
        if _splits(rows, metric):
            _draw_learning_curves(panels[metric], rows, metric)
        panels[metric].set(
            xlim=(0, max(1, len(losses) / steps_per_epoch)),
            ylabel=metric,
            xlabel="epoch" if metric == "accuracy" else "",
        )
    panels["loss"].set_ylim(0, None if len(losses) else 2.5)
    if matrix is None:
        panels["confusion"].set_axis_off()
    else:
        draw_confusion(panels["confusion"], matrix, classes, fontsize=7)
    figure.suptitle(title, fontsize="medium", x=0.01, ha="left", color=BLACK, parse_math=False)
    return figure


def _splits(rows: pd.DataFrame, metric: str) -> list[str]:
    """The splits of which there are values."""
    names = {split: f"{split}_{metric}" for split in SPLIT_COLOURS}
    return [split for split, name in names.items() if name in rows and rows[name].notna().any()]


def _draw_learning_curves(axes: Axes, rows: pd.DataFrame, metric: str) -> None:
    columns = {f"{split}_{metric}": split for split in _splits(rows, metric)}
    long = rows.rename(columns=columns).melt("epoch", list(columns.values()), "split", metric)
    seaborn.lineplot(
        long,
        x="epoch",
        y=metric,
        hue="split",
        style="split",
        palette=SPLIT_COLOURS,
        dashes=SPLIT_DASHES,
        markers=SPLIT_MARKERS,
        ax=axes,
    )
    axes.locator_params(axis="x", integer=True)
    axes.legend(title=None)
