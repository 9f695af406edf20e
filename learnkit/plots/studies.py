"""What many trainings have in common, and how they differ: pictures of a study's table."""

import math

import pandas as pd
import seaborn
from matplotlib.figure import Figure

from learnkit.errors import unknown
from learnkit.plots.style import styled
from learnkit.study.comparison import mean_interval

COLOURS = "colorblind"
MOST_CURVES = 10  # as many as there are colours that one can tell apart
LEGEND_COLUMNS = 2


@styled
def study_curves(table: pd.DataFrame, metric: str = "validation_accuracy") -> Figure:
    """A metric of each epoch, a curve for each setting: the mean over the seeds in a band, its 95 % interval.

    The interval is Student's t, as in `learnkit.study.compare`; with a single seed there is none. Bands that do not
    overlap tell two settings apart; of bands that do overlap, only `compare` can tell.

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
    rows = _drawable(table, metric)
    settings = rows["setting"].unique()
    if len(settings) > MOST_CURVES:
        raise ValueError(
            f"{len(settings)} curves in one picture cannot be told apart; choose up to {MOST_CURVES} settings, such as "
            "table[table['learning_rate'] == 0.1]."
        )
    lines = math.ceil(len(settings) / LEGEND_COLUMNS)
    figure = Figure(figsize=(7.5, 3.3 + 0.21 * lines))
    axes = figure.subplots()
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
    axes.set(ylabel=_words(metric), title=f"mean and its 95 % interval over {_seeds(rows)}")
    axes.xaxis.get_major_locator().set_params(integer=True)
    handles, labels = axes.get_legend_handles_labels()
    axes.get_legend().remove()
    figure.legend(handles, labels, loc="outside lower left", ncols=LEGEND_COLUMNS, fontsize="small")
    return figure


@styled
def metric_strip(table: pd.DataFrame, metric: str = "validation_accuracy") -> Figure:
    """A metric at the end of each training: a point for each seed, a row for each setting, a line at the mean.

    Parameters are those of `study_curves`.
    """
    rows = _ends(_drawable(table, metric))
    settings = list(rows["setting"].unique())
    figure = Figure(figsize=(7.5, 1 + 0.35 * len(settings)))
    axes = figure.subplots()
    seaborn.stripplot(rows, x=metric, y="setting", order=settings, jitter=False, alpha=0.6, size=6, ax=axes)
    means = rows.groupby("setting")[metric].mean()
    axes.plot(means[settings], range(len(settings)), "|", color="black", markersize=16, markeredgewidth=1.5)
    axes.set(xlabel=_words(metric), ylabel=None, title=f"{_seeds(rows)}; the line is their mean")
    axes.set_ylim(len(settings) - 0.5, -0.5)  # the marks of the means have moved it
    axes.tick_params(axis="y", length=0)
    axes.yaxis.grid(True)
    return figure


@styled
def width_heatmap(table: pd.DataFrame, metric: str = "validation_accuracy") -> Figure:
    """A metric at the end of the trainings, by the widths of two hidden layers: the mean over the seeds.

    Parameters
    ----------
    table
        As `learnkit.study.study` returns it, of nets with two hidden layers that differ in nothing but their sizes.
    metric
        The column to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = _ends(_drawable(table, metric))
    if "sizes" not in table:
        raise unknown("column", "sizes", table.columns)
    sizes = rows["sizes"].map(_numbers)
    if (sizes.map(len) != 4).any():
        other = sizes[sizes.map(len) != 4].iloc[0]
        raise ValueError(f"A net of sizes {tuple(other)} has not two hidden layers, whose widths are the two axes.")
    rows = rows.assign(first=sizes.str[1], second=sizes.str[2])
    if rows.duplicated(["first", "second", "seed"]).any():
        raise ValueError("Nets of the same widths differ in something else; choose, as in table[table['epochs'] == 5].")
    means = rows.pivot_table(index="second", columns="first", values=metric).sort_index(ascending=False)
    figure = Figure(figsize=(2.2 + 0.75 * means.shape[1], 1.6 + 0.5 * means.shape[0]))
    axes = figure.subplots()
    seaborn.heatmap(
        means, annot=True, fmt=".3f", cmap="Blues", linewidths=0.5, cbar_kws={"label": _words(metric)}, ax=axes
    )
    axes.set(xlabel="width of layer 1", ylabel="width of layer 2", title=f"mean over {_seeds(rows)}")
    axes.tick_params(length=0)
    axes.tick_params(axis="y", rotation=0)
    return figure


def _drawable(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows that have the metric, with a name for each setting."""
    for name in ("seed", "epoch", metric):
        if name not in table:
            raise unknown("column", name, table.columns)
    names = list(table.columns[: table.columns.get_loc("seed")])
    varying = [name for name in names if table[name].map(str).nunique() > 1] or names[:1]
    settings = [
        ", ".join(_told(name, value) for name, value in zip(varying, values, strict=True))
        for values in table[varying].itertuples(index=False, name=None)
    ]
    rows = table.assign(setting=settings)[table[metric].notna()]
    if rows.empty:
        raise ValueError(f"No row of the table has a number in {metric!r}, so that there is nothing to draw.")
    return rows.reset_index(drop=True)


def _ends(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values("epoch", kind="stable").drop_duplicates(["setting", "seed"], keep="last").sort_index()


def _told(name: str, value: object) -> str:
    """A value in few words; a number needs its name beside it."""
    if name == "sizes":
        return "-".join(map(str, _numbers(value)))
    if not isinstance(value, str) and pd.isna(value):
        return f"no {name.replace('_', ' ')}"
    return value if isinstance(value, str) else f"{name.replace('_', ' ')} {value}"


def _numbers(sizes: object) -> list[int]:
    """The sizes of a net, which in a table that was a file are text."""
    return [int(size) for size in (sizes.strip("()[], ").split(",") if isinstance(sizes, str) else sizes)]


def _words(metric: str) -> str:
    return metric.replace("_", " ")


def _seeds(rows: pd.DataFrame) -> str:
    counts = rows.groupby("setting")["seed"].nunique()
    few, many = counts.min(), counts.max()
    return f"{few} seed{'s' if few > 1 else ''}" if few == many else f"{few} to {many} seeds"
