"""What curves.js draws, made small: few points for many values, so that a frame stays small."""

from typing import Any

import numpy as np
from jaxtyping import Float

POINTS = 128  # of a curve, at most
WINDOW = 20  # values of the mean, at least

Values = Float[np.ndarray, " values"]


def in_blocks(values: Values, most: int = POINTS) -> tuple[Float[np.ndarray, "3 blocks"], int]:
    """A curve in at most so many blocks: the mean, the lowest and the highest value of each.

    The mean is of the last `WINDOW` values at the end of a block that is shorter.

    Parameters
    ----------
    values
        At 1, 2, 3 …
    most
        Blocks.

    Returns
    -------
    tuple
        Means, lowest and highest values; and the length of a block, a power of two: while a curve grows, its blocks
        stay where they are.
    """
    block = 1
    while len(values) > most * block:
        block *= 2
    starts = np.arange(0, len(values), block)
    if len(values) == 0:
        return np.empty((3, 0)), block
    ends = np.minimum(starts + block, len(values))
    if block >= WINDOW:
        mean = np.add.reduceat(values, starts) / (ends - starts)
    else:
        sums = np.concatenate([[0.0], np.cumsum(values)])
        since = np.maximum(ends - WINDOW, 0)
        mean = (sums[ends] - sums[since]) / (ends - since)
    return np.stack([mean, np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)]), block


def thinned(values: Values, most: int = 2 * POINTS) -> dict[str, list[Any]]:
    """A curve of at most so many values, each as far from the next, the last among them; where they are, and what."""
    every = max(1, -(-len(values) // most))
    places = np.arange(len(values), 0, -every)[::-1]
    return {"x": places.tolist(), "y": [rounded(value) for value in values[places - 1].tolist()]}


def rounded(value: float) -> float:
    """With as many digits as can be seen."""
    return float(f"{value:.4g}")
