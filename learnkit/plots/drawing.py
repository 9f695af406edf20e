"""A digit that somebody drew, what nets say to it, and others that were drawn before."""

import math
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from learnkit.plots.style import BLUE, VERMILION, styled

COLUMNS = 8


@styled
def drawn_digits(
    image: Float[Tensor, "height width"],
    answers: Mapping[str, Float[Tensor, " classes"]],
    kept: Float[Tensor, "kept height width"] | None = None,
    captions: Sequence[str] = (),
) -> Figure:
    """An image, the probabilities that nets give to each class, and below it other images with words over them.

    Parameters
    ----------
    image
        Pixels from 0 (paper) to 1 (ink).
    answers
        By the name of the net, a probability for each class.
    kept
        Other images.
    captions
        One for each of these.

    Returns
    -------
    matplotlib.figure.Figure
    """
    count = 0 if kept is None else len(kept)
    if len(captions) != count:
        raise ValueError(f"{len(captions)} captions were given for {count} images; expected one for each.")
    rows = math.ceil(count / COLUMNS)
    lines = max((caption.count("\n") + 1 for caption in captions), default=0)
    heights = [2.2, *([0.95 + 0.14 * lines] * rows)]
    figure = Figure(figsize=(7.5, sum(heights)))
    above, *below = [figure] if rows == 0 else figure.subfigures(2, 1, height_ratios=[heights[0], sum(heights[1:])])
    first, *others = above.subplots(1, 1 + len(answers), squeeze=False, width_ratios=[1, *[1.6] * len(answers)])[0]
    _draw_image(first, image, "what the nets get" if image.any() else "Nothing is drawn yet.")
    for axes, (name, answer) in zip(others, answers.items(), strict=True):
        colours = [VERMILION if value == answer.max() else BLUE for value in answer]
        axes.bar(range(len(answer)), answer.tolist(), color=colours)
        axes.set(ylim=(0, 1), xticks=range(len(answer)))
        axes.set_title(name, parse_math=False)
        axes.xaxis.grid(False)
    for number, axes in enumerate(below[0].subplots(rows, COLUMNS, squeeze=False).flat if rows else ()):
        axes.set_axis_off()
        if number < count:
            _draw_image(axes, kept[number], captions[number])
    return figure


def _draw_image(axes: Axes, image: Float[Tensor, "height width"], caption: str) -> None:
    axes.imshow(image.detach().cpu().numpy(), cmap="gray_r", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    axes.set_title(caption, fontsize=8, loc="center", pad=3, parse_math=False)
