"""What happens in the course of a training."""

from collections.abc import Sequence

import pandas as pd
import seaborn
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from learnkit.plots.style import BLUE, SPLIT_COLOURS, SPLIT_DASHES, SPLIT_MARKERS, styled

STEPS_OF_THE_MEAN = 50


@styled
def step_losses(
    losses: Sequence[float | Float[Tensor, ""]] | Float[Tensor, " steps"], steps_per_epoch: int | None = None
) -> Figure:
    """The loss of every step, which jumps from batch to batch, and its running mean over 50 steps.

    Parameters
    ----------
    losses
        One a step, in nats.
    steps_per_epoch
        If given, a second axis counts epochs.

    Returns
    -------
    matplotlib.figure.Figure
    """
    values = pd.Series([loss.item() if isinstance(loss, Tensor) else loss for loss in losses])
    values.index += 1
    if values.empty:
        raise ValueError("There are no losses to draw; expected one for each step.")
    figure = Figure(figsize=(7.5, 3.2))
    axes = figure.subplots()
    axes.plot(values, color=BLUE, alpha=0.3, linewidth=0.7, label="each step")
    mean = values.rolling(STEPS_OF_THE_MEAN, center=True).mean()
    axes.plot(mean, color=BLUE, linewidth=1.8, label=f"mean of {STEPS_OF_THE_MEAN} steps")
    axes.set(xlabel="step", ylabel="loss", xlim=(0, len(values)), ylim=(0, None))
    axes.xaxis.grid(False)
    axes.legend(loc="upper right")
    if steps_per_epoch is not None:
        epochs = axes.secondary_xaxis(
            "top", functions=(lambda step: step / steps_per_epoch, lambda epoch: epoch * steps_per_epoch)
        )
        epochs.set_xlabel("epoch")
        epochs.xaxis.get_major_locator().set_params(integer=True)
    return figure


@styled
def learning_curves(table: pd.DataFrame, metric: str = "loss") -> Figure:
    """A metric of each epoch, a curve for each part of the data.

    Parameters
    ----------
    table
        A row for each epoch and part of the data, with columns ``epoch``, ``split`` (``"train"``, ``"validation"``,
        ``"test"``) and the metric.
    metric
        The column to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    missing = [name for name in ("epoch", "split", metric) if name not in table]
    if missing:
        raise ValueError(f"The table has no column {missing[0]!r}; it has {', '.join(map(repr, table))}.")
    figure = Figure(figsize=(7.5, 3.2))
    axes = figure.subplots()
    seaborn.lineplot(
        table,
        x="epoch",
        y=metric,
        hue="split",
        style="split",
        palette=SPLIT_COLOURS,
        dashes=SPLIT_DASHES,
        markers=SPLIT_MARKERS,
        ax=axes,
    )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(title=None)
    return figure
