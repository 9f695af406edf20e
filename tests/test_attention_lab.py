"""The two labs of Day 5 without a browser: the chain from scores to outputs, and a transformer that learns."""

import json
import math
import re
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from learnkit import models
from learnkit.labs import AttentionLab, TransformerLab
from learnkit.labs.attention_chain import AttentionState, words_of
from learnkit.labs.digit_training import DigitTraining
from learnkit.labs.transformer_view import heads_html

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
    state.sentence = "a man walks the dog"
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
    long = AttentionLab("x" * 10_000)
    assert long._view.words["tokens"] == ["xxxxxxxx…xxxxxxx"]


def test_an_empty_sentence_is_said_to_be_empty_and_everything_is_still_there():
    lab = AttentionLab("   ", causal=True)
    assert lab._view.remark == "There is no word yet: type a sentence."
    assert lab.weights.shape == (2, 0, 0)
    assert lab.output.shape == (2, 0, 4)
    assert lab.figure().texts[0].get_text() == lab._view.remark
    lab.sentence = "dog"
    assert lab._view.remark == ""
    assert lab.weights.tolist() == [[[1.0]], [[1.0]]]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sentence": 3}, "The sentence is 3; expected a text"),
        ({"attention": "MHA"}, "The attention is 'MHA'; expected a learnkit.models.MultiHeadAttention"),
        ({"heads": 3}, "heads is 3; expected 1, 2, 4, 8: as many as can share"),
        ({"heads": 0}, "heads is 0; expected a whole number, 1 or more."),
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


def sent(lab: AttentionLab) -> dict:
    """What the browser reads: JSON has no NaN."""
    return json.loads(json.dumps(lab._view.get_state(), default=str, allow_nan=False))


def test_the_page_gets_queries_keys_and_values_and_the_settings_and_no_more():
    lab = AttentionLab(DOG, heads=4, temperature=0.5, scale="model", causal=True)
    state = sent(lab)
    assert {name: state[name] for name in ("sentence", "heads", "temperature", "scale", "causal")} == {
        "sentence": DOG,
        "heads": 4,
        "temperature": 0.5,
        "scale": "model",
        "causal": True,
    }
    words = state["words"]
    assert words["tokens"] == DOG.split()
    assert (words["embed_dim"], words["query_features"], words["possible_heads"]) == (8, 8, [1, 2, 4, 8])
    query = torch.tensor(words["query"])[:, 2:4]  # of head 1
    torch.testing.assert_close(query, lab.query[1])
    lab.sentence = "word " * 12
    assert len(json.dumps(lab._view.words)) < 20_000


def test_what_the_browser_sets_is_what_the_next_cell_gets():
    lab = AttentionLab(DOG)
    lab._view.temperature = 2.0
    lab._view.heads = 8
    lab._view.scale = "none"
    lab._view.causal = True
    lab._view.sentence = "我看 到"
    assert (lab.temperature, lab.heads, lab.scale, lab.causal, lab.tokens) == (2.0, 8, "none", True, ["我", "看", "到"])
    assert lab._view.words["tokens"] == ["我", "看", "到"]
    assert lab.weights.shape == (8, 3, 3)
    assert lab.weights.triu(1).abs().max() == 0


def test_what_the_next_cell_sets_is_what_the_browser_shows():
    lab = AttentionLab(DOG)
    lab.temperature, lab.heads, lab.scale, lab.causal, lab.sentence = 0.1, 1, "model", True, "one"
    state = sent(lab)
    assert [state[name] for name in ("temperature", "heads", "scale", "causal")] == [0.1, 1, "model", True]
    assert state["words"]["tokens"] == ["one"]


def test_what_a_page_must_not_set_is_refused_and_what_was_shown_stays():
    lab = AttentionLab(DOG)
    lab._view.heads = 5
    assert lab._view.remark.startswith("heads is 5; expected 1, 2, 4, 8: as many as can share")
    assert lab._view.heads == lab.heads == 2
    lab._view.temperature = 2.0
    assert lab._view.remark == ""


