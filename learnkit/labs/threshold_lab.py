"""A threshold to drag: which mistakes a detector makes, and what they cost. Day 1."""

import html
import math
from pathlib import Path

import bqplot
import ipywidgets as widgets
from jaxtyping import Bool, Int64, Integer, Real
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from learnkit import metrics, plots
from learnkit.labs.lab import Lab
from learnkit.labs.showing import Shown
from learnkit.labs.threshold_state import ThresholdState, histogram, rates, thinned
from learnkit.plots.style import BLUE, GREY, ORANGE, VERMILION

LEFT, RIGHT = 60, 16  # of the area of a figure where things are drawn, in pixels
STYLE = (Path(__file__).parent / "threshold_lab.css").read_text(encoding="utf-8")
JUDGE, DOCTOR = (10.0, 1.0), (1.0, 10.0)  # costs of a false positive and a false negative


class ThresholdLab(Lab):
    """One class against the rest: two histograms of scores, a threshold to drag, and all that follows from it.

    Parameters
    ----------
    scores
        Higher means more likely positive, in any unit.
    labels
        1 (or True) where the item is positive, 0 where it is not.
    names
        What the two kinds are called, the negative one first.

    Attributes
    ----------
    state
        The `ThresholdState` that the lab shows.

    Raises
    ------
    ValueError
        If there is nothing to decide (see `ThresholdState`).

    Examples
    --------
    ::

        ThresholdLab(scores, digits.validation_labels == 5, names=("not a five", "a five"))
    """

    def __init__(
        self,
        scores: Real[Tensor, " items"],
        labels: Integer[Tensor, " items"] | Bool[Tensor, " items"],
        names: tuple[str, str] = ("negative", "positive"),
    ) -> None:
        self.state = ThresholdState(scores, labels)
        self.names = names
        super().__init__()
        self._make_controls()
        self._make_marks()
        self._page = self._make_page()
        self._show()

    @property
    def threshold(self) -> float:
        """From which score on an item counts as positive. Set it, and the lab follows."""
        return self.state.threshold

    @threshold.setter
    def threshold(self, value: int | float) -> None:
        self.state.threshold = value
        self._show()

    @property
    def costs(self) -> tuple[float, float]:
        """What a false positive and a false negative costs. Set them, and the threshold goes to the cheapest place."""
        return self.state.costs

    @costs.setter
    def costs(self, value: tuple[int | float, int | float]) -> None:
        self.state.costs = value
        self._show()

    @property
    def matrix(self) -> Int64[Tensor, "2 2"]:
        """``[[TN, FP], [FN, TP]]`` at the threshold."""
        return self.state.matrix

    def figure(self) -> Figure:
        """The present state as a picture."""
        return plots.threshold_curves(self.state.scores, self.state.labels, self.threshold, self.names)

    def _make_page(self) -> Shown:
        return Shown(self._arranged(), STYLE)

    # ------------------------------------------------------------ what moves, and what follows

    def _moved(self, change: dict) -> None:
        """A control has a new value: from a person; or from `_show`, which needs no answer."""
        if self._showing:
            return
        if change["owner"] is self._slider:
            self._set("threshold", self.state.at(self._slider.value))
        elif change["owner"] is self._field:
            self._set("threshold", self._field.value)
        else:
            self._set("costs", (self._price_fp.value, self._price_fn.value))

    def _set(self, name: str, value: object) -> None:
        """Set what a control says; if that cannot be, say why and leave all as it was."""
        try:
            setattr(self.state, name, value)
        except ValueError as error:
            self._show(str(error))
        else:
            self._show()

    def _show(self, message: str = "") -> None:
        """Let everything in the view show what the state is."""
        state, matrix = self.state, self.state.matrix
        share = {name: rate.item() for name, rate in rates(matrix).items()}
        self._showing = True
        try:
            self._field.value = state.threshold
            self._slider.value = state.position(state.threshold)
            self._price_fp.value, self._price_fn.value = state.costs
        finally:
            self._showing = False
        self._message.value = html.escape(message)
        self._numbers.value = _numbers(state, share, self.names)
        self._line.x = [state.threshold, state.threshold]
        called = [] if math.isnan(share["precision"]) else [share["precision"]]
        _move(self._on_precision, [share["recall"]][: len(called)], called)
        _move(self._on_roc, [share["false positive rate"]], [share["recall"]])
        _move(self._on_cost, [state.threshold], [state.cost(matrix).item()])
        if self._drawn_costs != state.costs:
            self._drawn_costs = state.costs
            _move(self._cost, *thinned(state.thresholds, state.cost(state.matrices)))
        if self._page is not None:
            self._page.renew_at_rest(self.figure)

    # ------------------------------------------------------------ what it is made of

    def _make_controls(self) -> None:
        self._showing = False
        snug = {"description_width": "auto"}
        under_the_axis = {"width": "auto", "margin": f"0 {RIGHT - 10}px 0 {LEFT - 6}px"}
        # In whole numbers: in fractions the browser can stand a hair below a step, and a key then leads nowhere.
        lowest, highest = map(self.state.position, (self.state.lowest, self.state.highest))
        self._slider = widgets.IntSlider(
            lowest, lowest, highest, description="threshold", readout=False, layout=under_the_axis
        )
        self._field = widgets.FloatText(
            step=self.state.step, description="threshold", layout={"width": "170px"}, style=snug
        )
        self._price_fp, self._price_fn = (
            widgets.FloatText(step=1, description=words, style=snug, layout={"width": "110px"})
            for words in ("a =", "b =")
        )
        for control in (self._slider, self._field, self._price_fp, self._price_fn):
            control.observe(self._moved, names="value")
        self._judge, self._doctor = (
            widgets.Button(description=words, layout={"width": "auto"})
            for words in ("A wrong conviction is dear", "Let no one go")
        )
        self._judge.on_click(lambda _: self._set("costs", JUDGE))
        self._doctor.on_click(lambda _: self._set("costs", DOCTOR))
        self._message = widgets.HTML().add_class("learnkit-refusal")
        self._numbers = widgets.HTML()

    def _make_marks(self) -> None:
        state, share = self.state, rates(self.state.matrices)
        edges, heights = histogram(state.scores, state.labels, (state.lowest, state.highest))
        score = bqplot.LinearScale(min=state.lowest, max=state.highest)
        items = {"x": score, "y": bqplot.LinearScale(min=0, max=heights.max().item() * 1.05)}
        self._unit = {"x": bqplot.LinearScale(min=0, max=1), "y": bqplot.LinearScale(min=0, max=1)}
        self._money = {"x": score, "y": bqplot.LinearScale(min=0)}
        self._hills = bqplot.Lines(
            x=edges.numpy(),
            y=heights.numpy(),
            scales=items,
            interpolation="step-after",
            colors=[BLUE, ORANGE],
            fill="bottom",
            fill_opacities=[0.3, 0.3],
        )
        self._line = bqplot.Lines(x=[0, 0], y=[0, items["y"].max], scales=items, colors=[VERMILION])
        defined = share["precision"].isfinite()  # it is not where nothing is called positive
        self._precision = _line(share["recall"][defined], share["precision"][defined], self._unit)
        self._roc = _line(share["false positive rate"], share["recall"], self._unit)
        self._chance = bqplot.Lines(
            x=[0, 1], y=[0, 1], scales=self._unit, colors=[GREY], line_style="dashed", stroke_width=1
        )
        self._cost = _line(state.thresholds, state.cost(state.matrices), self._money)
        self._drawn_costs = state.costs
        self._on_precision, self._on_roc = _point(self._unit), _point(self._unit)
        self._on_cost = _point(self._money)

    def _arranged(self) -> widgets.VBox:
        prices = widgets.HTML("cost = FP · a + FN · b, with&nbsp;")
        money = widgets.HBox(
            [prices, self._price_fp, self._price_fn], layout={"flex_flow": "row wrap", "align_items": "center"}
        )
        top = widgets.HBox([self._judge, self._doctor, money], layout={"flex_flow": "row wrap"})
        kinds = zip((BLUE, ORANGE), self.names, strict=True)
        legend = widgets.HTML(
            "".join(f"<span><b style='color: {c}'>■</b> {html.escape(name)}</span> " for c, name in kinds)
        )
        hills = _figure([self._hills, self._line], "score", "items")
        tied = (
            widgets.VBox([self._slider, widgets.HBox([self._field, legend], layout={"align_items": "center"})])
            .add_class("learnkit-row")
            .add_class("learnkit-threshold")
        )
        panels = [
            self._numbers,
            _figure([self._precision, self._on_precision], "recall", "precision"),
            _figure([self._chance, self._roc, self._on_roc], "false positive rate", "recall"),
            _figure([self._cost, self._on_cost], "threshold", "cost"),
        ]
        pairs = [_side_by_side(panels[:2], 240), _side_by_side(panels[2:], 240)]  # so that one is never left alone
        grid = _side_by_side(pairs, 480)
        return widgets.VBox([top, self._message, hills, tied, grid])


