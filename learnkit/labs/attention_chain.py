"""From a sentence to what each of its words gathers, step by step; without widgets (see attention_lab.py)."""

import math
import re
import zlib
from collections.abc import Mapping, Sequence
from numbers import Real

import torch
from jaxtyping import Float
from torch import Tensor

from learnkit.errors import check_whole_number, unknown
from learnkit.models import MultiHeadAttention
from learnkit.models.attention import causal_mask, scaled_dot_product_attention

MOST_WORDS = 12  # that are shown: of more, the numbers in the matrices could not be read
MOST_FEATURES = 32  # of a head: of more, the matrices would not stand side by side any more
SCALES = ("none", "head", "model")
TEMPERATURES = (0.1, 10.0)
SPREAD = 1.5  # standard deviation of a word's random numbers: with fresh weights, enough for some contrast

# Chinese and Japanese put no spaces between words, and to find the words takes a dictionary. So each character of
# these counts as a word, as in the models for Chinese that were the first to be widely used.
_ALONE = (
    "\u3001-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff0f\uff1a-\uff1f\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_ALONE}]|[^\s{_ALONE}]+")


def words_of(sentence: str) -> list[str]:
    """A sentence cut at its spaces; of Chinese and Japanese, each character is a word."""
    return _WORD.findall(sentence)


class AttentionState:
    """A sentence, a layer that attends, and each step from queries and keys to the output of each head.

    Parameters
    ----------
    sentence
        To be cut into words.
    attention
        Its three first matrices make queries, keys and values of the words' vectors.
    vectors
        For some words, their numbers; every other word gets random ones, which hang on nothing but its letters.
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
    tokens
        The words that are attended to: the first 12.
    count
        How many words the sentence has.

    Raises
    ------
    ValueError
        For a setting that cannot be, vectors of another length than the layer takes, or numbers that are not finite.
    """

    def __init__(
        self,
        sentence: str,
        attention: MultiHeadAttention,
        vectors: Mapping[str, Sequence[float]] | None = None,
        *,
        heads: int | None = None,
        temperature: float = 1.0,
        scale: str = "head",
        causal: bool = False,
    ) -> None:
        if not isinstance(attention, MultiHeadAttention):
            raise ValueError(f"The attention is {attention!r}; expected a learnkit.models.MultiHeadAttention.")
        self._attention = attention
        self._vectors = {
            word: _checked_vector(word, numbers, self.embed_dim) for word, numbers in (vectors or {}).items()
        }
        self.heads = attention.num_heads if heads is None else heads
        self.temperature, self.scale, self.causal = temperature, scale, causal
        self.sentence = sentence

    # ------------------------------------------------------------ what can be set

    @property
    def sentence(self) -> str:
        return self._sentence

    @sentence.setter
    def sentence(self, sentence: str) -> None:
        if not isinstance(sentence, str):
            raise ValueError(f"The sentence is {sentence!r}; expected a text: 'the dog bites the man'.")
        sentence = sentence.encode("utf-8", "replace").decode()  # half an emoji cannot be sent to a browser
        words = words_of(sentence)
        tokens = words[:MOST_WORDS]
        query, key, value = projected = self._project(tokens)
        largest = query.abs() @ key.abs().mT / TEMPERATURES[0]  # than which no score can be larger
        if not (largest.isfinite().all() and value.isfinite().all()):
            raise ValueError(
                "Of these words the layer makes numbers that are NaN, infinite or too large to be multiplied: look at "
                "its weights, and at the vectors if you gave some."
            )
        self._sentence, self.count, self.tokens = sentence, len(words), tokens
        self._query, self._key, self._value = projected

    @property
    def heads(self) -> int:
        return self._heads

    @heads.setter
    def heads(self, heads: int) -> None:
        check_whole_number("heads", heads)
        if heads not in self.possible_heads:
            possible = ", ".join(map(str, self.possible_heads)) or "another layer"
            raise ValueError(
                f"heads is {heads}; expected {possible}: as many as can share this layer's features evenly, with at "
                f"most {MOST_FEATURES} for each."
            )
        self._heads = heads

    @property
    def temperature(self) -> float:
        return self._temperature

    @temperature.setter
    def temperature(self, temperature: float) -> None:
        low, high = TEMPERATURES
        if isinstance(temperature, bool) or not isinstance(temperature, Real) or not low <= temperature <= high:
            raise ValueError(f"temperature is {temperature!r}; expected a number from {low:g} to {high:g}.")
        self._temperature = float(temperature)

    @property
    def scale(self) -> str:
        return self._scale

    @scale.setter
    def scale(self, scale: str) -> None:
        if scale not in SCALES:
            raise unknown("scale", scale, SCALES)
        self._scale = scale

    @property
    def causal(self) -> bool:
        return self._causal

    @causal.setter
    def causal(self, causal: bool) -> None:
        if not isinstance(causal, bool):
            raise ValueError(f"causal is {causal!r}; expected True or False.")
        self._causal = causal

    # ------------------------------------------------------------ what comes of it

    @property
    def embed_dim(self) -> int:
        """Numbers of a word."""
        return self._attention.to_query.in_features

    @property
    def possible_heads(self) -> list[int]:
        """All numbers of heads that can share the features evenly, and not too many for each."""
        sizes = self._attention.to_query.out_features, self._attention.to_value.out_features
        fewest = math.ceil(max(sizes) / MOST_FEATURES)
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
        features = {"none": 1, "head": self.query.shape[-1], "model": self.embed_dim}[self.scale]
        return math.sqrt(features) * self.temperature

    @property
    def scores(self) -> Float[Tensor, "head query key"]:
        return self.query @ self.key.mT

    @property
    def scaled(self) -> Float[Tensor, "head query key"]:
        """The scores, divided; minus infinity where a word may not look."""
        scaled = self.scores / self.divisor
        return scaled.masked_fill(~causal_mask(len(self.tokens)), -math.inf) if self.causal and self.tokens else scaled

    @property
    def weights(self) -> Float[Tensor, "head query key"]:
        return self._attended[1]

    @property
    def output(self) -> Float[Tensor, "head query feature"]:
        """What each head finds, before the layer's last matrix mixes the heads."""
        return self._attended[0]

    @property
    def _attended(self) -> tuple[Tensor, Tensor]:
        mask = causal_mask(len(self.tokens)) if self.causal and self.tokens else None
        # The library divides by √d_head, always; what it shall not divide by is made good beforehand.
        query = self.query * (math.sqrt(self.query.shape[-1]) / self.divisor)
        return scaled_dot_product_attention(query, self.key, self.value, mask)

    @property
    def remark(self) -> str:
        """What is to be said of the sentence, if anything."""
        if not self.tokens:
            return "There is no word yet: type a sentence."
        if self.count > MOST_WORDS:
            return (
                f"The sentence has {self.count:,} words. The first {MOST_WORDS} are shown, as if there were no others."
            )
        return ""

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
        return features.unflatten(-1, (self.heads, -1)).transpose(0, 1)


def _checked_vector(word: str, numbers: Sequence[float], length: int) -> Float[Tensor, " embed"]:
    vector = torch.as_tensor(numbers, dtype=torch.float32).detach().cpu()
    if vector.shape != (length,):
        raise ValueError(
            f"The vector of {word!r} has the shape {tuple(vector.shape)}; this layer takes {length} numbers."
        )
    if not vector.isfinite().all():
        raise ValueError(f"The vector of {word!r} is {vector.tolist()}; expected finite numbers.")
    return vector
