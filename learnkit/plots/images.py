"""Images in rows, each with a word under it."""

import math
from collections.abc import Sequence

from jaxtyping import Float, Int64
from matplotlib.figure import Figure
from torch import Tensor

from learnkit.plots.style import styled


@styled
def image_grid(
    images: Float[Tensor, "images height width"], captions: Sequence[str] | None = None, columns: int = 10
) -> Figure:
    """Grey images side by side, ink dark on light paper, with a caption over each.

    Parameters
    ----------
    images
        Pixels from 0 (paper) to 1 (ink).
    captions
        One for each image.
    columns
        Images in a row.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if len(images) == 0:
        raise ValueError("There are no images to draw.")
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"{len(captions)} captions were given for {len(images)} images; expected one for each.")
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    lines = 0 if captions is None else 1 + max(caption.count("\n") for caption in captions)
    width = min(7.5 / columns, 2)
    figure = Figure(figsize=(width * columns, (width + 0.17 * lines) * rows))
    for position, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set_axis_off()
        if position < len(images):
            axes.imshow(images[position].detach().cpu().numpy(), cmap="gray_r", vmin=0, vmax=1)
            if captions is not None:
                axes.set_title(captions[position], fontsize=9, loc="center", pad=2, parse_math=False)
    return figure


def worst_mistakes(
    images: Float[Tensor, "images height width"],
    labels: Int64[Tensor, " images"],
    logits: Float[Tensor, "images classes"],
    classes: Sequence[str] | None = None,
    count: int = 20,
) -> Figure:
    """The images that a net is wrong about, those first about which it is surest.

    Over each stands what it is, what the net says, and the probability that the net gives to what it says.

    Parameters
    ----------
    images, labels
        What was looked at, and what it is.
    logits
        What the net said.
    classes
        What the classes are called; by default their numbers.
    count
        How many to show at most.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is nothing to show, since the net is right about everything.
    """
    if not len(images) == len(labels) == len(logits):
        raise ValueError(
            f"There are {len(images)} images, {len(labels)} labels and logits for {len(logits)}; expected one each."
        )
    probability, predicted = logits.softmax(1).max(1)
    wrong = (predicted != labels).nonzero().flatten()
    if len(wrong) == 0:
        raise ValueError(f"The net is right about all {len(labels)} images: there is no mistake to show.")
    worst = wrong[probability[wrong].argsort(descending=True)[:count]]
    names = [str(number) for number in range(logits.shape[1])] if classes is None else classes
    captions = [f"is {names[labels[i]]}\nsays {names[predicted[i]]}\n({probability[i]:.2f})" for i in worst.tolist()]
    return image_grid(images[worst], captions)
