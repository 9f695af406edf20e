"""Images in rows, each with a caption."""

import math
from collections.abc import Sequence

from jaxtyping import Float, Int64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from learnkit.plots.style import PANELS, blank_figure

MISTAKE = "is {label}\nsays {prediction}\n({probability:.2f})"


def image_grid(
    images: Float[Tensor, "images height width"], captions: Sequence[str] | None = None, columns: int = 10
) -> Figure:
    """Grey images side by side, dark ink on light paper, with a caption above each.

    Parameters
    ----------
    images
        Pixels from 0 (paper) to 1 (ink).
    captions
        One for each image.
    columns
        The number of images in a row.

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
    figure = blank_figure(width * columns, (width + 0.17 * lines) * rows)
    images = images.detach().cpu()
    for position, axes in enumerate(figure.subplots(rows, columns, squeeze=False, **PANELS).flat):
        axes.set_axis_off()
        if position < len(images):
            draw_image(axes, images[position], captions[position] if captions is not None else "")
    return figure


def draw_image(axes: Axes, image: Float[Tensor, "height width"], caption: str) -> None:
    """Draw one image, which is on the CPU, on existing axes."""
    axes.imshow(image.numpy(), cmap="gray_r", vmin=0, vmax=1)
    axes.set_title(caption, fontsize=9, loc="center", pad=2, parse_math=False)


def worst_mistakes(
    images: Float[Tensor, "images height width"],
    labels: Int64[Tensor, " images"],
    logits: Float[Tensor, "images classes"],
    classes: Sequence[str] | None = None,
    count: int = 20,
) -> Figure:
    """The images that a net gets wrong, beginning with those where it is most confident.

    The caption of each has its label, the prediction of the net, and the probability of that prediction.

    Parameters
    ----------
    images, labels
        The images and their labels.
    logits
        The output of the net for these images.
    classes
        The names of the classes; by default their numbers.
    count
        How many images to show at most.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no mistake to show.
    """
    if not len(images) == len(labels) == len(logits):
        raise ValueError(
            f"There are {len(images)} images, {len(labels)} labels and logits for {len(logits)}; expected one of each."
        )
    labels, (probability, predicted) = labels.cpu(), logits.detach().cpu().softmax(1).max(1)
    wrong = (predicted != labels).nonzero().flatten()
    if len(wrong) == 0:
        raise ValueError(f"The net gets all {len(labels)} images right, so there is no mistake to show.")
    worst = wrong[probability[wrong].argsort(descending=True)[:count]]
    names = [str(number) for number in range(logits.shape[1])] if classes is None else classes
    captions = [
        MISTAKE.format(label=names[int(labels[i])], prediction=names[int(predicted[i])], probability=probability[i])
        for i in worst.tolist()
    ]
    return image_grid(images[worst.to(images.device)], captions)
