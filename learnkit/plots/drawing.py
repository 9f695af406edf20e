"""A digit that somebody drew, what nets say to it, and others that were drawn before."""

import math
from collections.abc import Mapping, Sequence
from string import ascii_uppercase

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
    labels: Sequence[int] = (),
    said: Sequence[Sequence[int | None]] = (),
) -> Figure:
    """An image, the probabilities that nets give to each class, and below it images from before with what was said.

    Parameters
    ----------
    image
        Pixels from 0 (paper) to 1 (ink).
    answers
        By the name of the net, a probability for each class.
    kept, labels, said
        Images from before; of each what it is, and what every net says.

    Returns
    -------
    matplotlib.figure.Figure
    """
    count = 0 if kept is None else len(kept)
    if not len(labels) == len(said) == count:
        raise ValueError(
            f"There are {count} images from before, {len(labels)} labels and {len(said)} answers; expected one each."
        )
    nets = max(len(answers), len(said[0]) if said else 0)
    rows = math.ceil(count / COLUMNS)
    heights = [2.2, (1.1 + 0.16 * nets) * rows]
    figure = Figure(figsize=(7.5, sum(heights)))
    above, below = figure.subfigures(2, 1, height_ratios=heights) if rows else (figure, None)
    first, *others = above.subplots(1, 1 + len(answers), squeeze=False, width_ratios=[1, *[1.6] * len(answers)])[0]
    _draw_image(first, image, "what the nets get" if image.any() else "Nothing is drawn yet.")
    for axes, letter, (name, answer) in zip(others, ascii_uppercase, answers.items(), strict=False):
        axes.bar(range(len(answer)), answer.tolist(), color=[VERMILION if p == answer.max() else BLUE for p in answer])
        axes.set(ylim=(0, 1), xticks=range(len(answer)))
        axes.set_title(f"{letter}: {name}", parse_math=False)
        axes.xaxis.grid(False)
    for number, axes in enumerate(below.subplots(rows, COLUMNS, squeeze=False).flat if below else ()):
        axes.set_axis_off()
        if number < count:
            answered = (f"{letter}: {digit}" for letter, digit in zip(ascii_uppercase, said[number], strict=False))
            _draw_image(axes, kept[number], "\n".join([f"is {labels[number]}", *answered]))
    return figure


def _draw_image(axes: Axes, image: Float[Tensor, "height width"], caption: str) -> None:
    axes.imshow(image.detach().cpu().numpy(), cmap="gray_r", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    axes.set_title(caption, fontsize=9, loc="center", pad=3)