def test_what_cannot_be_seen_in_a_word_is_made_visible_and_half_an_emoji_is_no_trouble():
    lab = AttentionLab("a\x07b \u202ec x\ud83d")
    assert lab._view.words["tokens"] == [r"a\x07b", r"\u202ec", "x?"]
    json.dumps(sent(lab), ensure_ascii=False).encode()


def test_the_still_picture_has_all_heads():
    figure = AttentionLab(DOG, heads=4).figure()
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert [text for text in texts if text.startswith("head")] == [f"head {head}" for head in range(4)]
    assert texts.count("bites") >= 2


def test_a_lab_that_is_closed_leaves_nothing_behind():
    lab = AttentionLab(DOG)
    view = lab._view
    lab.close()
    assert view.comm is None


# ---------------------------------------------------------------- a transformer that learns


@pytest.fixture
def learners():
    """Makes labs, and closes them."""
    made = []

    def make(*task: str, **settings) -> TransformerLab:
        made.append(TransformerLab(*task, **settings))
        return made[-1]

    yield make
    for lab in made:
        lab.close()
        lab.wait()


def until(is_so, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never came to be so"
        time.sleep(0.002)


@pytest.mark.parametrize(
    ("task", "expected"), [("reverse", [9, 5, 1, 4, 1, 3]), ("copy", [3, 1, 4, 1, 5, 9]), ("sort", [1, 1, 3, 4, 5, 9])]
)
def test_each_task_says_what_it_expects(task, expected):
    assert DigitTraining(task).expected == expected


def test_it_learns_to_reverse_and_its_heads_look_where_the_digit_is(learners):
    lab = learners(steps=400)
    assert lab.accuracy < 0.3
    lab.train()
    lab.wait()
    assert (lab.status, lab.step) == ("ended", 400)
    assert lab.accuracy >= 0.99
    assert lab.answer == lab.training.expected
    assert lab.weights.mean((0, 1)).argmax(1).tolist() == [5, 4, 3, 2, 1, 0]


def test_to_copy_is_learnt_without_looking_at_the_digit_since_it_is_there_already(learners):
    lab = learners("copy", steps=200)
    lab.train()
    lab.wait()
    assert lab.accuracy >= 0.99
    assert lab.weights.mean((0, 1)).diagonal().max() < 0.5


def test_it_gets_better_at_sorting():
    training = DigitTraining("sort", learning_rate=3e-3, num_heads=4, steps=300)
    for _ in training:
        pass
    assert training.accuracies[0] < 0.3
    assert training.accuracy > 0.9


def test_its_losses_are_those_of_a_plain_loop():
    training = DigitTraining("sort", length=4, seed=5, steps=30)
    for _ in training:
        pass
    net = models.TinyTransformer(10, 4, seed=5)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-4)
    generator = torch.Generator().manual_seed(5)
    tested = torch.randint(0, 10, (500, 4), generator=generator)
    losses = []
    for _ in range(30):
        digits = torch.randint(0, 10, (32, 4), generator=generator)
        loss = cross_entropy(net(digits)[0].flatten(0, 1), digits.sort().values.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(training.losses, losses, rtol=1e-4)
    right = (net(tested)[0].argmax(-1) == tested.sort().values).double().mean().item()
    assert training.accuracy == pytest.approx(right, abs=2e-3)
    assert len(training.accuracies) == 3  # before the first step, after 25 and the last


def test_a_pause_changes_nothing_in_what_is_learnt(learners):
    lab, undisturbed = learners(steps=60), DigitTraining(steps=60)
    lab.train()
    until(lambda: lab.step > 5)
    lab.pause()
    lab.wait()
    assert lab.status in ("paused", "ended")
    at = lab.step
    time.sleep(0.05)
    assert lab.step == at
    lab.train()
    lab.wait()
    for _ in undisturbed:
        pass
    assert lab.status == "ended"
    np.testing.assert_allclose(lab.losses, undisturbed.losses, rtol=1e-5)


def test_reset_brings_back_the_net_of_the_beginning(learners):
    lab = learners(steps=100_000)
    before = lab.weights
    lab.train()
    until(lambda: lab.step > 30)
    lab.reset()
    lab.wait()
    assert (lab.status, lab.step, len(lab.losses)) == ("ready", 0, 0)
    assert torch.equal(lab.weights, before)


def test_a_step_that_was_being_made_when_it_was_reset_says_nothing_of_the_new_net(learners):
    lab = learners()
    steps = lab._train(lab.training)  # as the thread does
    next(steps)
    assert lab.status == "training"
    lab.reset()
    steps.close()
    assert (lab.status, lab.step) == ("ready", 0)


def test_another_task_trains_a_new_net_and_what_cannot_be_leaves_the_old_one_training(learners):
    lab = learners(steps=100_000)
    lab.train()
    until(lambda: lab.step > 5)
    with pytest.raises(ValueError, match="embed_dim is 32, which is not divisible by num_heads=3"):
        lab.change(num_heads=3)
    assert (lab.task, lab.values["num_heads"], lab.status) == ("reverse", 2, "training")
    old = lab.training
    lab.change(task="sort", num_heads=4)
    until(lambda: lab.status == "training" and lab.step > 0)
    assert lab.training is not old
    assert (lab.task, lab.weights.shape) == ("sort", (1, 4, 6, 6))


def test_a_rate_that_is_too_large_is_said_to_be_and_the_heatmaps_stay(learners):
    lab = learners(learning_rate=1e30)
    lab.train()
    lab.wait()
    assert lab.status == "stopped"
    assert re.match(r"After \d+ steps the loss is no number any more. The learning rate is 1e\+30: try", lab.message)
    assert lab.weights.isfinite().all()
    lab.figure()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "revert"}, "There is no task called 'revert'. Did you mean 'reverse'?"),
        ({"length": 0}, "length is 0; expected a whole number"),
        ({"length": 17}, "length is 17; expected at most 16 digits."),
        ({"steps": 0}, "steps is 0; expected a whole number"),
        ({"num_heads": 5}, "embed_dim is 32, which is not divisible by num_heads=5"),
        ({"learning_rate": 0}, "learning rate is 0; expected a number above 0"),
        ({"learning_rate": "fast"}, "learning rate is 'fast'; expected a number above 0"),
    ],
)
def test_a_training_that_cannot_be_is_refused_in_words(settings, message):
    with pytest.raises(ValueError, match=message):
        TransformerLab(**settings)


