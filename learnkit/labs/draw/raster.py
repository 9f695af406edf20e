"""From strokes on a canvas to an image such as MNIST's."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import interpolate

CANVAS = 280  # side of the canvas, in pixels
PEN = 22  # width of a stroke on it
SIDE, BOX = 28, 20  # of an image, and of the square in it that the digit fills

Point = Sequence[int | float]  # x from the left, y from the top, in pixels of the canvas
Strokes = Sequence[Sequence[Point]]


def inked(strokes: Strokes) -> Float32[Tensor, "280 280"]:
    """The canvas after some strokes with a round pen: 0 is paper, 1 is ink. What lies beyond its edge is lost."""
    canvas = Image.new("L", (CANVAS, CANVAS))
    pen, radius = ImageDraw.Draw(canvas), PEN / 2
    for stroke in strokes:
        points = [(float(x), float(y)) for x, y in stroke]
        pen.line(points, fill=255, width=PEN)
        for x, y in points:  # round ends, and no gaps where a stroke turns
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    # By numpy: torch would share so many pixels among threads, and may have to wait for them while a net is trained.
    return torch.from_numpy(np.asarray(canvas, dtype=np.float32) / 255)


def as_mnist(canvas: Float[Tensor, "height width"]) -> Float[Tensor, "28 28"]:
    """Scale and centre a drawing as the digits of MNIST were.

    What has ink is cut out and scaled, its proportions kept, until it just fits into a square of 20 × 20 pixels; edges
    become grey on the way. Then it is laid into 28 × 28 pixels so that its centre of mass is at pixel (14, 14).

    Parameters
    ----------
    canvas
        Of any size; 0 is paper, 1 is ink.

    Returns
    -------
    Tensor
        All zeros if there is no ink.

    References
    ----------
    The steps are those on the page of the MNIST database, http://yann.lecun.com/exdb/mnist/.
    """
    image = canvas.new_zeros(SIDE, SIDE)
    rows, columns = (np.flatnonzero(canvas.numpy().max(axis)) for axis in (1, 0))
    if len(rows) == 0:
        return image
    digit = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(digit.shape)
    size = [max(1, round(length * scale)) for length in digit.shape]
    digit = interpolate(digit[None, None], size, mode="area")[0, 0]
    top, left = (_start(digit.sum(dim), length) for dim, length in ((1, size[0]), (0, size[1])))
    image[top : top + size[0], left : left + size[1]] = digit
    return image


def _start(ink: Float[Tensor, " length"], length: int) -> int:
    """Where to begin along one axis so that the ink's centre of mass comes to pixel 14, and all of it stays within."""
    centre = (ink * torch.arange(length, device=ink.device)).sum() / ink.sum()
    return min(max(round(SIDE / 2 - centre.item()), 0), SIDE - length)
