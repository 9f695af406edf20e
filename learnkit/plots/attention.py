"""Who looks at whom."""

import reprlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib import rc_context, rcParams
from matplotlib.figure import Figure
from torch import Tensor

from learnkit.plots.heads import draw_heads
from learnkit.plots.style import styled
from learnkit.plots.words import fonts_for, readable, remark_on, without_tofu

TOLERANCE = 3e-3  # of the sum of a row: of bfloat16's numbers, each is off by up to 2e-3 of itself

Weights = Float[Tensor, "... query key"] | Float[np.ndarray, "... query key"]


@styled
def attention_heatmap(
    weights: Weights | Sequence[Weights],
    tokens: Sequence[str] | None = None,
    key_tokens: Sequence[str] | None = None,
    *,
    sequence: int | None = None,
) -> Figure:
    """Attention weights as squares of colour: each row is a query, and how it divides its attention among the keys.

    All heads share one scale of colours. If rows do not sum to 1, as weights out of a softmax do, the figure says so at
    its foot. (A row of zeros belongs to a query that may look nowhere.) Where heads and words are so many that there is
    a pixel for each weight and no more, the figure grows; beyond that, it says what it left out.

    Parameters
    ----------
    weights
        Torch or NumPy, by the number of axes:

        - ``(query, key)``: one head;
        - ``(head, query, key)``: several, side by side;
        - ``(layer, head, query, key)``: a row of heads for each layer; but if ``sequence`` is given,
          ``(sequence, head, query, key)``: a batch;
        - ``(layer, sequence, head, query, key)``: a row of heads for each layer, of one of a batch.

        A list or a tuple counts as one more axis, in front. So a list of layers is drawn, and what models of Hugging
        Face's transformers return as ``attentions``, as it is.
    tokens
        The words that ask, one for each row; by default numbers from 0.
    key_tokens
        The words that are looked at, one for each column; by default ``tokens``.
    sequence
        Which of a batch to draw, counted from 0. It may be left out where a layer has a batch of one.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the weights have another shape, are NaN or infinite somewhere, or there are not as many tokens as rows or
        columns.
    """
    layers = _layers(weights, sequence)
    *_, queries, keys = layers.shape
    words, key_words = _words(tokens, key_tokens, queries, keys)
    families, undrawable = fonts_for([*words, *key_words])
    remarks = _remarks_on_sums(layers)
    if undrawable:
        remarks.append(remark_on(undrawable))
        words, key_words = without_tofu(words, undrawable), without_tofu(key_words, undrawable)
    with rc_context({"font.family": [*rcParams["font.family"], *families], "font.size": 9}):
        return draw_heads(layers, words, key_words, remarks)


AXES = (
    "(query, key), (head, query, key), (layer, head, query, key), or, with sequence=0 to choose of a batch, "
    "(sequence, head, query, key) or (layer, sequence, head, query, key); a list or a tuple counts as the first axis"
)


def _layers(weights: Weights | Sequence[Weights], sequence: int | None) -> Float[np.ndarray, "layer head query key"]:
    if isinstance(weights, list | tuple):
        parts = [_as_numpy(part) for part in weights]
        shapes = {part.shape for part in parts}
        if len(shapes) > 1:
            raise ValueError(f"The weights in the list have different shapes: {', '.join(map(str, sorted(shapes)))}.")
        array = np.stack(parts) if parts else np.empty((0, 0, 0))
    else:
        array = _as_numpy(weights)
    shape = array.shape
    if not 2 <= array.ndim <= 5:
        raise ValueError(f"The weights have the shape {shape}; expected {AXES}.")
    if 0 in shape:
        raise ValueError(f"The weights have the shape {shape}: there is nothing to draw.")
    if array.ndim == 5 or (array.ndim == 4 and sequence is not None):
        batch = shape[-4]
        if sequence is None and batch > 1:
            raise ValueError(f"The weights, {shape}, are of a batch of {batch}; say which to draw: sequence=0.")
        if sequence is not None and not 0 <= sequence < batch:
            raise ValueError(f"sequence is {sequence}; this batch has {batch}: 0 to {batch - 1}.")
        array = array[..., sequence or 0, :, :, :]
    elif sequence is not None:
        raise ValueError(
            f"sequence={sequence} chooses one of a batch, and the shape {shape} has none. Expected {AXES}."
        )
    finite = np.isfinite(array)
    if not finite.all():
        place = tuple(np.argwhere(~finite)[0].tolist())
        raise ValueError(
            f"{(~finite).sum()} of the {array.size} weights are NaN or infinite, the first at {place}. Softmax makes "
            "NaN of a row in which a mask leaves nothing to look at, and of NaN in the input."
        )
    return array.reshape(-1 if array.ndim == 4 else 1, *(1, *array.shape)[-3:])


def _as_numpy(weights: Weights) -> np.ndarray:
    if weights is None:
        raise ValueError(
            "The weights are None, or there are None among them. Ask the network for them: need_weights=True here, "
            "output_attentions=True of Hugging Face's."
        )
    if isinstance(weights, Tensor):
        return weights.detach().cpu().float().numpy()
    return np.asarray(weights, dtype=np.float32)


def _words(
    tokens: Sequence[str] | None, key_tokens: Sequence[str] | None, queries: int, keys: int
) -> tuple[list[str], list[str]]:
    if key_tokens is None:
        key_tokens = [str(number) for number in range(keys)] if tokens is None else tokens
    words = [str(number) for number in range(queries)] if tokens is None else tokens
    for what, given, axis, expected in (
        ("tokens", words, "rows (queries)", queries),
        ("key_tokens", key_tokens, "columns (keys)", keys),
    ):
        if len(given) != expected:
            advice = " Name them with key_tokens." if what == "key_tokens" and given is tokens else ""
            if isinstance(given, str):
                advice = " A string counts letter by letter; into words it is cut by .split()."
            raise ValueError(
                f"{len(given)} {what} were given for {expected} {axis}: {reprlib.repr(list(given))}.{advice}"
            )
        for token in given:
            if not isinstance(token, str):
                raise ValueError(f"{what} are words, and {token!r} is not: [str(token) for token in ...].")
    return [readable(word) for word in words], [readable(word) for word in key_tokens]


def _remarks_on_sums(layers: Float[np.ndarray, "layer head query key"]) -> list[str]:
    sums = layers.sum(-1)
    sums = sums[np.abs(layers).max(-1) > 0]
    if np.all(np.abs(sums - 1) <= TOLERANCE):
        return []
    remark = f"The rows do not sum to 1 but to {sums.min():.2f} … {sums.max():.2f}: these are not softmax's weights."
    if np.all(np.abs(layers.sum(-2) - 1) <= TOLERANCE):
        remark += " The columns do sum to 1: were they transposed after it?"
    return [remark]
