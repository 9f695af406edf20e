"""AttentionLab as a widget."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from learnkit import plots
from learnkit.labs.attention.state import AttentionState
from learnkit.labs.common.esm import css, esm
from learnkit.labs.common.lab import Lab
from learnkit.models import MultiHeadAttention

HERE = Path(__file__).parent


class AttentionLab(Lab):
    """A sentence to type, and the chain from scores to outputs as small matrices in which every number is explained.

    Point at a cell, or go to it by arrow keys: the row and the column that made it light up, with the sum written out.
    Sliders change temperature, scale and heads. All of this is computed in the browser; the kernel is asked for nothing
    but the queries, keys and values of another sentence.

    A sentence is cut at its spaces; Chinese and Japanese, which have none, into characters. Of a long one, the first 12
    words are shown. Words have no positions: one that comes twice gets the same numbers twice.

    ``sentence``, ``heads``, ``temperature``, ``scale`` and ``causal`` are traits: set them, and the lab follows.

    Parameters
    ----------
    sentence
        To begin with.
    attention
        The layer whose matrices make queries, keys and values; by default an untrained one, of 8 features and 2 heads.
    vectors
        For some words, the numbers that they go into the layer with. Every other word gets random ones, the same
        wherever it comes.
    heads
        Into how many heads queries, keys and values are cut; by default as many as the layer has.
    temperature
        Divides the scores too: above 1, attention is spread more evenly; below, it is more decided.
    scale
        What the scores are divided by: ``"none"`` (1), ``"head"`` (the root of a head's features) or ``"model"`` (the
        root of a word's numbers).
    causal
        Whether each word may look only at itself and those before it.

    Attributes
    ----------
    state
        The `AttentionState` that the lab shows, with its ``query``, ``key``, ``value``, ``scores``, ``scaled``,
        ``weights`` and ``output``.

    Raises
    ------
    ValueError
        For a setting that cannot be, vectors that do not fit the layer, or a layer that makes NaN or infinity of them.

    Examples
    --------
    ::

        AttentionLab("the dog bites the man")
    """

    _esm = esm(HERE / "view.js")
    _css = css(HERE / "view.css")

    state: AttentionState

    def __init__(
        self,
        sentence: str = "the dog bites the man",
        attention: MultiHeadAttention | None = None,
        vectors: Mapping[str, Sequence[float]] | None = None,
        *,
        heads: int | None = None,
        temperature: float = 1.0,
        scale: str = "head",
        causal: bool = False,
    ) -> None:
        layer = MultiHeadAttention(8, 2) if attention is None else attention
        given = {} if heads is None else {"heads": heads}
        super().__init__(
            AttentionState(sentence, layer, vectors, temperature=temperature, scale=scale, causal=causal, **given)
        )

    def figure(self) -> Figure:
        """The weights of all heads as a picture."""
        state = self.state
        if not state.tokens:
            figure = Figure(figsize=(4, 0.5))
            figure.text(0.02, 0.4, state.remark)
            return figure
        return plots.attention_heatmap(state.weights, state.tokens)
