"""Who looks at whom."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import seaborn
import torch
from jaxtyping import Float
from matplotlib import font_manager, rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from learnkit.plots.style import styled

WIDTH = 7.5  # of a figure; this and what follows in inches
LEGIBLE = 0.33  # the width of a cell in which a number can be read
LINE = 0.17  # what a word needs along an axis
COLUMNS = 4  # of heads, at most
TOLERANCE = 1e-3  # of the sum of a row


@styled
def attention_heatmap(
    weights: Float[Tensor, "*head query key"] | Float[np.ndarray, "*head query key"],
    tokens: Sequence[str] | None = None,
    key_tokens: Sequence[str] | None = None,
) -> Figure:
    """Attention weights as a table of colours: each row is a query, and how it divides its attention among the keys.

    Several heads stand side by side on one scale of colours. If the rows do not sum to 1, as weights out of a softmax
    do, the figure says so at its foot. (A row of zeros belongs to a query that may look nowhere.)

    Parameters
    ----------
    weights
        Of one head, ``(query, key)``, or of several, ``(head, query, key)``.
    tokens
        The words that ask, one for each row; by default numbers from 0.
    key_tokens
        The words that are looked at, one for each column; by default ``tokens``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the weights have another shape, are NaN somewhere, or there are not as many tokens as rows or columns.
    """
    heads = _checked(weights)
    _, queries, keys = heads.shape
    if tokens is None:
        tokens = [str(number) for number in range(queries)]
        key_tokens = [str(number) for number in range(keys)] if key_tokens is None else key_tokens
    key_tokens = tokens if key_tokens is None else key_tokens
    for what, given, axis in (("tokens", tokens, "rows (queries)"), ("key_tokens", key_tokens, "columns (keys)")):
        expected = queries if what == "tokens" else keys
        if len(given) != expected:
            advice = " Name them with key_tokens." if what == "key_tokens" and given is tokens else ""
            raise ValueError(f"{len(given)} {what} were given for {expected} {axis}: {list(given)}.{advice}")
    families, undrawable = _fonts_for("".join([*tokens, *key_tokens]))
    remarks = _remarks_on_sums(heads)
    if undrawable:
        remarks.append(
            f"No font was found for {len(undrawable)} characters; words that need them are shown as numbers."
        )
    tokens, key_tokens = _without(undrawable, tokens), _without(undrawable, key_tokens)
    with rc_context({"font.family": [*rcParams["font.family"], *families]}):
        return _draw(heads.numpy(), tokens, key_tokens, remarks)


def _checked(weights: Tensor | np.ndarray) -> Float[Tensor, "head query key"]:
    heads = torch.as_tensor(weights).detach().cpu().float()
    if heads.ndim not in (2, 3):
        advice = " To see the first sequence of a batch: weights[0]." if heads.ndim == 4 else ""
        raise ValueError(
            f"The weights have the shape {tuple(heads.shape)}; expected (query, key) or (head, query, key).{advice}"
        )
    if 0 in heads.shape:
        raise ValueError(f"The weights have the shape {tuple(heads.shape)}: there is nothing to draw.")
    if heads.isnan().any():
        place = tuple(heads.isnan().nonzero()[0].tolist())
        raise ValueError(
            f"{int(heads.isnan().sum())} of the {heads.numel()} weights are NaN, the first at {place}. Softmax makes "
            "NaN of a row in which a mask leaves nothing to look at, and of NaN in the input."
        )
    return heads if heads.ndim == 3 else heads[None]


def _remarks_on_sums(heads: Float[Tensor, "head query key"]) -> list[str]:
    sums = heads.sum(-1)
    sums = sums[heads.abs().sum(-1) > 0]
    if len(sums) == 0 or (sums - 1).abs().max() <= TOLERANCE:
        return []
    return [f"The rows do not sum to 1 but to {sums.min():.2f} … {sums.max():.2f}: these are not softmax's weights."]


def _draw(heads: np.ndarray, tokens: list[str], key_tokens: list[str], remarks: list[str]) -> Figure:
    count, queries, keys = heads.shape
    columns = _columns(count, keys)
    rows = math.ceil(count / columns)
    longest = min(max(map(len, tokens)), 12) * 0.09
    cell = min(0.5, (WIDTH - 1.3 - columns * longest) / columns / keys)
    width = columns * (keys * cell + longest) + 1.6
    width = min(max(width, 4), WIDTH)
    foot = [line for remark in remarks for line in textwrap.wrap(remark, int(width * 14))]
    height = rows * (queries * cell + 0.35) + 0.8 + 0.2 * len(foot)
    figure = Figure(figsize=(width, max(height, 2)))
    grid = figure.subplots(rows, columns, squeeze=False)
    upright = max(map(len, key_tokens)) * 0.11 > cell
    for number, axes in enumerate(grid.flat):
        if number >= count:
            axes.set_axis_off()
            continue
        _draw_head(axes, heads[number], float(heads.max()), annotated=cell >= LEGIBLE)
        axes.set_xticks(*_thinned(key_tokens, cell), rotation=90 if upright else 0)
        axes.set_yticks(*_thinned(tokens, cell), rotation=0)
        for label in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
            label.set_parse_math(False)
        axes.set(xlabel="key" if number + columns >= count else None, ylabel=None if number % columns else "query")
        if count > 1:
            axes.set_title(f"head {number}", fontsize="small")
    figure.colorbar(grid[0, 0].collections[0], ax=grid, label="weight", shrink=0.8, pad=0.02)
    if foot:
        figure.supxlabel("\n".join(foot), fontsize="small", color="#B00020")
    return figure


def _columns(count: int, keys: int) -> int:
    """As many heads side by side as leave room for numbers in the cells, if that is not too few; else up to four."""
    fitting = int((WIDTH - 1.5) / (keys * 1.2 * LEGIBLE))
    most = fitting if fitting >= 2 or count == 1 else COLUMNS
    return max(1, math.ceil(count / math.ceil(count / max(1, min(most, COLUMNS)))))


def _draw_head(axes: Axes, weights: np.ndarray, largest: float, *, annotated: bool) -> None:
    seaborn.heatmap(
        weights,
        vmin=min(0, weights.min()),
        vmax=largest,
        cmap="Blues",
        annot=annotated,
        fmt=".2f",
        annot_kws={"fontsize": 8},
        square=True,
        linewidths=0.5 if annotated else 0,
        cbar=False,
        xticklabels=False,
        yticklabels=False,
        ax=axes,
    )
    axes.tick_params(length=0)


def _thinned(tokens: list[str], cell: float) -> tuple[list[float], list[str]]:
    """Where words are written along an axis, and which: all of them, if there is room."""
    step = math.ceil(LINE / cell)
    return [position + 0.5 for position in range(0, len(tokens), step)], tokens[::step]


def _without(undrawable: set[str], tokens: Iterable[str]) -> list[str]:
    return [f"[{number}]" if undrawable & set(token) else token for number, token in enumerate(tokens)]


def _fonts_for(text: str) -> tuple[list[str], set[str]]:
    """Font families of this machine that have what matplotlib's own font lacks, and what none of them has."""
    own = font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans"))
    missing = {character for character in text if ord(character) not in _characters(own)}
    families = []
    # Those known to have much of the world's writing come first, so that not every file need be opened.
    known = ("Noto Sans CJK", "PingFang", "Hiragino", "Microsoft YaHei", "SimHei", "WenQuanYi", "Arial Unicode")
    fonts = sorted(font_manager.fontManager.ttflist, key=lambda font: (not font.name.startswith(known), font.name))
    for font in fonts:
        if not missing:
            break
        if font.style == "normal" and "Last Resort" not in font.name and Path(font.fname).exists():
            found = {character for character in missing if ord(character) in _characters(font.fname)}
            if found and font.name not in families:
                families.append(font.name)
                missing -= found
    return families, missing


@cache
def _characters(path: str) -> frozenset[int]:
    try:
        return frozenset(font_manager.get_font(path).get_charmap())
    except (OSError, RuntimeError):  # a font that cannot be read has nothing
        return frozenset()
