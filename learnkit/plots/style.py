"""The style of all plots: black on white, even in a dark JupyterLab, in colours that the colour-blind can tell apart.

The colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/).
"""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text

BLUE, ORANGE, GREEN, VERMILION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#737373"
# Where two curves coincide, the dashed one leaves the other visible.
# "seen": held-out images that the model was trained on all the same.
SPLIT_COLOURS = {"train": BLUE, "validation": GREEN, "seen": GREEN, "test": VERMILION}
SPLIT_DASHES = {"train": "", "validation": (3, 3), "seen": (3, 3), "test": (3, 3)}
SPLIT_MARKERS = {"train": "o", "validation": "s", "seen": "s", "test": "D"}

GRID, BLACK = "#E6E6E6", "black"


def blank_figure(width: int | float, height: int | float, layout: Any = "constrained", **options: Any) -> Figure:
    """A white figure, so many inches wide and high."""
    return Figure(figsize=(width, height), layout=layout, facecolor="white", edgecolor="white", **options)


def in_style(axes: Any) -> None:
    """Give axes of any kind this style. The caller's, matplotlib's rcParams, neither shows in them nor is touched."""
    axes.set_facecolor("white")
    axes.set_axisbelow(True)
    axes.grid(True, color=GRID)
    axes.spines[:].set_edgecolor(BLACK)
    axes.tick_params(which="both", color=BLACK, labelcolor=BLACK)
    for text in (axes.title, axes._left_title, axes._right_title, axes.xaxis.label, axes.yaxis.label):
        text.set_color(BLACK)


class Panel(Axes):
    """Axes in this style, with what is put on them in it, too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_style(self)
        self.spines[["top", "right"]].set_visible(False)

    def set_title(self, label: str, *args: Any, **kwargs: Any) -> Text:
        return super().set_title(label, *args, **{"loc": "left", "fontsize": "medium", **kwargs})

    def text(self, *args: Any, **kwargs: Any) -> Text:
        return super().text(*args, **{"color": BLACK, **kwargs})

    def legend(self, *args: Any, **kwargs: Any) -> Legend:
        return super().legend(*args, **{"frameon": False, "labelcolor": BLACK, **kwargs})


PANELS: dict[str, Any] = {"subplot_kw": {"axes_class": Panel}}  # for Figure.subplots and its like