def _side_by_side(parts: list[widgets.Widget], narrowest: int) -> widgets.GridBox:
    """In columns, as far as each can have a width of so many pixels; else one below the other."""
    columns = f"repeat(auto-fit, minmax(min({narrowest}px, 100%), 1fr))"
    return widgets.GridBox(parts, layout={"grid_template_columns": columns, "min_width": "0"})


def _figure(marks: list[bqplot.Mark], x: str, y: str) -> bqplot.Figure:
    scales = marks[0].scales
    axes = [
        bqplot.Axis(scale=scales["x"], label=x, grid_lines="none"),
        bqplot.Axis(scale=scales["y"], label=y, side="left", label_offset="42px"),
    ]
    for axis in axes:
        if axis.scale.max is not None:
            ticks = MaxNLocator(7, steps=[1, 2, 5, 10]).tick_values(axis.scale.min, axis.scale.max)
            axis.tick_values = ticks[(axis.scale.min <= ticks) & (ticks <= axis.scale.max)]
    return bqplot.Figure(
        marks=marks,
        axes=axes,
        display_toolbar=False,
        padding_y=0,
        fig_margin={"top": 10, "bottom": 40, "left": LEFT, "right": RIGHT},
        layout={"width": "auto", "height": "220px", "min_width": "0"},
    )


