"""The checks of Day 5's "your turn" cells, on answers as a learner would write them."""

import math

import einops
import numpy as np
import pytest
import torch
from torch.nn import functional

from learnkit.exercises import day5
from learnkit.exercises.exercise import Exercise

EXERCISES = {name: exercise for name, exercise in vars(day5).items() if isinstance(exercise, Exercise)}


# What follows is written here a second time, as a person would who has not seen the library.


def attend_word_by_word(query, key, value):
    found = []
    for q in query:
        scores = np.array([float(q @ k) for k in key]) / len(q) ** 0.5
        shares = np.exp(scores) / np.exp(scores).sum()
        found.append(sum(share * v.numpy() for share, v in zip(shares, value, strict=True)))
    return np.stack(found)


def without_scale(query, key, value):
    return torch.softmax(query @ key.T, dim=1) @ value


def divided_by_d(query, key, value):
    return torch.softmax(query @ key.T / query.shape[1], dim=1) @ value


def divided_by_words(query, key, value):
    return torch.softmax(query @ key.T / math.sqrt(key.shape[0]), dim=1) @ value


def over_the_queries(query, key, value):
    return torch.softmax(query @ key.T / math.sqrt(query.shape[1]), dim=0) @ value


def without_softmax(query, key, value):
    return query @ key.T / math.sqrt(key.shape[1]) @ value


def hard(query, key, value):
    return torch.stack([value[torch.argmax(key @ q)] for q in query])


def weights_alone(query, key, value):
    return functional.softmax(query @ key.T / math.sqrt(query.shape[1]), dim=-1)


def keys_handed_out(query, key, value):
    return weights_alone(query, key, value) @ key


def turned_round(query, key, value):
    return torch.softmax(key @ query.T / math.sqrt(query.shape[1]), dim=1) @ value


def transposed_afterwards(query, key, value):
    return weights_alone(query, key, value).transpose(0, 1) @ value


def masked_by_loop(scores, mask):
    weights = torch.zeros(scores.shape)
    for row in range(len(scores)):
        allowed = mask[row]
        if allowed.any():
            weights[row, allowed] = torch.softmax(scores[row, allowed], dim=0)
    return weights


def after_the_softmax(scores, mask):
    weights = torch.softmax(scores, dim=-1)
    weights[~mask] = 0
    return weights


def inverted(scores, mask):
    return torch.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)


def zero_scores(scores, mask):
    return torch.where(mask, scores, 0).softmax(dim=-1)


def not_a_number(scores, mask):
    return torch.softmax(torch.where(mask, scores, float("-inf")), dim=-1)


def renormalised(scores, mask):
    weights = torch.softmax(scores, dim=-1) * mask
    return weights / weights.sum(dim=-1, keepdim=True)


def very_small(scores, mask):
    scores[~mask] = -1e10
    return torch.softmax(scores, dim=-1)


def over_the_queries_with_mask(scores, mask):
    return torch.softmax(torch.where(mask, scores, float("-inf")), dim=0)


def concatenated(found):
    return torch.cat([found[:, head] for head in range(found.shape[1])], dim=-1)


def reshaped(found):
    return found.reshape(found.shape[0], found.shape[2], -1)


def in_turn(found):
    return einops.rearrange(found, "b h t f -> b t (f h)")


def added(found):
    return sum(found[:, head] for head in range(found.shape[1]))


def side_by_side(found):
    return found.transpose(1, 2)


def poured_together(found):
    return found.transpose(1, 2).reshape(-1, found.shape[1] * found.shape[3])


def time_first(found):
    return einops.rearrange(found, "b h t f -> t b (h f)")


def features_first(found):
    return einops.rearrange(found, "b h t f -> b (h f) t")


RIGHT = {
    "attend": (3, attend_word_by_word, "your function says 3"),
    "masked_weights": (0.3, masked_by_loop, "your function says 0.5"),
    "join_heads": (16, concatenated, "your function says 128"),
}
WRONG = {
    "attend": {
        without_scale: "nothing takes that back",
        divided_by_d: "divided by too much",
        divided_by_words: "the number of words",
        over_the_queries: "rivals for a key",
        without_softmax: "scores still",
        hard: "Python's dictionary",
        weights_alone: "an argument is not used",
        keys_handed_out: "offered for comparing",
        turned_round: "changed places",
        transposed_afterwards: "changed places",
    },
    "masked_weights": {
        after_the_softmax: "already been dealt out",
        inverted: "should not see",
        zero_scores: "forbids nothing",
        not_a_number: "nothing by nothing",
        renormalised: "nothing by nothing",
        very_small: "looks everywhere",
        over_the_queries_with_mask: "columns",
        (lambda scores, mask: scores.softmax(dim=1)): "whatever the mask is",
    },
    "join_heads": {
        reshaped: "one head of several words",
        in_turn: "dealt out in turn",
        added: "poured into one",
        side_by_side: "a dimension too many",
        poured_together: "Sentences have been poured together",
        time_first: "Sentence and word",
        features_first: "Word and feature",
    },
}


def test_there_are_three_exercises_and_all_are_tried_here():
    assert len(EXERCISES) == 3
    assert set(RIGHT) == set(WRONG) == set(EXERCISES)


@pytest.mark.parametrize("name", EXERCISES)
def test_a_right_function_is_accepted_and_the_prediction_held_against_it(name):
    prediction, function, words = RIGHT[name]
    answer = EXERCISES[name].check(prediction, function)
    assert answer
    assert repr(answer).startswith(f"Right. You predicted {prediction}; {words}")


@pytest.mark.parametrize(
    ("name", "function", "words"),
    [
        pytest.param(name, function, words, id=f"{name}: {function.__name__}: {words}")
        for name, wrong in WRONG.items()
        for function, words in wrong.items()
    ],
)
def test_a_typical_wrong_answer_is_refused_with_a_hint_of_its_own(name, function, words):
    answer = EXERCISES[name].check(RIGHT[name][0], function)
    assert not answer
    (fault,) = (fault for fault in EXERCISES[name].faults if words in fault.hint)
    assert answer.words == f"Not yet. {fault.hint}"


@pytest.mark.parametrize("name", EXERCISES)
def test_at_least_four_faults_are_known_no_two_share_a_hint_and_all_are_met_here(name):
    hints = [fault.hint for fault in EXERCISES[name].faults]
    assert len(set(hints)) == len(hints) >= 4
    assert all(any(words in hint for words in WRONG[name].values()) for hint in hints)


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_that_is_still_open_asks_and_raises_nothing(name):
    def not_written_yet(*arguments):
        return ...

    exercise = EXERCISES[name]
    assert exercise.question in exercise.check(..., not_written_yet).words
    assert exercise.task in exercise.check(RIGHT[name][0], not_written_yet).words


def test_a_function_that_changes_its_arguments_changes_nothing_for_the_next():
    for _ in range(2):
        assert "looks everywhere" in day5.masked_weights.check(0.5, very_small).words
    assert day5.masked_weights.check(0.5, masked_by_loop)


def test_the_number_in_what_is_said_afterwards_is_so():
    left = torch.tensor([0.0, 0.0, 5.0]).softmax(0)[:2]
    assert [f"{share:.3f}" for share in left.tolist()] == ["0.007", "0.007"]
    assert "0.007" in day5.masked_weights.afterwards
