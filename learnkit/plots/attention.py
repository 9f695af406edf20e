"""Attention weights: which query looks at which key."""

import reprlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from learnkit.plots.heads import draw_heads
from learnkit.plots.words import fonts_for, missing_font_remark, readable, without_tofu

TOLERANCE = 3e-3  # for the sum of a row: a bfloat16 number has a relative error of up to 2e-3

AXES = (
    "(query, key), (head, query, key), (layer, head, query, key), or, with sequence=0 to choose from a batch, "
    "(sequence, head, query, key) or (layer, sequence, head, query, key); a list or a tuple counts as the first axis"
)
ROW_SUMS = "The rows do not sum to 1 but to {lowest:.2f} … {highest:.2f}: these are not the weights of a softmax."
COLUMN_SUMS = " The columns do sum to 1: were the weights transposed after the softmax?"

Weights = Float[Tensor, "... query key"] | Float[np.ndarray, "... query key"]


def attention_heatmap(
    weights: Weights | Sequence[Weights],
    tokens: Sequence[str] | None = None,
    key_tokens: Sequence[str] | None = None,
    *,
    sequence: int | None = None,
) -> Figure:
    """Attention weights as coloured squares: each row shows how a query divides its attention among the keys.

    All heads share one colour scale. If the rows do not sum to 1, as those of a softmax do, a remark below the heads
    says so. (A row of zeros belongs to a query that may not look at any key.) The figure grows with the number of heads
    and tokens until each weight has only one pixel; beyond that, it says what it leaves out.

    Parameters
    ----------
    weights
        A torch tensor or NumPy array, read by the number of its axes:

        - ``(query, key)``: one head;
        - ``(head, query, key)``: several heads side by side;
        - ``(layer, head, query, key)``: a row of heads for each layer; or, if ``sequence`` is given,
          ``(sequence, head, query, key)``: one sequence of a batch;
        - ``(layer, sequence, head, query, key)``: a row of heads for each layer, for one sequence of a batch.

        A list or a tuple counts as one more axis, in front. So a list of layers can be drawn, and so can the
        ``attentions`` that models of Hugging Face's transformers return.
    tokens
        The words of the queries, one for each row; by default numbers from 0.
    key_tokens
        The words of the keys, one for each column; by default ``tokens``.
    sequence
        Which sequence of a batch to draw, counted from 0. It may be left out for a batch of one.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the weights have another shape, if some are NaN or infinite, or if there are not as many tokens as rows or
        columns.
    """
    layers = _layers(weights, sequence)
    *_, queries, keys = layers.shape
    words, key_words = _readable_tokens(tokens, key_tokens, queries, keys)
    families, undrawable = fonts_for([*words, *key_words])
    remarks = _remarks_on_sums(layers)
    if undrawable:
        remarks.append(missing_font_remark(undrawable))
        words, key_words = without_tofu(words, undrawable), without_tofu(key_words, undrawable)
    return draw_heads(layers, words, key_words, remarks, families)


def _layers(weights: Weights | Sequence[Weights], sequence: int | None) -> Float[np.ndarray, "layer head query key"]:
    if isinstance(weights, list | tuple):
        parts = [_as_numpy(part) for part in weights]
        shapes = {part.shape for part in parts}
        if len(shapes) > 1:
            raise ValueError(f"The weights in the list have different shapes: {', '.join(map(str, sorted(shapes)))}.")
        array = np.stack(parts) if parts else np.empty((0, 0, 0))
    else:
        array = _as_numpy(weights)
    shape: tuple[int, ...] = array.shape
    if not 2 <= array.ndim <= 5:
        raise ValueError(f"The weights have the shape {shape}; expected {AXES}.")
    if 0 in shape:
        raise ValueError(f"The weights have the shape {shape}: there is nothing to draw.")
    if array.ndim == 5 or (array.ndim == 4 and sequence is not None):
        batch = shape[-4]
        if sequence is None and batch > 1:
            raise ValueError(
                f"The weights, {shape}, are for a batch of {batch}; say which to draw, such as sequence=0."
            )
        if sequence is not None and not 0 <= sequence < batch:
            raise ValueError(f"sequence is {sequence}; expected 0 to {batch - 1}, since the batch has {batch}.")
        array = array[..., sequence or 0, :, :, :]
    elif sequence is not None:
        raise ValueError(f"sequence={sequence} chooses from a batch, and the shape {shape} has none; expected {AXES}.")
    finite = np.isfinite(array)
    if not finite.all():
        place = tuple(np.argwhere(~finite)[0].tolist())
        raise ValueError(
            f"{(~finite).sum()} of the {array.size} weights are NaN or infinite, the first at {place}. Softmax returns "
            "NaN for a query whose mask leaves no key, and for NaN in its input."
        )
    return array.reshape(-1 if array.ndim == 4 else 1, *(1, *array.shape)[-3:])


def _as_numpy(weights: Weights | Sequence[Weights]) -> np.ndarray:
    if weights is None:
        raise ValueError(
            "The weights are None, or some of them are. Ask the network for them: need_weights=True in learnkit, "
            "output_attentions=True in Hugging Face's transformers."
        )
    if isinstance(weights, Tensor):
        return weights.detach().cpu().float().numpy()
    return np.asarray(weights, dtype=np.float32)


def _readable_tokens(
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
            remedy = " Name the columns with key_tokens." if what == "key_tokens" and given is tokens else ""
            if isinstance(given, str):
                remedy = " A string counts as its letters; .split() divides it into words."
            raise ValueError(
                f"{len(given)} {what} were given for {expected} {axis}: {reprlib.repr(list(given))}.{remedy}"
            )
        for token in given:
            if not isinstance(token, str):
                raise ValueError(f"{what} must be strings, and {token!r} is not; use [str(token) for token in ...].")
    return [readable(word) for word in words], [readable(word) for word in key_tokens]


def _remarks_on_sums(layers: Float[np.ndarray, "layer head query key"]) -> list[str]:
    sums = layers.sum(-1)
    sums = sums[np.abs(layers).max(-1) > 0]
    if np.all(np.abs(sums - 1) <= TOLERANCE):
        return []
    remark = ROW_SUMS.format(lowest=sums.min(), highest=sums.max())
    return [remark + COLUMN_SUMS if np.all(np.abs(layers.sum(-2) - 1) <= TOLERANCE) else remark]