def test_a_wrong_digit_is_marked_and_the_darker_cell_has_the_larger_weight():
    weights = torch.tensor([[[[0.25, 0.75], [1.0, 0.0]]]])
    text = heads_html([7, 8], [8, 8], [8, 7], weights)
    assert re.findall(r"<del[^>]*>(\d)</del>", text) == ["8", "8"]  # once in the answer, once beside its row
    assert "(1 of 2)" in text
    assert re.findall(r"--s:([\d.]+)", text) == ["0.25", "0.75", "1.00", "0.00"]
    assert re.findall(r"<caption>(.*?)</caption>", text) == ["head 0"]
    assert "block 1, head 0" in heads_html([7, 8], [8, 8], [8, 7], weights.expand(2, 1, 2, 2))


def test_its_buttons_and_lists_do_what_they_say(learners):
    lab = learners(steps=100_000)
    lab._ipython_display_()
    view = lab._view
    train, pause, reset = view.root.children[0].children
    train.click()
    until(lambda: lab.step > 2)
    assert lab.status == "training"
    pause.click()
    lab.wait()
    assert "paused: step" in view._status.value
    view._controls["task"].widget.value = "say it again"
    until(lambda: lab.status == "training")
    assert lab.task == "copy"
    reset.click()
    lab.wait()
    assert "ready: step 0 of 100,000" in view._status.value
    view._controls["learning_rate"]._field.value = "much"
    assert "learning rate is &#x27;much&#x27;" in view._message.value
    assert view._controls["learning_rate"]._field.value == "0.0005"
