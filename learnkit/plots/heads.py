"""The weights of many heads as one picture: to draw each into axes of its own takes many times as long."""

import math
import textwrap
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from learnkit.plots.style import GREY

DPI = 100
WIDTH, HEIGHT = 620, 1_000  # of all heads, if they are not too many for it; this and what follows in pixels
MOST = 2_000  # of all heads, across or down, however many they are
LARGEST, LEGIBLE = 50, 33  # a cell, and a cell in which a number can be read
LINE = 17  # what a word needs along an axis
TITLE = 22  # what "query" and "key" need, larger than words
NAME = 24  # what the name of a head needs, above it
BESIDE = 10  # between heads
PAD = 6
BAR = 95  # the scale of colours, with its numbers
NARROWEST = 400  # a figure that has something to say at its foot
COLUMNS = 4  # heads of one layer side by side, if there are not very many
REMARK = "#B00020"


def draw_heads(
    layers: Float[np.ndarray, "layer head query key"], words: list[str], key_words: list[str], remarks: list[str]
) -> Figure:
    """A row of heads for each layer; those of a single layer in as many rows as they need, each with its name.

    Parameters
    ----------
    layers
        The weights.
    words, key_words
        Of the rows and of the columns. Those that have no room are left out: some, and of several layers, all.
    remarks
        To stand at the foot.

    Returns
    -------
    matplotlib.figure.Figure
    """
    grid = _Grid.of(*layers.shape)
    several, lonely = len(layers) > 1, layers.shape[:2] == (1, 1)
    rows, columns = _with_room(words, grid.word), _with_room(key_words, grid.word)
    if several and len(rows) + len(columns) < len(words) + len(key_words):
        rows, columns = {}, {}
    apart = grid.word * math.ceil(len(key_words) / max(1, len(columns)))
    upright = _widest(columns.values()) > apart - 3
    if grid.block > 1:
        remarks = [*remarks, f"There are more weights than pixels: each is the largest of {grid.block} × {grid.block}."]

    height, width = grid.size
    names = _widest([f"layer {len(layers)}"]) + PAD if several else 0
    left = TITLE + names + _widest(rows.values()) + 2 * PAD
    top = PAD if lonely else NAME
    under = PAD + (0 if not columns else _widest(columns.values()) if upright else LINE)
    whole_width = max(left + width + BAR, NARROWEST if remarks else 0)
    foot = [line for remark in remarks for line in textwrap.wrap(remark, whole_width // 7)]
    whole_height = top + height + under + TITLE + LINE * len(foot) + PAD

    figure = Figure(figsize=(whole_width / DPI, whole_height / DPI), dpi=DPI, layout="none")
    # Axes in pixels over the whole figure, counted from the top left corner of the first head.
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(-left, whole_width - left), ylim=(whole_height - top, -top), autoscale_on=False)
    image = _draw_weights(axes, layers, grid)
    if several:
        _name_layers(axes, grid, -(left - TITLE - names))
    elif not lonely:
        _name_heads(axes, grid, layers.shape[1])
    _write_words(axes, grid, len(layers) * layers.shape[1], rows, columns, upright=upright)
    axes.text(-left + PAD, height / 2, "query", ha="left", va="center", rotation=90, fontsize="larger")
    axes.text(width / 2, height + under, "key", ha="center", va="top", fontsize="larger")
    bottom = height + under + TITLE + PAD / 2
    for number, line in enumerate(foot):
        axes.text(-left + PAD, bottom + number * LINE, line, va="top", color=REMARK, gid="remark")

    tall = min(height, 300)
    place = (left + width + 14, whole_height - top - tall, 12, tall)
    bar = figure.add_axes([side / whole for side, whole in zip(place, 2 * (whole_width, whole_height), strict=True)])
    figure.colorbar(image, cax=bar, label="weight")
    return figure


def _draw_weights(axes: Axes, layers: np.ndarray, grid: "_Grid") -> AxesImage:
    height, width = grid.size
    lowest, highest = min(0.0, float(layers.min())), float(layers.max())
    image = axes.imshow(
        grid.tiled(layers),
        cmap="Blues",
        vmin=lowest,
        vmax=highest if highest > lowest else lowest + 1,
        extent=(0, width, height, 0),
        aspect="auto",
        interpolation="nearest",
    )
    corners = map(grid.corner, range(layers.shape[0] * layers.shape[1]))
    frames = [Rectangle(corner, *reversed(grid.head)) for corner in corners]
    axes.add_collection(PatchCollection(frames, facecolor="none", edgecolor=GREY, linewidth=0.5))
    if grid.cell >= LEGIBLE:
        _write_numbers(axes, layers, grid)
    return image


def _write_words(
    axes: Axes, grid: "_Grid", heads: int, rows: dict[float, str], columns: dict[float, str], *, upright: bool
) -> None:
    """To the left of each row of heads, and under the lowest of each column, by their places along a head."""
    for row in range(grid.rows):
        _, y = grid.corner(row * grid.columns)
        for place, word in rows.items():
            axes.text(-PAD, y + place, word, ha="right", va="center", parse_math=False, gid="query")
    way = {"rotation": 90, "va": "top"} if upright else {"va": "baseline"}
    below = grid.head[0] + (PAD / 2 if upright else 0.8 * LINE)
    for column in range(grid.columns):
        x, y = grid.corner(max(range(column, heads, grid.columns)))
        for place, word in columns.items():
            axes.text(x + place, y + below, word, ha="center", parse_math=False, gid="key", **way)


class _Grid(NamedTuple):
    """Where the heads stand."""

    rows: int
    columns: int
    block: int  # weights to a cell, along each axis: 1, while there are pixels enough
    cell: int  # pixels to a cell
    cells: tuple[int, int]  # of a head: down and across
    gap: tuple[int, int]  # in cells too, so that all heads are one picture: under a head and beside it

    @classmethod
    def of(cls, layers: int, heads: int, queries: int, keys: int) -> "_Grid":
        columns = heads if layers > 1 else _columns(heads, keys)
        rows = layers if layers > 1 else math.ceil(heads / columns)
        block = math.ceil(max(rows * queries, columns * keys) / MOST)
        down, across = math.ceil(queries / block), math.ceil(keys / block)
        cell = round((WIDTH - (columns - 1) * BESIDE) / (columns * across))
        cell = max(1, min(cell, LARGEST, HEIGHT // (rows * down)))
        gap = (math.ceil((BESIDE if layers > 1 else NAME) / cell), math.ceil(BESIDE / cell))
        return cls(rows, columns, block, cell, (down, across), gap)

    @property
    def word(self) -> float:
        """Pixels to a weight, and so to its word."""
        return self.cell / self.block

    @property
    def head(self) -> tuple[int, int]:
        """Pixels of a head, down and across."""
        return self.cells[0] * self.cell, self.cells[1] * self.cell

    @property
    def size(self) -> tuple[int, int]:
        """Pixels of all heads together, down and across."""
        x, y = self.corner(self.rows * self.columns - 1)
        return y + self.head[0], x + self.head[1]

    def corner(self, number: int) -> tuple[int, int]:
        """The pixel at the top left of a head, across and down."""
        row, column = divmod(number, self.columns)
        return column * (self.cells[1] + self.gap[1]) * self.cell, row * (self.cells[0] + self.gap[0]) * self.cell

    def tiled(self, layers: np.ndarray) -> np.ndarray:
        """The weights of all heads as one matrix, and NaN between them."""
        for axis in (2, 3):
            if self.block > 1:
                layers = np.maximum.reduceat(layers, np.arange(0, layers.shape[axis], self.block), axis=axis)
        height, width = self.size
        picture = np.full((height // self.cell, width // self.cell), np.nan, dtype=np.float32)
        for number, head in enumerate(layers.reshape(-1, *self.cells)):
            x, y = (pixel // self.cell for pixel in self.corner(number))
            picture[y : y + self.cells[0], x : x + self.cells[1]] = head
        return picture


def _columns(heads: int, keys: int) -> int:
    """As many heads side by side as leave room for numbers in the cells, if that is not too few; else up to four."""
    columns = max(COLUMNS, math.ceil(math.sqrt(heads)))
    fitting = (WIDTH + BESIDE) // (keys * LEGIBLE + BESIDE)
    if 2 <= fitting < columns and heads <= fitting * COLUMNS:
        columns = fitting
    return math.ceil(heads / math.ceil(heads / columns))


def _with_room(words: list[str], room: float) -> dict[float, str]:
    """Where words are written along a head, in pixels, and which: all, or every 2nd, 5th, 10th, 20th …"""
    steps = (step * 10**power for power in range(9) for step in (1, 2, 5))
    step = next(step for step in steps if step * room >= LINE)
    return {(number + 0.5) * room: words[number] for number in range(0, len(words), step)}


def _widest(words: Iterable[str]) -> int:
    """The pixels that the longest of some words needs."""
    renderer, font = RendererAgg(1, 1, DPI), FontProperties()
    return math.ceil(max((renderer.get_text_width_height_descent(word, font, False)[0] for word in words), default=0))


def _write_numbers(axes: Axes, layers: np.ndarray, grid: _Grid) -> None:
    half = (layers.max() + min(0, layers.min())) / 2
    for number, head in enumerate(layers.reshape(-1, *grid.cells)):
        left, top = grid.corner(number)
        for (row, column), weight in np.ndenumerate(head):
            axes.text(
                left + (column + 0.5) * grid.cell,
                top + (row + 0.5) * grid.cell,
                f"{weight:.2f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if weight > half else "black",
                gid="weight",
            )


def _name_heads(axes: Axes, grid: _Grid, heads: int) -> None:
    for number in range(heads):
        x, y = grid.corner(number)
        axes.text(x, y - 3, f"head {number}", va="bottom")


def _name_layers(axes: Axes, grid: _Grid, left: int) -> None:
    for layer in range(grid.rows):
        _, y = grid.corner(layer * grid.columns)
        axes.text(left, y + grid.head[0] / 2, f"layer {layer}", ha="right", va="center")
    roomy = grid.head[1] >= _widest([f"head {grid.columns}"])
    for head in range(grid.columns):
        x, _ = grid.corner(head)
        axes.text(x + grid.head[1] / 2, -3, f"head {head}" if roomy else str(head), ha="center", va="bottom")
