"""The weights of many heads as one image, which is many times faster than separate axes for each head."""

import math
import textwrap
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from learnkit.plots.style import BLACK, GREY, Panel, blank_figure, in_style

DPI = 100
SIZE, LARGER = 9, 10.8  # of what is written, in points
# In pixels:
WIDTH, HEIGHT = 620, 1_000  # of all heads together, if each weight gets at least a pixel
MAX_SIZE = 2_000  # of all heads together, in each direction
MAX_CELL, MIN_LEGIBLE_CELL = 50, 33  # the largest cell, and the smallest in which a number can be read
LINE = 17  # the height of a word
TITLE = 22  # the height of the axis labels "query" and "key"
NAME = 24  # the space above a head for its name
GAP = 10  # between heads
PAD = 6
BAR = 95  # the width of the colour bar with its numbers
STEP = 28  # from one of these numbers to the next, at least
MIN_WIDTH = 400  # of a figure with remarks below the heads
COLUMNS = 4  # heads of one layer side by side, unless there are very many
REMARK_COLOUR = "#B00020"

QUERY, KEY, WEIGHT = "query", "key", "weight"
LAYER, HEAD = "layer {number}", "head {number}"
MORE_WEIGHTS_THAN_PIXELS = "There are more weights than pixels: each pixel shows the largest of {block} × {block}."