def _line(x: Tensor, y: Tensor, scales: dict[str, bqplot.Scale]) -> bqplot.Lines:
    across, up = thinned(x, y)
    return bqplot.Lines(x=across, y=up, scales=scales, colors=[BLUE])


def _point(scales: dict[str, bqplot.Scale]) -> bqplot.Scatter:
    return bqplot.Scatter(x=[], y=[], scales=scales, colors=[VERMILION], default_size=80)


def _move(mark: bqplot.Mark, x: list[float], y: list[float]) -> None:
    with mark.hold_sync():
        mark.x, mark.y = x, y


def _numbers(state: ThresholdState, share: dict[str, float], names: tuple[str, str]) -> str:
    """The four counts as a table, the four shares as bars, and the cost, in HTML."""
    (tn, fp), (fn, tp) = state.matrix.tolist()
    negative, positive = map(html.escape, names)
    counts = "".join(
        f"<tr><th scope='row'>is {name}</th>" + "".join(f"<td>{word} <b>{n:,}</b></td>" for word, n in cells) + "</tr>"
        for name, cells in ((negative, (("TN", tn), ("FP", fp))), (positive, (("FN", fn), ("TP", tp))))
    )
    never = metrics.accuracy(state.matrices[-1]).item()
    bars = ""
    for name in ("accuracy", "precision", "recall", "F1"):
        value = share[name]
        mark = f"<i style='left: {never:.2%}'></i>" if name == "accuracy" else ""
        shown = f"{value:.3f}" if value == value else "0 of 0"
        width = value if value == value else 0
        bars += f"<tr><th scope='row'>{name}</th><td><div><b style='width: {width:.2%}'></b>{mark}</div></td>"
        bars += f"<td>{shown}</td></tr>"
    cost, least = state.cost(state.matrix).item(), state.cost(state.matrices).min().item()
    a, b = state.costs
    return f"""<div class="learnkit-numbers">
        <table>
        <tr><td></td><th scope="col">called {negative}</th><th scope="col">called {positive}</th></tr>
        {counts}
        </table>
        <table>{bars}</table>
        <p><i></i> never “{positive}”: accuracy {never:.3f}</p>
        <p>cost {fp:,} · {a:g} + {fn:,} · {b:g} = <b>{cost:,.6g}</b>; the least is {least:,.6g}</p>
        </div>"""
