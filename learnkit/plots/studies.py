"""Plots of the table of a study: how its runs differ."""

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd
import seaborn
from matplotlib.figure import Figure

from learnkit.errors import unknown
from learnkit.plots.style import BLACK, PANELS, blank_figure, in_style
from learnkit.study.comparison import mean_interval

COLOURS = "colorblind"
MAX_CURVES = 10  # the number of colours that can be distinguished
STRIP_COLOUR = "#1F77B4"
LEGEND_COLUMNS = 2

CURVES_TITLE = "mean with its 95% interval over {seeds}"
STRIP_TITLE = "{seeds}; the line marks their mean"
HEATMAP_TITLE = "mean over {seeds}"
ONE_SEED, SEEDS, RANGE_OF_SEEDS = "1 seed", "{fewest} seeds", "{fewest} to {most} seeds"
NO_VALUE, NUMBER = "no {name}", "{name} {value}"


def study_curves(table: pd.DataFrame, metric: str = "validation_accuracy") -> Figure:
    """A metric of each epoch, with a curve for each setting: the mean over seeds in a band, its 95% interval.

    The interval is Student's t, as in `learnkit.study.compare`; with a single seed there is none. If two bands do not
    overlap, the settings differ; if they do overlap, only `compare` can tell.

    Parameters
    ----------
    table
        As `learnkit.study.study` returns it.
    metric
        The column to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = _with_settings(table, metric)
    settings = rows["setting"].unique()
    if len(settings) > MAX_CURVES:
        raise ValueError(
            f"{len(settings)} curves in one plot cannot be told apart; choose up to {MAX_CURVES} settings, for example "
            "with table[table['learning_rate'] == 0.1]."
        )
    lines = math.ceil(len(settings) / LEGEND_COLUMNS)
    figure = blank_figure(7.5, 3.3 + 0.21 * lines)
    axes = figure.subplots(**PANELS)
    seaborn.lineplot(
        rows,
        x="epoch",
        y=metric,
        hue="setting",
        style="setting",
        hue_order=settings,
        palette=seaborn.color_palette(COLOURS, len(settings)),
        dashes=False,
        markers=["o"] * len(settings) if rows["epoch"].nunique() <= 30 else False,
        markeredgewidth=0,
        markersize=4,
        errorbar=mean_interval,
        ax=axes,
    )
    axes.set(ylabel=_label(metric), title=CURVES_TITLE.format(seeds=_seeds(rows)))
    axes.locator_params(axis="x", integer=True)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend().remove()
    figure.legend(
        handles,
        labels,
        loc="outside lower left",
        ncols=LEGEND_COLUMNS,
        fontsize="small",
        frameon=False,
        labelcolor=BLACK,
    )
    return figure


def metric_strip(table: pd.DataFrame, metric: str = "validation_accuracy") -> Figure:
    """A metric at the end of each run: a point for each seed, a row for each setting, a line at the mean.

    The parameters are those of `study_curves`.
    """
    rows = _last_rows(_with_settings(table, metric))
    settings = list(rows["setting"].unique())
    figure = blank_figure(7.5, 1 + 0.35 * len(settings))
    axes = figure.subplots(**PANELS)
    seaborn.stripplot(
        rows, x=metric, y="setting", order=settings, jitter=False, alpha=0.6, size=6, color=STRIP_COLOUR, ax=axes
    )
    means = rows.groupby("setting")[metric].mean()
    axes.plot(means[settings], range(len(settings)), "|", color="black", markersize=16, markeredgewidth=1.5)
    axes.set(xlabel=_label(metric), ylabel=None, title=STRIP_TITLE.format(seeds=_seeds(rows)))
    axes.set_ylim(len(settings) - 0.5, -0.5)  # plotting the means has changed it
    axes.tick_params(axis="y", length=0)
    axes.yaxis.grid(True)
    return figure


def width_heatmap(table: pd.DataFrame, metric: str = "validation_accuracy") -> Figure:
    """A metric at the end of the runs, by the widths of two hidden layers: the mean over seeds.

    Parameters
    ----------
    table
        As `learnkit.study.study` returns it, for nets with two hidden layers that differ only in their sizes.
    metric
        The column to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = _last_rows(_with_settings(table, metric))
    if "sizes" not in table:
        raise unknown("column", "sizes", table.columns)
    sizes = rows["sizes"].map(_parsed)
    if (sizes.map(len) != 4).any():
        other = sizes[sizes.map(len) != 4].iloc[0]
        raise ValueError(
            f"A net of sizes {tuple(other)} cannot be drawn; expected two hidden layers, one for each axis."
        )
    rows = rows.assign(first=sizes.str[1], second=sizes.str[2])
    if rows.duplicated(["first", "second", "seed"]).any():
        raise ValueError("Nets of the same widths differ in other ways; choose, as in table[table['epochs'] == 5].")
    means = rows.pivot_table(index="second", columns="first", values=metric).sort_index(ascending=False)
    figure = blank_figure(2.2 + 0.75 * means.shape[1], 1.6 + 0.5 * means.shape[0])
    axes = figure.subplots(**PANELS)
    seaborn.heatmap(
        means, annot=True, fmt=".3f", cmap="Blues", linewidths=0.5, cbar_kws={"label": _label(metric)}, ax=axes
    )
    bar = axes.collections[0].colorbar
    in_style(bar.ax)
    bar.outline.set_edgecolor(BLACK)
    axes.set(xlabel="width of layer 1", ylabel="width of layer 2", title=HEATMAP_TITLE.format(seeds=_seeds(rows)))
    axes.tick_params(length=0)
    axes.tick_params(axis="y", rotation=0)
    return figure


def _with_settings(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows that have the metric, with a name for each setting."""
    for name in ("seed", "epoch", metric):
        if name not in table:
            raise unknown("column", name, table.columns)
    names = list(table.columns[: table.columns.get_loc("seed")])
    varying = [name for name in names if table[name].map(str).nunique() > 1] or names[:1]
    settings = [
        ", ".join(_described(name, value) for name, value in zip(varying, values, strict=True))
        for values in table[varying].itertuples(index=False, name=None)
    ]
    rows = table.assign(setting=settings)[table[metric].notna()]
    if rows.empty:
        raise ValueError(f"No row of the table has a number in {metric!r}, so there is nothing to draw.")
    return rows.reset_index(drop=True)


def _last_rows(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values("epoch", kind="stable").drop_duplicates(["setting", "seed"], keep="last").sort_index()


def _described(name: str, value: Any) -> str:
    """A short description of a parameter's value."""
    if name == "sizes":
        return "-".join(map(str, _parsed(value)))
    if isinstance(value, str):
        return value
    return (NO_VALUE if pd.isna(value) else NUMBER).format(name=_label(name), value=value)


def _parsed(sizes: str | Iterable[int]) -> list[int]:
    """The sizes of a net, which are text in a table read from a file."""
    return [int(size) for size in (sizes.strip("()[], ").split(",") if isinstance(sizes, str) else sizes)]


def _label(name: str) -> str:
    return name.replace("_", " ")


def _seeds(rows: pd.DataFrame) -> str:
    counts = rows.groupby("setting")["seed"].nunique()
    text = RANGE_OF_SEEDS if counts.min() < counts.max() else SEEDS if counts.max() > 1 else ONE_SEED
    return text.format(fewest=counts.min(), most=counts.max())