def draw_heads(
    layers: Float[np.ndarray, "layer head query key"],
    words: list[str],
    key_words: list[str],
    remarks: list[str],
    families: list[str],
) -> Figure:
    """Draw a row of heads for each layer, or the heads of a single layer in as many rows as they need.

    Parameters
    ----------
    layers
        The weights.
    words, key_words
        The words of the rows and of the columns. If there is too little space, some are left out; with several layers,
        all.
    remarks
        Sentences to print below the heads.
    families
        Fonts for what the usual one has not.

    Returns
    -------
    matplotlib.figure.Figure
    """
    grid, font = _Grid.of(*layers.shape), FontProperties(family=["sans-serif", *families], size=SIZE)
    several_layers, single_head = len(layers) > 1, layers.shape[:2] == (1, 1)
    rows, columns = _thinned(words, grid.pitch), _thinned(key_words, grid.pitch)
    if several_layers and len(rows) + len(columns) < len(words) + len(key_words):
        rows, columns = {}, {}
    spacing = grid.pitch * math.ceil(len(key_words) / max(1, len(columns)))
    vertical = _max_width(columns.values(), font) > spacing - 3
    if grid.block > 1:
        remarks = [*remarks, MORE_WEIGHTS_THAN_PIXELS.format(block=grid.block)]

    height, width = grid.size
    names = _max_width([LAYER.format(number=len(layers))], font) + PAD if several_layers else 0
    left = TITLE + names + _max_width(rows.values(), font) + 2 * PAD
    top = PAD if single_head else NAME
    under = PAD + (0 if not columns else _max_width(columns.values(), font) if vertical else LINE)
    figure_width = max(left + width + BAR, MIN_WIDTH if remarks else 0)
    lines = [line for remark in remarks for line in textwrap.wrap(remark, figure_width // 7)]
    figure_height = top + height + under + TITLE + LINE * len(lines) + PAD

    size = (figure_width / DPI, figure_height / DPI)
    figure = blank_figure(*size, layout="none", dpi=DPI)
    # Axes that cover the whole figure, in pixels, with the origin at the top left corner of the first head.
    axes = figure.add_axes((0, 0, 1, 1), axes_class=_Heads, font=font)
    axes.set_axis_off()
    axes.set(xlim=(-left, figure_width - left), ylim=(figure_height - top, -top), autoscale_on=False)
    image = _draw_weights(axes, layers, grid)
    if several_layers:
        _name_layers(axes, grid, -(left - TITLE - names), font)
    elif not single_head:
        _name_heads(axes, grid, layers.shape[1])
    _write_words(axes, grid, len(layers) * layers.shape[1], rows, columns, vertical=vertical)
    axes.text(-left + PAD, height / 2, QUERY, ha="left", va="center", rotation=90, size=LARGER)
    axes.text(width / 2, height + under, KEY, ha="center", va="top", size=LARGER)
    bottom = height + under + TITLE + PAD / 2
    for number, line in enumerate(lines):
        axes.text(-left + PAD, bottom + number * LINE, line, va="top", color=REMARK_COLOUR, gid="remark")

    bar_height = min(height, 300)
    x, y = (left + width + 14) / figure_width, (figure_height - top - bar_height) / figure_height
    bar = figure.add_axes((x, y, 12 / figure_width, bar_height / figure_height))
    _draw_colour_bar(bar, image, bar_height)
    return figure


class _Heads(Panel):
    """Axes on which everything is written in one font, unless another size is wanted."""

    def __init__(self, *args: Any, font: FontProperties, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._font = font

    def text(self, *args: Any, size: int | float = SIZE, **kwargs: Any) -> Text:
        font = self._font.copy()
        font.set_size(size)
        return super().text(*args, fontproperties=font, **kwargs)


def _draw_colour_bar(axes: Axes, image: AxesImage, height: int) -> None:
    axes.figure.colorbar(image, cax=axes).outline.set_edgecolor(BLACK)
    in_style(axes)
    axes.tick_params(labelsize=SIZE)
    axes.locator_params(nbins=min(max(1, height // STEP), 9))
    axes.set_ylabel(WEIGHT, fontsize=SIZE, color=BLACK)


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
    if grid.cell >= MIN_LEGIBLE_CELL:
        _write_numbers(axes, layers, grid)
    return image


def _write_words(
    axes: Axes, grid: "_Grid", heads: int, rows: dict[float, str], columns: dict[float, str], *, vertical: bool
) -> None:
    """Write words to the left of each row of heads and below each column, at their positions along a head."""
    for row in range(grid.rows):
        _, y = grid.corner(row * grid.columns)
        for place, word in rows.items():
            axes.text(-PAD, y + place, word, ha="right", va="center", parse_math=False, gid="query")
    alignment = {"rotation": 90, "va": "top"} if vertical else {"va": "baseline"}
    below = grid.head[0] + (PAD / 2 if vertical else 0.8 * LINE)
    for column in range(grid.columns):
        x, y = grid.corner(max(range(column, heads, grid.columns)))
        for place, word in columns.items():
            axes.text(x + place, y + below, word, ha="center", parse_math=False, gid="key", **alignment)


class _Grid(NamedTuple):
    """Where the heads are."""

    rows: int
    columns: int
    block: int  # weights per cell along each axis: 1, as long as there are enough pixels
    cell: int  # pixels per cell
    cells: tuple[int, int]  # cells of a head: down, across
    gap: tuple[int, int]  # cells below a head and beside it; whole cells, so that all heads are one image

    @classmethod
    def of(cls, layers: int, heads: int, queries: int, keys: int) -> "_Grid":
        columns = heads if layers > 1 else _columns(heads, keys)
        rows = layers if layers > 1 else math.ceil(heads / columns)
        block = math.ceil(max(rows * queries, columns * keys) / MAX_SIZE)
        down, across = math.ceil(queries / block), math.ceil(keys / block)
        cell = round((WIDTH - (columns - 1) * GAP) / (columns * across))
        cell = max(1, min(cell, MAX_CELL, HEIGHT // (rows * down)))
        gap = (math.ceil((GAP if layers > 1 else NAME) / cell), math.ceil(GAP / cell))
        return cls(rows, columns, block, cell, (down, across), gap)

    @property
    def pitch(self) -> float:
        """Pixels per weight, and so the distance between words."""
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
        """The weights of all heads as one matrix, with NaN between them."""
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
    """As many heads side by side as leave space for numbers in the cells, if that is not too few; else up to four."""
    columns = max(COLUMNS, math.ceil(math.sqrt(heads)))
    legible = (WIDTH + GAP) // (keys * MIN_LEGIBLE_CELL + GAP)
    if 2 <= legible < columns and heads <= legible * COLUMNS:
        columns = legible
    return math.ceil(heads / math.ceil(heads / columns))


def _thinned(words: list[str], pitch: float) -> dict[float, str]:
    """The words that fit along a head, by their positions in pixels: all, or every 2nd, 5th, 10th, 20th …"""
    steps = (step * 10**power for power in range(9) for step in (1, 2, 5))
    step = next(step for step in steps if step * pitch >= LINE)
    return {(number + 0.5) * pitch: words[number] for number in range(0, len(words), step)}


def _max_width(words: Iterable[str], font: FontProperties) -> int:
    """The width of the widest word, in pixels."""
    renderer = RendererAgg(1, 1, DPI)
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
                size=8,
                color="white" if weight > half else "black",
                gid="weight",
            )


def _name_heads(axes: Axes, grid: _Grid, heads: int) -> None:
    for number in range(heads):
        x, y = grid.corner(number)
        axes.text(x, y - 3, HEAD.format(number=number), va="bottom")


def _name_layers(axes: Axes, grid: _Grid, left: int, font: FontProperties) -> None:
    for layer in range(grid.rows):
        _, y = grid.corner(layer * grid.columns)
        axes.text(left, y + grid.head[0] / 2, LAYER.format(number=layer), ha="right", va="center")
    name = HEAD if grid.head[1] >= _max_width([HEAD.format(number=grid.columns)], font) else "{number}"
    for head in range(grid.columns):
        x, _ = grid.corner(head)
        axes.text(x + grid.head[1] / 2, -3, name.format(number=head), ha="center", va="bottom")
