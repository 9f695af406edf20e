"""A drawn digit, what nets predict for it, and earlier drawings."""

import math
from collections.abc import Mapping, Sequence
from string import ascii_uppercase

from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from learnkit.plots.images import draw_image
from learnkit.plots.style import BLUE, PANELS, VERMILION, blank_figure

COLUMNS = 8
INPUT = "what the nets get"
BLANK = "Nothing is drawn yet."


def drawn_digits(
    image: Float[Tensor, "height width"],
    probabilities: Mapping[str, Float[Tensor, " classes"]],
    earlier: Float[Tensor, "earlier height width"] | None = None,
    labels: Sequence[int] = (),
    predictions: Sequence[Sequence[int | None]] = (),
) -> Figure:
    """An image with the probabilities that nets give to each class, and below them earlier images with predictions.

    Parameters
    ----------
    image
        Pixels from 0 (paper) to 1 (ink).
    probabilities
        By the name of the net, a probability for each class.
    earlier, labels, predictions
        Earlier images and, for each of them, what it is and what every net predicts.

    Returns
    -------
    matplotlib.figure.Figure
    """
    image, earlier = image.detach().cpu(), None if earlier is None else earlier.detach().cpu()
    count = 0 if earlier is None else len(earlier)
    if not len(labels) == len(predictions) == count:
        raise ValueError(
            f"There are {count} earlier images, {len(labels)} labels and {len(predictions)} predictions; expected as "
            "many of each."
        )
    nets = max(len(probabilities), len(predictions[0]) if predictions else 0)
    rows = math.ceil(count / COLUMNS)
    heights = [2.2, (1.1 + 0.16 * nets) * rows]
    figure = blank_figure(7.5, sum(heights))
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights).flat if rows else (figure, None)
    widths = [1, *[1.6] * len(probabilities)]
    first, *others = above.subplots(1, len(widths), squeeze=False, width_ratios=widths, **PANELS)[0]
    draw_image(first, image, INPUT if image.any() else BLANK)
    first.set(xticks=[], yticks=[])
    first.spines[:].set_visible(True)
    for axes, letter, (name, values) in zip(others, ascii_uppercase, probabilities.items(), strict=False):
        shares = values.tolist()
        axes.bar(range(len(shares)), shares, color=[VERMILION if share == max(shares) else BLUE for share in shares])
        axes.set(ylim=(0, 1), xticks=range(len(values)))
        axes.set_title(f"{letter}: {name}", parse_math=False)
        axes.xaxis.grid(False)
    for number, axes in enumerate(below.subplots(rows, COLUMNS, squeeze=False, **PANELS).flat if below else ()):
        axes.set_axis_off()
        if earlier is not None and number < count:
            answers = (
                f"{letter}: {digit}" for letter, digit in zip(ascii_uppercase, predictions[number], strict=False)
            )
            draw_image(axes, earlier[number], "\n".join([f"is {labels[number]}", *answers]))
    return figure
