"""The attention lab without a browser: the chain from scores to outputs."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pages import Page

from learnkit import models
from learnkit.labs import AttentionLab
from learnkit.labs.attention.state import AttentionState, words_of

DOG = "the dog bites the man"


def layer(heads: int = 2, **sizes: int) -> models.MultiHeadAttention:
    return models.MultiHeadAttention(8, heads, seed=3, **sizes)


def vectors(seed: int = 0, spread: float = 1.0) -> dict[str, list[float]]:
    drawn = spread * torch.randn(4, 8, generator=torch.Generator().manual_seed(seed))
    return dict(zip([*DOG.split()[:3], "man"], drawn.tolist(), strict=True))


# ---------------------------------------------------------------- the chain


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
@pytest.mark.parametrize("causal", [False, True])
def test_its_weights_and_outputs_are_those_of_the_layer(heads, causal):
    attention, known = layer(heads), vectors()
    state = AttentionState(DOG, attention, known, causal=causal)
    sentence = torch.tensor([[known[word] for word in DOG.split()]])
    with torch.no_grad():
        output, weights = attention(sentence, mask=models.attention.causal_mask(5) if causal else None)
        joined = attention.to_output(state.output.transpose(0, 1).flatten(1))
    torch.testing.assert_close(state.weights, weights[0])
    torch.testing.assert_close(joined, output[0])


@given(
    st.sampled_from([1, 2, 4, 8]),
    st.floats(0.1, 10),
    st.sampled_from([("none", lambda _: 1), ("head", lambda heads: 8 / heads), ("model", lambda _: 8)]),
    st.booleans(),
    st.integers(0, 100),
)
def test_each_step_is_made_of_the_one_before(heads, temperature, named, causal, seed):
    scale, features = named
    state = AttentionState(
        DOG, layer(), vectors(seed), heads=heads, temperature=temperature, scale=scale, causal=causal
    )
    ahead = np.triu(np.ones((5, 5), dtype=bool), 1) & causal
    for head in range(heads):
        query, key, value = (each[head].double().numpy() for each in (state.query, state.key, state.value))
        scores = np.array([[sum(q * k) for k in key] for q in query])
        scaled = np.where(ahead, -np.inf, scores / math.sqrt(features(heads)) / temperature)
        powers = np.exp(scaled - scaled.max(1, keepdims=True))
        weights = powers / powers.sum(1, keepdims=True)
        np.testing.assert_allclose(state.scores[head], scores, atol=1e-5)
        np.testing.assert_allclose(state.scaled[head], scaled, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(state.weights[head], weights, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(state.output[head], weights @ value, rtol=1e-3, atol=1e-5)


def test_a_layer_may_have_other_sizes_for_queries_than_for_values():
    state = AttentionState(DOG, layer(qk_dim=6, value_dim=12))
    assert state.possible_heads == [1, 2, 3, 6]
    assert (state.query.shape, state.output.shape) == ((2, 5, 3), (2, 5, 6))
    assert state.divisor == pytest.approx(math.sqrt(3))


def test_a_word_has_the_same_numbers_wherever_it_comes_unless_it_was_given_some():
    state = AttentionState(DOG, layer())
    assert torch.equal(state.query[:, 0], state.query[:, 3])
    assert not torch.equal(state.query[:, 0], state.query[:, 1])
    before = state.query[:, 1]
    state.change(sentence="a man walks the dog")
    assert torch.equal(state.query[:, 4], before)
    own = AttentionState("dog", layer(), {"dog": [1.0, *[0.0] * 7]})
    torch.testing.assert_close(
        own.query[:, 0].flatten(), (own._attention.to_query.weight[:, 0] + own._attention.to_query.bias).detach()
    )


def test_a_trained_layer_goes_on_needing_gradients_and_the_chain_has_none():
    attention = layer()
    state = AttentionState(DOG, attention.bfloat16())
    assert attention.to_query.weight.requires_grad
    assert not state.weights.requires_grad
    assert state.weights.dtype == torch.float32


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("  the dog\tbites\nthe man ", ["the", "dog", "bites", "the", "man"]),
        ("我看到一只猫。", ["我", "看", "到", "一", "只", "猫", "。"]),
        ("我 love 北京", ["我", "love", "北", "京"]),
        ("カタカナ!", ["カ", "タ", "カ", "ナ", "!"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("<b>x</b> $x$ don't", ["<b>x</b>", "$x$", "don't"]),
        ("👩‍👩‍👧 🙂🙂", ["👩‍👩‍👧", "🙂🙂"]),
        ("a\x00b \u202ec", ["a\x00b", "\u202ec"]),
        ("", []),
        (" \n\u3000", []),
    ],
)
def test_a_sentence_is_cut_at_its_spaces_and_chinese_and_japanese_into_characters(sentence, words):
    assert words_of(sentence) == words


def test_of_ten_thousand_characters_the_first_twelve_words_are_shown_and_it_says_so():
    state = AttentionState("word " * 2_000, layer())
    assert state.weights.shape == (2, 12, 12)
    assert state.remark == "The sentence has 2,000 words. The first 12 are shown, as if there were no others."
    assert AttentionState("one two", layer()).remark == ""
    assert Page(AttentionLab("x" * 10_000)).frame["words"]["tokens"] == ["xxxxxxxx…xxxxxxx"]


def test_an_empty_sentence_is_said_to_be_empty_and_everything_is_still_there():
    lab = AttentionLab("   ", causal=True)
    page = Page(lab)
    assert page.frame["message"] == "There is no word yet: type a sentence."
    assert lab.state.weights.shape == (2, 0, 0)
    assert lab.state.output.shape == (2, 0, 4)
    assert lab.figure().texts[0].get_text() == page.frame["message"]
    lab.sentence = "dog"
    assert page.frame["message"] == ""
    assert lab.state.weights.tolist() == [[[1.0]], [[1.0]]]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sentence": 3}, "The sentence is 3; expected a text"),
        ({"attention": "MHA"}, "The attention is 'MHA'; expected a learnkit.models.MultiHeadAttention"),
        ({"heads": 3}, "heads is 3; expected 1, 2, 4, 8: as many as can share"),
        ({"heads": 0}, "heads is 0; expected 1, 2, 4, 8"),
        ({"attention": models.MultiHeadAttention(128, 2)}, "heads is 2; expected 4, 8, 16, 32, 64, 128: as many"),
        ({"temperature": 0}, "temperature is 0; expected a number from 0.1 to 10."),
        ({"temperature": math.nan}, "temperature is nan; expected"),
        ({"temperature": "hot"}, "temperature is 'hot'; expected"),
        ({"scale": "heads"}, "There is no scale called 'heads'. Did you mean 'head'?"),
        ({"causal": "yes"}, "causal is 'yes'; expected True or False."),
        ({"vectors": {"dog": [1.0, 2.0]}}, r"The vector of 'dog' has the shape \(2,\); this layer takes 8 numbers."),
        ({"vectors": {"dog": [math.nan] * 8}}, r"The vector of 'dog' is \[nan"),
        ({"vectors": {"dog": [1e30] * 8}}, "makes numbers that are NaN, infinite or too large to be multiplied"),
    ],
)
def test_what_cannot_be_is_refused_in_words(settings, message):
    with pytest.raises(ValueError, match=message):
        AttentionLab(**{"sentence": DOG, "attention": models.MultiHeadAttention(8, 2), **settings})


def test_a_layer_whose_training_went_wrong_is_refused():
    attention = layer()
    torch.nn.init.constant_(attention.to_value.weight, math.nan)
    with pytest.raises(ValueError, match="look at its weights"):
        AttentionLab(DOG, attention)


# ---------------------------------------------------------------- what the page gets


def test_the_page_gets_queries_keys_and_values_and_the_settings_and_no_more():
    lab = AttentionLab(DOG, heads=4, temperature=0.5, scale="model", causal=True)
    page = Page(lab)
    assert page.frame["values"] == {
        "sentence": DOG,
        "heads": 4,
        "temperature": 0.5,
        "scale": "model",
        "causal": True,
        "head": 0,
    }
    words = page.frame["words"]
    assert set(words) == {"tokens", "query", "key", "value", "query_features", "embed_dim"}
    assert words["tokens"] == DOG.split()
    assert (words["embed_dim"], words["query_features"]) == (8, 8)
    assert lab.constants["fields"]["heads"]["ticks"] == (1, 2, 4, 8)
    torch.testing.assert_close(torch.tensor(words["query"])[:, 2:4], lab.state.query[1])
    lab.sentence = "word " * 12
    assert page.sizes[-1] < 20_000
    page.change(temperature=2)
    assert page.sizes[-1] < 500  # the words are not sent again


def test_what_the_page_sets_is_what_the_next_cell_gets():
    lab = AttentionLab(DOG)
    page, state = Page(lab), lab.state
    for name, value in {"temperature": "2", "heads": 8, "scale": "none", "causal": True, "sentence": "我看 到"}.items():
        page.change(**{name: value})
    assert (lab.temperature, lab.heads, lab.scale, lab.causal, lab.sentence) == (2.0, 8, "none", True, "我看 到")
    assert page.frame["words"]["tokens"] == state.tokens == ["我", "看", "到"]
    assert state.weights.shape == (8, 3, 3)
    assert state.weights.triu(1).abs().max() == 0


def test_what_the_next_cell_sets_is_what_the_page_shows():
    lab = AttentionLab(DOG)
    page = Page(lab)
    lab.temperature, lab.heads, lab.scale, lab.causal, lab.sentence = 0.1, 1, "model", True, "one"
    assert [page.frame["values"][name] for name in ("temperature", "heads", "scale", "causal")] == [
        0.1,
        1,
        "model",
        True,
    ]
    assert page.frame["words"]["tokens"] == ["one"]


def test_what_a_page_must_not_set_is_refused_and_what_was_shown_stays():
    lab = AttentionLab(DOG)
    page = Page(lab)
    page.change(heads=5)
    assert page.frame["refused"]["heads"].startswith("heads is 5; expected 1, 2, 4, 8: as many as can share")
    assert page.frame["values"]["heads"] == lab.heads == 2
    page.change(temperature=2.0)
    assert page.frame["refused"] == {}


def test_what_cannot_be_seen_in_a_word_is_made_visible_and_half_an_emoji_is_no_trouble():
    page = Page(AttentionLab("a\x07b \u202ec x\ud83d"))
    assert page.frame["words"]["tokens"] == [r"a\x07b", r"\u202ec", "x?"]
    json.dumps(page.frame, ensure_ascii=False).encode()


def test_the_still_picture_has_all_heads():
    figure = AttentionLab(DOG, heads=4).figure()
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert [text for text in texts if text.startswith("head")] == [f"head {head}" for head in range(4)]
    assert texts.count("bites") >= 2
