"""From a sentence to what each of its words gathers, step by step; without a browser."""

import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from learnkit.labs.common.state import State
from learnkit.labs.common.validation import Choice, Field, Integer, InvalidSetting, Number
from learnkit.models import MultiHeadAttention
from learnkit.models.attention import causal_mask, scaled_dot_product_attention
from learnkit.plots.words import readable

MAX_WORDS = 12  # that are shown: of more, the numbers in the matrices could not be read
MAX_FEATURES = 32  # of a head: of more, the matrices would not stand side by side any more
SCALES = ("none", "head", "model")
TEMPERATURES = (0.1, 10.0)
TEMPERATURE_TICKS = [float(f"{10 ** (exponent / 10):.2g}") for exponent in range(-10, 11)]
NO_WORD = "There is no word yet: type a sentence."
MORE_WORDS = "The sentence has {count:,} words. The first {shown} are shown, as if there were no others."
NOT_FINITE = (
    "Of these words the layer makes numbers that are NaN, infinite or too large to be multiplied: look at its weights, "
    "and at the vectors if you gave some."
)
SPREAD = 1.5  # standard deviation of a word's random numbers: with fresh weights, enough for some contrast

# Chinese and Japanese put no spaces between words, and to find the words takes a dictionary. So each character of
# these counts as a word, as in the models for Chinese that were the first to be widely used.
_ALONE = (
    "\u3001-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff0f\uff1a-\uff1f\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_ALONE}]|[^\s{_ALONE}]+")


@dataclass(frozen=True)
class Sentence(Field):
    """A text; half an emoji, which cannot be sent to a browser, is replaced."""

    default: str

    def validate(self, name: str, value: object) -> str:
        if not isinstance(value, str):
            raise InvalidSetting(name, f"The sentence is {value!r}; expected a text: 'the dog bites the man'.")
        return value.encode("utf-8", "replace").decode()


