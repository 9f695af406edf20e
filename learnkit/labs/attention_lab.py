"""A sentence, and how each of its words gathers from the others, number by number. Day 5."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from learnkit import plots
from learnkit.labs.attention_chain import AttentionState
from learnkit.labs.lab import Lab
from learnkit.labs.showing import Shown
from learnkit.models import MultiHeadAttention
from learnkit.plots.words import readable

HERE = Path(__file__).parent
SETTINGS = ("sentence", "heads", "temperature", "scale", "causal")


class AttentionView(anywidget.AnyWidget):
    """What the browser (attention_lab.js) and the kernel tell each other."""

    _esm = HERE / "attention_lab.js"

    # What the browser sets, or the next cell.
    sentence = traitlets.Unicode().tag(sync=True)
    heads = traitlets.Int().tag(sync=True)
    head = traitlets.Int().tag(sync=True)  # which one is shown
    temperature = traitlets.Float().tag(sync=True)
    scale = traitlets.Unicode().tag(sync=True)
    causal = traitlets.Bool().tag(sync=True)
    # What the kernel answers: the words, their queries, keys and values for all heads; all else the browser computes.
    words = traitlets.Dict().tag(sync=True)
    remark = traitlets.Unicode().tag(sync=True)


class AttentionLab(Lab):
    """A sentence to type, and the chain from scores to outputs as small matrices in which every number is explained.

    Point at a cell, or go to it by arrow keys: the row and the column that made it light up, with the sum written out.
    Sliders change temperature, scale and heads. All of this is computed in the browser; the kernel is asked for nothing
    but the queries, keys and values of another sentence.

    A sentence is cut at its spaces; Chinese and Japanese, which have none, into characters. Of a long one, the first 12
    words are shown. Words have no positions: one that comes twice gets the same numbers twice.

    Parameters
    ----------
    sentence
        To begin with.
    attention
        The layer whose matrices make queries, keys and values; by default an untrained one, of 8 features and 2 heads.
    vectors
        For some words, the numbers that they go into the layer with. Every other word gets random ones, the same
        wherever it comes.
    heads, temperature, scale, causal
        What the controls show at first; see `learnkit.labs.attention_chain.AttentionState`.

    Attributes
    ----------
    state
        The `AttentionState` that the lab shows.

    Raises
    ------
    ValueError
        For a setting that cannot be, vectors that do not fit the layer, or a layer that makes NaN or infinity of them.

    Examples
    --------
    ::

        AttentionLab("the dog bites the man")
    """

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
        self.state = AttentionState(
            sentence, layer, vectors, heads=heads, temperature=temperature, scale=scale, causal=causal
        )
        super().__init__()
        self._view = AttentionView()
        self._page = self._make_page()
        self._show()
        self._view.observe(lambda change: self._told(change.name, change.new), SETTINGS)

    # ------------------------------------------------------------ what the next cell can use

    @property
    def sentence(self) -> str:
        """What is attended to. Set it, and the lab follows."""
        return self.state.sentence

    @sentence.setter
    def sentence(self, sentence: str) -> None:
        self._set("sentence", sentence)

    @property
    def heads(self) -> int:
        """How many heads share the features. Set it, and the lab follows."""
        return self.state.heads

    @heads.setter
    def heads(self, heads: int) -> None:
        self._set("heads", heads)

    @property
    def temperature(self) -> float:
        """Divides the scores, too. Set it, and the lab follows."""
        return self.state.temperature

    @temperature.setter
    def temperature(self, temperature: float) -> None:
        self._set("temperature", temperature)

    @property
    def scale(self) -> str:
        """``"none"``, ``"head"`` or ``"model"``: the scores are divided by 1, √d_head or √d_model. Set it, and the lab
        follows."""
        return self.state.scale

    @scale.setter
    def scale(self, scale: str) -> None:
        self._set("scale", scale)

    @property
    def causal(self) -> bool:
        """Whether no word looks ahead. Set it, and the lab follows."""
        return self.state.causal

    @causal.setter
    def causal(self, causal: bool) -> None:
        self._set("causal", causal)

    @property
    def tokens(self) -> list[str]:
        """The words that are shown."""
        return self.state.tokens

    @property
    def query(self) -> Float[Tensor, "head word feature"]:
        """What each word asks for."""
        return self.state.query

    @property
    def key(self) -> Float[Tensor, "head word feature"]:
        """What each word offers to be found by."""
        return self.state.key

    @property
    def value(self) -> Float[Tensor, "head word feature"]:
        """What each word hands out."""
        return self.state.value

    @property
    def scores(self) -> Float[Tensor, "head query key"]:
        """How well each key fits each query."""
        return self.state.scores

    @property
    def scaled(self) -> Float[Tensor, "head query key"]:
        """The scores, divided by scale and temperature; minus infinity where a word may not look."""
        return self.state.scaled

    @property
    def weights(self) -> Float[Tensor, "head query key"]:
        """The softmax of each row of `scaled`."""
        return self.state.weights

    @property
    def output(self) -> Float[Tensor, "head query feature"]:
        """What each head finds, before the layer's last matrix mixes the heads."""
        return self.state.output

    def figure(self) -> Figure:
        """The weights of all heads as a picture."""
        if not self.tokens:
            figure = Figure(figsize=(4, 0.5))
            figure.text(0.02, 0.4, self.state.remark)
            return figure
        return plots.attention_heatmap(self.weights, self.tokens)

    def _make_page(self) -> Shown:
        # In a box, since a bare anywidget is not told that its kernel has gone.
        return Shown(widgets.VBox([self._view]), (HERE / "attention_lab.css").read_text(encoding="utf-8"))

    # ------------------------------------------------------------ what moves, and what follows

    def _set(self, name: str, value: object) -> None:
        setattr(self.state, name, value)
        self._show()

    def _told(self, name: str, value: object) -> None:
        """The browser has set something. What it offers can be; what else might come is refused, and said."""
        if getattr(self.state, name) == value:
            return
        try:
            self._set(name, value)
        except ValueError as error:
            self._show(str(error))

    def _show(self, message: str = "") -> None:
        """Let the view show what the state is."""
        with self._view.hold_sync():
            for name in SETTINGS:
                setattr(self._view, name, getattr(self.state, name))
            self._view.words = _sent(self.state)
            self._view.remark = message or self.state.remark
        if self._page is not None:
            self._page.renew_at_rest(self.figure)


def _sent(state: AttentionState) -> dict[str, Any]:
    """What the browser needs of the state."""
    together = {name: getattr(state, name).transpose(0, 1).flatten(1) for name in ("query", "key", "value")}
    return {
        "tokens": [readable(word) for word in state.tokens],
        **{name: rows.tolist() for name, rows in together.items()},
        "query_features": together["query"].shape[1],
        "embed_dim": state.embed_dim,
        "possible_heads": state.possible_heads,
    }
