"""The style of all plots: black on white, even in a dark JupyterLab, in colours that the colour-blind can tell apart.

The colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/).
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import matplotlib.style
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, VERMILION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#737373"
# Where two curves coincide, the dashed one leaves the other visible.
# "seen": held-out images that the model was trained on all the same.
SPLIT_COLOURS = {"train": BLUE, "validation": GREEN, "seen": GREEN, "test": VERMILION}
SPLIT_DASHES = {"train": "", "validation": (3, 3), "seen": (3, 3), "test": (3, 3)}
SPLIT_MARKERS = {"train": "o", "validation": "s", "seen": "s", "test": "D"}

_STYLE = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "grid.color": "#E6E6E6",
    "legend.frameon": False,
}

Arguments = ParamSpec("Arguments")


def styled(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Make a function draw in this style, whatever style the caller has set, and leave the caller's style unchanged."""

    @wraps(draw)
    def draw_in_style(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with matplotlib.style.context(["default", _STYLE]):
            return draw(*args, **kwargs)

    return draw_in_style