@dataclass(frozen=True)
class Heads(Field):
    """One of the numbers of heads that can share a layer's features."""

    default: int
    possible: tuple[int, ...]

    def validate(self, name: str, value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value in self.possible:
            return value
        known = ", ".join(map(str, self.possible)) or "another layer"
        raise InvalidSetting(
            name,
            f"heads is {value!r}; expected {known}: as many as can share this layer's features evenly, with at most "
            f"{MAX_FEATURES} for each.",
        )

    def describe(self) -> dict[str, Any]:
        return {"ticks": self.possible}


@dataclass(frozen=True)
class Flag(Field):
    """Yes or no."""

    default: bool

    def validate(self, name: str, value: object) -> bool:
        if not isinstance(value, bool):
            raise InvalidSetting(name, f"{name} is {value!r}; expected True or False.")
        return value


def words_of(sentence: str) -> list[str]:
    """A sentence cut at its spaces; of Chinese and Japanese, each character is a word."""
    return _WORD.findall(sentence)


class AttentionState(State):
    """A sentence, a layer that attends, and each step from queries and keys to the output of each head.

    Parameters are those of `learnkit.labs.AttentionLab`.

    Attributes
    ----------
    tokens
        The words that are attended to: the first 12.
    count
        How many words the sentence has.
    """

    def __init__(
        self,
        sentence: str,
        attention: MultiHeadAttention,
        vectors: Mapping[str, Sequence[float]] | None = None,
        **values: Any,
    ) -> None:
        if not isinstance(attention, MultiHeadAttention):
            raise ValueError(f"The attention is {attention!r}; expected a learnkit.models.MultiHeadAttention.")
        self._attention = attention
        self._vectors = {
            word: _checked_vector(word, numbers, self.embed_dim) for word, numbers in (vectors or {}).items()
        }
        possible = self.possible_heads
        fields: dict[str, Field] = {
            "sentence": Sentence(sentence),
            "heads": Heads(attention.num_heads, tuple(possible)),
            "temperature": Number(1.0, *TEMPERATURES, ticks=TEMPERATURE_TICKS),
            "scale": Choice("head", {name: name for name in SCALES}),
            "causal": Flag(False),
            "head": Integer(0, minimum=0, maximum=max(possible, default=1) - 1),  # which one is shown
        }
        super().__init__(fields, sentence=sentence, **values)
        self._read(self.settings["sentence"])

    def change(self, **values: Any) -> None:
        """Take other values. If one cannot be taken, none is."""
        settings = self.with_changes(values)
        if "sentence" in values:
            self._read(settings["sentence"])
        self.settings = settings

    def _read(self, sentence: str) -> None:
        words = words_of(sentence)
        tokens = words[:MAX_WORDS]
        query, key, value = projected = self._project(tokens)
        largest = query.abs() @ key.abs().mT / TEMPERATURES[0]  # no score can be larger than this
        if not (largest.isfinite().all() and value.isfinite().all()):
            raise InvalidSetting("sentence", NOT_FINITE)
        self.count, self.tokens = len(words), tokens
        self._query, self._key, self._value = projected

    # ------------------------------------------------------------ what comes of it

    @property
    def embed_dim(self) -> int:
        """Numbers of a word."""
        return self._attention.to_query.in_features

    @property
    def possible_heads(self) -> list[int]:
        """All numbers of heads that can share the features evenly, with not too many for each."""
        sizes = self._attention.to_query.out_features, self._attention.to_value.out_features
        fewest = math.ceil(max(sizes) / MAX_FEATURES)
        return [heads for heads in range(fewest, min(sizes) + 1) if all(size % heads == 0 for size in sizes)]

    @property
    def query(self) -> Float[Tensor, "head word feature"]:
        return self._cut(self._query)

    @property
    def key(self) -> Float[Tensor, "head word feature"]:
        return self._cut(self._key)

    @property
    def value(self) -> Float[Tensor, "head word feature"]:
        return self._cut(self._value)

    @property
    def divisor(self) -> float:
        """What the scores are divided by: scale times temperature."""
        features = {"none": 1, "head": self.query.shape[-1], "model": self.embed_dim}[self.settings["scale"]]
        return math.sqrt(features) * self.settings["temperature"]

    @property
    def scores(self) -> Float[Tensor, "head query key"]:
        return self.query @ self.key.mT

    @property
    def scaled(self) -> Float[Tensor, "head query key"]:
        """The scores, divided; minus infinity where a word may not look."""
        scaled, mask = self.scores / self.divisor, self._mask
        return scaled if mask is None else scaled.masked_fill(~mask, -math.inf)

    @property
    def weights(self) -> Float[Tensor, "head query key"]:
        return self._attended[1]

    @property
    def output(self) -> Float[Tensor, "head query feature"]:
        """What each head finds, before the layer's last matrix mixes the heads."""
        return self._attended[0]

    @property
    def _attended(self) -> tuple[Tensor, Tensor]:
        # The library always divides by √d_head; what it is not to divide by is multiplied beforehand.
        query = self.query * (math.sqrt(self.query.shape[-1]) / self.divisor)
        return scaled_dot_product_attention(query, self.key, self.value, self._mask)

    @property
    def _mask(self) -> Tensor | None:
        return causal_mask(len(self.tokens)) if self.settings["causal"] and self.tokens else None

    @property
    def remark(self) -> str:
        """What is to be said of the sentence, if anything."""
        if not self.tokens:
            return NO_WORD
        return MORE_WORDS.format(count=self.count, shown=MAX_WORDS) if self.count > MAX_WORDS else ""

    def frame(self) -> tuple[dict[str, Any], list[bytes]]:
        """The words, and their queries, keys and values for all heads; all else the page computes."""
        names = {"query": self._query, "key": self._key, "value": self._value}
        words = {
            "tokens": [readable(word) for word in self.tokens],
            **{name: rows.tolist() for name, rows in names.items()},
            "query_features": self._query.shape[1],
            "embed_dim": self.embed_dim,
        }
        return {"words": words, "message": self.remark}, []

    @torch.no_grad()
    def _project(self, tokens: list[str]) -> list[Float[Tensor, "word feature"]]:
        attention = self._attention
        weight = attention.to_query.weight
        vectors = torch.stack([self._vector(word) for word in tokens]) if tokens else torch.zeros(0, self.embed_dim)
        vectors = vectors.to(weight)
        return [layer(vectors).cpu().float() for layer in (attention.to_query, attention.to_key, attention.to_value)]

    def _vector(self, word: str) -> Float[Tensor, " embed"]:
        if word in self._vectors:
            return self._vectors[word]
        generator = torch.Generator().manual_seed(zlib.crc32(word.encode()))
        return SPREAD * torch.randn(self.embed_dim, generator=generator)

    def _cut(self, features: Float[Tensor, "word all"]) -> Float[Tensor, "head word feature"]:
        return features.unflatten(-1, (self.settings["heads"], -1)).transpose(0, 1)


def _checked_vector(word: str, numbers: Sequence[float], length: int) -> Float[Tensor, " embed"]:
    vector = torch.as_tensor(numbers, dtype=torch.float32).detach().cpu()
    if vector.shape != (length,):
        raise ValueError(
            f"The vector of {word!r} has the shape {tuple(vector.shape)}; this layer takes {length} numbers."
        )
    if not vector.isfinite().all():
        raise ValueError(f"The vector of {word!r} is {vector.tolist()}; expected finite numbers.")
    return vector
