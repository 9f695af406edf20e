"""Curves that grow: bqplot draws them in the browser, and is only sent the few points that it needs."""

from collections.abc import Sequence

import numpy as np
from bqplot import Axis, Figure, LinearScale, Lines
from ipywidgets import Layout
from matplotlib.ticker import MaxNLocator

from learnkit.plots.style import BLUE, GREEN

PALE = ("#E69F00", "#CC79A7", "#56B4E9", "#D55E00", "#8C8C00", "#8A7FD1", "#5AA02C", "#A0522D")
POINTS = 300  # of a curve, at most
WINDOW = 20  # steps of the mean
GRID = "#8882"
TINY = 1e-9  # is forgiven to a tick that lies on the edge
TICKS = MaxNLocator(5)  # finds round numbers
WHOLE = MaxNLocator(5, integer=True)

Curve = tuple[np.ndarray, np.ndarray]  # where, and what


class LiveCurves:
    """A figure with a curve that grows with every step, one that grows with every epoch, and pale ones behind them.

    Parameters
    ----------
    metric
        What is drawn.
    unit
        What the horizontal axis counts.

    Attributes
    ----------
    figure
        The widget.
    """

    def __init__(self, metric: str, unit: str = "epoch") -> None:
        self._x, self._y = (LinearScale(min=0.0, max=1.0, allow_padding=False) for _ in range(2))
        scales = {"x": self._x, "y": self._y}

        def lines(**look: object) -> Lines:
            return Lines(x=[], y=[], scales=scales, **look)

        self._pins = lines(colors=list(PALE), stroke_width=1.5, opacities=[0.6], labels_visibility="label")
        self._steps = lines(colors=[BLUE], stroke_width=1, opacities=[0.35])
        self._mean = lines(colors=[BLUE], stroke_width=2)
        self._epochs = lines(colors=[GREEN], stroke_width=2, line_style="dashed", marker="circle", marker_size=20)
        self._x_axis = Axis(scale=self._x, label=unit, grid_color=GRID, label_offset="28px", tick_format=".5~g")
        self._y_axis = Axis(scale=self._y, side="left", grid_color=GRID, tick_format=".3~g")
        self.figure = Figure(
            marks=[self._pins, self._steps, self._mean, self._epochs],
            axes=[self._x_axis, self._y_axis],
            fig_margin={"top": 8, "bottom": 40, "left": 40, "right": 18},
            layout=Layout(width="100%", height="210px", min_width="0"),
            display_toolbar=False,
            padding_y=0,
        )
        self.figure.add_class(f"learnkit-{metric}")

    def zoom(self, epochs: int | float, low: int | float, high: int | float) -> None:
        """Show so many epochs, and values from low to high."""
        for scale, axis, bounds in ((self._x, self._x_axis, (0.0, epochs)), (self._y, self._y_axis, (low, high))):
            if (scale.min, scale.max) == bounds:
                continue
            with scale.hold_sync():
                scale.min, scale.max = map(float, bounds)
            ticks = (WHOLE if bounds[1] > 2 else TICKS).tick_values(*bounds)
            axis.tick_values = ticks[(ticks >= bounds[0] - TINY) & (ticks <= bounds[1] + TINY)]

    def draw_steps(self, losses: np.ndarray, steps_per_epoch: int) -> None:
        """The value of each step, and the mean of the last `WINDOW`."""
        _draw(self._steps, thinned(losses), steps_per_epoch)
        _draw(self._mean, smoothed(losses), steps_per_epoch)

    def draw_epochs(self, values: Sequence[float], per_unit: int | float = 1) -> None:
        """A point at the end of each epoch; or so many to each unit of the axis."""
        _draw(self._epochs, thinned(np.asarray(values)), per_unit)

    def draw_pins(self, curves: Sequence[Curve]) -> None:
        """The curves of pinned runs, each with its number at its end. A mark holds them all: the shorter ones stay at
        their last point."""
        drawn = {number: curve for number, curve in enumerate(curves) if len(curve[0])}
        length = max((len(x) for x, _ in drawn.values()), default=0) + 1  # bqplot takes a table of 1 × 1 for nothing
        x, y = (
            np.array([np.pad(curve[axis], (0, length - len(curve[axis])), mode="edge") for curve in drawn.values()])
            for axis in (0, 1)
        )
        with self._pins.hold_sync():
            self._pins.labels = [str(number + 1) for number in drawn]
            self._pins.colors = [PALE[number] for number in drawn]
            self._pins.x, self._pins.y = x.astype(np.float32), y.astype(np.float32)


def _draw(lines: Lines, curve: Curve, per: int | float = 1) -> None:
    x, y = curve
    with lines.hold_sync():
        lines.x, lines.y = (x / per).astype(np.float32), y.astype(np.float32)


def thinned(values: np.ndarray, most: int = POINTS) -> Curve:
    """At most so many points of a curve, by its extremes: a spike of a single step stays as high as it is.

    Parameters
    ----------
    values
        Of the curve at 1, 2, 3 …
    most
        Points to keep, the first and the last among them.

    Returns
    -------
    tuple of two arrays
        Where the points are, and the values there.
    """
    if len(values) <= most:
        return np.arange(1, len(values) + 1), values
    in_a_bucket = -(-len(values) // (most // 2 - 1))
    buckets = np.pad(values, (0, -len(values) % in_a_bucket), mode="edge").reshape(-1, in_a_bucket)
    starts = np.arange(len(buckets)) * in_a_bucket
    extremes = np.concatenate([starts + buckets.argmin(1), starts + buckets.argmax(1)])
    last = len(values) - 1
    places = np.unique(np.concatenate([[0], extremes.clip(max=last), [last]]))
    return places + 1, values[places]


def smoothed(values: np.ndarray, most: int = POINTS // 2, window: int = WINDOW) -> Curve:
    """At most so many points of the mean of the last ``window`` values (of fewer at the beginning)."""
    count = len(values)
    ends = np.unique(np.linspace(1, count, min(count, most)).round().astype(int))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    starts = np.maximum(ends - window, 0)
    return ends, (sums[ends] - sums[starts]) / (ends - starts)
