"""The checks of the "your turn" cells, on answers as a learner would write them."""

import html
import itertools
import math
import re
from dataclasses import replace

import einops
import nbformat
import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional

from learnkit.exercises import day1, day2, day3, day4, day5
from learnkit.exercises.exercise import Exercise
from tools.notebook_definitions import NOTEBOOKS

EXERCISES = {
    f"{day.__name__[-4:]}.{name}": exercise
    for day in (day1, day2, day3, day4, day5)
    for name, exercise in vars(day).items()
    if isinstance(exercise, Exercise)
}


# Written independently of the library, as a learner might.


def precision_recall_by_loop(truth, answer, digit):
    tp = fp = fn = 0
    for t, a in zip(truth, answer, strict=True):
        if a == digit and t == digit:
            tp += 1
        elif a == digit:
            fp += 1
        elif t == digit:
            fn += 1
    return [0 if tp == 0 else tp / (tp + fp), 0 if tp == 0 else tp / (tp + fn)]


def swapped(truth, answer, digit):
    tp = sum(t == a == digit for t, a in zip(truth, answer, strict=True))
    return tp / truth.count(digit), tp / answer.count(digit)  # which fails for 0/0 as well


def accuracy_for_both(truth, answer, digit):
    accuracy = (np.array(truth) == np.array(answer)).mean()
    return accuracy, accuracy


def right_digits_of_all(truth, answer, digit):
    tp = sum(t == a for t, a in zip(truth, answer, strict=True))
    fp = sum(a == digit != t for t, a in zip(truth, answer, strict=True))
    fn = sum(t == digit != a for t, a in zip(truth, answer, strict=True))
    return tp / (tp + fp), tp / (tp + fn)


def no_guard_for_zero(truth, answer, digit):
    hits = [t for t, a in zip(truth, answer, strict=True) if t == a == digit]
    return len(hits) / answer.count(digit), len(hits) / truth.count(digit)


def recall_without_a_guard(truth, answer, digit):
    precision, _ = precision_recall_by_loop(truth, answer, digit)
    both = zip(truth, answer, strict=True)
    return precision, sum(true == answered == digit for true, answered in both) / truth.count(digit)


def always_fives(truth, answer, digit):
    return precision_recall_by_loop(truth, answer, 5)


def stable(logits, labels):
    total = 0
    for row, label in zip(logits, labels, strict=True):
        row = row - row.max()
        total += row.exp().sum().log() - row[label]
    return total / len(labels)


def naive(of_images):
    def loss(logits, labels):
        probabilities = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
        return of_images(probabilities, labels)

    return loss


def of_the_true(probabilities, labels):
    return probabilities[torch.arange(len(labels)), labels]


def over_the_wrong_axis(logits, labels):
    return -logits.softmax(dim=0).gather(1, labels[:, None]).log().mean()


def walk(slope, start, learning_rate, steps):
    path = [start]
    while len(path) <= steps:
        path.append(path[-1] - learning_rate * slope(path[-1]))
    return path[-1]


def uphill(slope, start, learning_rate, steps):
    for _ in range(steps):
        start += learning_rate * slope(start)
    return start


def old_slope(slope, start, learning_rate, steps):
    gradient = slope(start)
    for _ in range(steps):
        start -= learning_rate * gradient
    return start


def no_rate(slope, start, learning_rate, steps):
    for _ in range(steps):
        start -= slope(start)
    return start


def return_within_the_loop(slope, start, learning_rate, steps):
    for _ in range(steps):
        start -= learning_rate * slope(start)
        return start


def from_the_start_again(slope, start, learning_rate, steps):
    for _ in range(steps):
        x = start - learning_rate * slope(start)
    return x


def from_the_start_with_new_slopes(slope, start, learning_rate, steps):
    x = start
    for _ in range(steps):
        x = start - learning_rate * slope(x)
    return x


def one_too_many(slope, start, learning_rate, steps):
    for _ in range(0, steps + 1):
        start -= learning_rate * slope(start)
    return start


def f1_of_classes(matrix):
    for k in range(len(matrix)):
        whole = matrix[k].sum() + matrix[:, k].sum()
        yield 2 * matrix[k, k].item() / whole.item()


def harmonic(matrix):
    m = matrix.double().numpy()
    p = np.mean([m[k, k] / m[:, k].sum() if m[:, k].sum() else 0 for k in range(len(m))])
    r = np.mean([m[k, k] / m[k].sum() for k in range(len(m))])
    return 2 / (1 / p + 1 / r)


def weighted(matrix):
    return sum(f * n.item() for f, n in zip(f1_of_classes(matrix), matrix.sum(1), strict=True)) / matrix.sum().item()


def from_precision_and_recall(matrix):
    p, r = matrix.diag() / matrix.sum(0), matrix.diag() / matrix.sum(1)
    return (2 * p * r / (p + r)).mean()


def sums_as_errors(matrix):
    found, false_negative, false_positive = matrix.diag(), matrix.sum(dim=1), matrix.sum(dim=0)
    return (2 * found / (2 * found + false_negative + false_positive)).mean()


def nanmean(matrix):
    p, r = matrix.diag() / matrix.sum(0), matrix.diag() / matrix.sum(1)
    return (2 * p * r / (p + r)).nanmean()


def count_all(batches):
    labels, predictions = (list(itertools.chain.from_iterable(part)) for part in zip(*batches, strict=True))
    return np.mean(np.array(labels) == np.array(predictions))


def overwritten(batches):
    for labels, predictions in batches:
        correct, total = 0, 0
        for label, prediction in zip(labels, predictions, strict=True):
            correct += label == prediction
            total += 1
    return correct / total


def mean_of_batches(batches):
    return np.mean([np.mean(np.array(labels) == predictions) for labels, predictions in batches])


def sum_of_batches(batches):
    accuracy = 0
    for labels, predictions in batches:
        accuracy += np.mean(np.array(labels) == predictions)
    return accuracy


def fixed_size(batches):
    correct = sum((np.array(labels) == predictions).sum() for labels, predictions in batches)
    return correct / (len(batches[0][0]) * len(batches))


def per_batch(batches):
    return sum((np.array(labels) == predictions).sum() for labels, predictions in batches) / len(batches)


def verdict(interval):
    def same(differences, margin):
        low, high = interval(np.array(differences))
        if low >= -margin and high <= margin:
            return "holds"
        return "fails" if high < -margin or low > margin else "open"

    return same


def t_interval(values):
    return stats.ttest_1samp(values, 0).confidence_interval(0.95)


def not_significant(differences, margin):
    return "holds" if stats.ttest_1samp(differences, 0).pvalue > 0.05 else "fails"


def one_sided(differences, margin):
    low, high = t_interval(np.array(differences))
    if high < margin:
        return "holds"
    return "fails" if low > margin else "open"


def one_by_one(differences, margin):
    sizes = np.abs(differences)
    return "holds" if (sizes < margin).all() else "fails" if (sizes > margin).all() else "open"


def sure_is_enough(differences, margin):
    low, high = t_interval(np.array(differences))
    if max(-low, high) < margin:
        return "holds"
    return "fails" if low * high > 0 else "open"


def impatient(differences, margin):
    low, high = t_interval(np.array(differences))
    return "holds" if -margin < low and high < margin else "fails"


def walk_through(inputs, w, u, b):
    h = 0
    for x in inputs:
        h = max(w * x + u * h + b, 0)
    return h


def forgetful(inputs, w, u, b):
    for x in inputs:
        state = 0
        state = max(w * x + u * state + b, 0)
    return state


def a_step_behind(inputs, w, u, b):
    state = 0
    for x in inputs:
        result = state
        state = max(w * x + u * state + b, 0)
    return result


def straight(inputs, w, u, b):
    state = 0
    for x in inputs:
        state = w * x + u * state + b
    return state


def returned_at_once(inputs, w, u, b):
    state = 0
    for x in inputs:
        state = max(w * x + u * state + b, 0)
        return state


def duration(average, steps):
    return lambda seconds, images, batch_size: average(seconds) * steps(images, batch_size) / 60


def by_cat(sequences, W, U, b):
    h = torch.zeros(sequences.shape[0], U.shape[0])
    for t in range(sequences.shape[1]):
        h = torch.clamp(torch.cat([sequences[:, t], h], dim=1) @ torch.cat([W, U], dim=1).T + b, min=0)
    return h


def over_sequences(sequences, W, U, b):
    h = torch.zeros(sequences.shape[1], U.shape[0])
    for x in sequences:
        h = torch.relu(x @ W.T + h @ U.T + b)
    return h


def late(sequences, W, U, b):
    h = torch.zeros(sequences.shape[0], U.shape[0])
    for t in range(sequences.shape[1]):
        out = h
        h = torch.relu(sequences[:, t] @ W.T + h @ U.T + b)
    return out


def without_relu(sequences, W, U, b):
    h = torch.zeros(sequences.shape[0], U.shape[0])
    for t in range(sequences.shape[1]):
        h = sequences[:, t] @ W.T + h @ U.T + b
    return h


def by_tanh(sequences, W, U, b):
    h = torch.zeros(sequences.shape[0], U.shape[0])
    for t in range(sequences.shape[1]):
        h = torch.tanh(sequences[:, t] @ W.T + h @ U.T + b)
    return h


def transposed(sequences, W, U, b):
    return by_cat(sequences, W, U.T, b)


def gathered(states, lengths):
    return states[range(len(lengths)), torch.tensor(lengths) - 1]


def clip_by_numpy(gradients, largest):
    g = np.array(gradients)
    return g * min(1, largest / max(np.linalg.norm(g), 1e-12))


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


def divided_afterwards(query, key, value):
    return torch.softmax(query @ key.T, dim=1) / math.sqrt(query.shape[1]) @ value


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


def sentences_merged(found):
    return found.transpose(1, 2).reshape(-1, found.shape[1] * found.shape[3])


def time_first(found):
    return einops.rearrange(found, "b h t f -> t b (h f)")


def features_first(found):
    return einops.rearrange(found, "b h t f -> b (h f) t")


RIGHT = {
    "day1.precision_and_recall": (1, precision_recall_by_loop, "it returns 1"),
    "day1.loss": (2.3, stable, "it returns 1.386"),
    "day1.descent": (0, walk, "it returns 3"),
    "day2.macro_f1": (0.9, lambda matrix: sum(f1_of_classes(matrix)) / len(matrix), "it returns 0.4737"),
    "day2.batch_accuracy": (0.55, count_all, "it returns 0.8364"),
    "day2.same": ("holds", verdict(t_interval), "it returns 'open'"),
    "day3.speedup": (100, lambda share, factor: 1 / (share / factor + (1 - share)), "it returns 1.01"),
    "day3.last_state": (1, walk_through, "it returns 0.125"),
    "day3.epoch_minutes": (4, duration(np.median, lambda n, size: -(-n // size)), "it returns 3.283"),
    "day4.read_all": (2, by_cat, "it returns 8"),
    "day4.last_of_each": (30, gathered, "it returns 20"),
    "day4.clip": (1, clip_by_numpy, "it returns 0.6"),
    "day5.attend": (3, attend_word_by_word, "it returns 3"),
    "day5.masked_weights": (0.3, masked_by_loop, "it returns 0.5"),
    "day5.join_heads": (16, concatenated, "it returns 128"),
}
WRONG = {
    "day1.precision_and_recall": {
        swapped: "are swapped",
        accuracy_for_both: "the accuracy",
        right_digits_of_all: "too many true positives",
        no_guard_for_zero: "divides 0 by 0",
        always_fives: "not used",
        (lambda *case: precision_recall_by_loop(*case)[0]): "a pair",
        recall_without_a_guard: "never occurs",
    },
    "day1.loss": {
        naive(lambda p, labels: -of_the_true(p, labels).log().sum()): "too large by a factor",
        naive(lambda p, labels: of_the_true(p, labels).log().mean()): "loss is negative",
        over_the_wrong_axis: "over the images",
        naive(lambda p, labels: -p.max(dim=1).values.log().mean()): "how sure",
        naive(lambda p, labels: -of_the_true(p, labels).log10().mean()): "another unit",
        (lambda logits, labels: -of_the_true(logits, labels).mean()): "logits themselves",
        naive(lambda p, labels: -of_the_true(p, labels).log().mean()): "logits of 1000",
        naive(lambda p, labels: -of_the_true(p, labels).log()): "loss for each image; the task",
        naive(lambda p, labels: of_the_true(p, labels).mean()): "It returns probabilities",
        naive(lambda p, labels: -of_the_true(p, labels).mean().log()): "too early",
    },
    "day1.descent": {
        uphill: "climbs",
        old_slope: "as long as the first",
        no_rate: "not used",
        return_within_the_loop: "after one step",
        from_the_start_again: "after one step",
        from_the_start_with_new_slopes: "where the last one ended",
        one_too_many: "off by one",
    },
    "day2.macro_f1": {
        harmonic: "F1 of the means",
        (lambda matrix: matrix.diag().sum() / matrix.sum()): "accuracy under another name",
        weighted: "counts more than a rare one",
        (lambda matrix: sum(f1_of_classes(matrix))): "larger than 1",
        from_precision_and_recall: "never predicted",
        nanmean: "left out",
        (lambda matrix: torch.tensor(list(f1_of_classes(matrix)))): "for each class; the task",
        (lambda matrix: sum(f1_of_classes(matrix)) / 10): "need not be ten",
        sums_as_errors: "count twice",
    },
    "day2.batch_accuracy": {
        overwritten: "only the last batch",
        (lambda batches: count_all(batches[:1])): "only the first batch",
        mean_of_batches: "small batch counts more",
        sum_of_batches: "accuracies have been added up",
        fixed_size: "as large as one",
        per_batch: "denominator must",
        (lambda batches: sum(labels == predictions for labels, predictions in batches) / len(batches)): "whole lists",
    },
    "day2.same": {
        not_significant: "Where is the margin",
        (lambda differences, margin: "holds" if abs(np.mean(differences)) <= margin else "fails"): "only at the mean",
        verdict(lambda x: (x.mean() - 2.776 * x.std(ddof=1), x.mean() + 2.776 * x.std(ddof=1))): "too wide",
        verdict(lambda x: (x.mean() - 1.96 * stats.sem(x), x.mean() + 1.96 * stats.sem(x))): "too narrow",
        one_sided: "two sides",
        impatient: "never leaves anything open",
        one_by_one: "each run separately",
        sure_is_enough: "certainly too large",
        verdict(lambda x: stats.t.interval(0.9, len(x) - 1, x.mean(), stats.sem(x))): "5% on each side",
    },
    "day3.speedup": {
        (lambda share, factor: share / factor + 1 - share): "as a share of the old",
        (lambda share, factor: 1 / (share + (1 - share) / factor)): "are swapped",
        (lambda share, factor: factor): "the rest of the time",
        (lambda share, factor: share * factor + (1 - share)): "averages speeds",
        (lambda share, factor: 1 / (share * factor + 1 - share)): "divided by four",
        (lambda share, factor: 1 / (1 - share)): "still takes some",
    },
    "day3.last_state": {
        forgetful: "empty memory",
        a_step_behind: "one step behind",
        straight: "can be negative",
        (lambda *case: max(straight(*case), 0)): "not only at the end",
        returned_at_once: "after the first step",
    },
    "day3.epoch_minutes": {
        duration(np.mean, lambda n, size: math.ceil(n / size)): "took the mean",
        duration(lambda seconds: seconds[0], lambda n, size: math.ceil(n / size)): "does not represent the others",
        duration(np.median, lambda n, size: n // size): "smaller batch is missing",
        duration(np.median, lambda n, size: n / size): "fraction of a step",
        duration(lambda seconds: 60 * np.median(seconds), lambda n, size: math.ceil(n / size)): "It returns seconds",
        duration(np.median, lambda n, size: n): "step of its own",
    },
    "day4.read_all": {
        over_sequences: "Which axis is time",
        late: "thrown away",
        without_relu: "ReLU is missing",
        (lambda *case: torch.relu(without_relu(*case))): "only at the end",
        by_tanh: "tanh",
        transposed: "U is transposed",
        (lambda x, W, U, b: by_cat(x, W, U, 0)): "bias is missing",
        (lambda x, W, U, b: by_cat(x, W, U * 0, b)): "nothing is recurrent",
    },
    "day4.last_of_each": {
        (lambda states, lengths: states[:, -1]): "after the padding",
        (lambda states, lengths: states[range(len(lengths)), lengths]): "too far",
        (lambda states, lengths: states[range(len(lengths)), torch.tensor(lengths) - 2]): "too early",
        (lambda states, lengths: states[:, max(lengths) - 1]): "where one of them ends",
        (lambda states, lengths: states[:, torch.tensor(lengths) - 1]): "belongs to which",
    },
    "day4.clip": {
        (lambda g, largest: np.clip(g, -largest, largest)): "changes the direction",
        (lambda g, largest: [min(x, largest) for x in g]): "changes the direction",
        (lambda g, largest: np.array(g) * largest / np.linalg.norm(g)): "made longer",
        (lambda g, largest: np.array(g) * min(1, largest / max(1e-12, np.abs(g).sum()))): "adds up the numbers",
        (lambda g, largest: g if np.linalg.norm(g) <= largest else np.zeros(len(g))): "thrown away",
        (lambda g, largest: np.array(g) / max(1, np.linalg.norm(g) / 1) if np.linalg.norm(g) > largest else g): (
            "whatever length is allowed"
        ),
    },
    "day5.attend": {
        without_scale: "nothing compensates",
        divided_by_d: "divided by too much",
        divided_by_words: "the number of words",
        divided_afterwards: "divided after the softmax",
        over_the_queries: "compete for a key",
        without_softmax: "scores and not shares",
        hard: "Python dictionary",
        weights_alone: "an argument is not used",
        keys_handed_out: "meant for comparison",
        turned_round: "are swapped",
        transposed_afterwards: "are swapped",
    },
    "day5.masked_weights": {
        after_the_softmax: "have been dealt out",
        inverted: "must not see",
        zero_scores: "forbids nothing",
        not_a_number: "divides 0 by 0",
        renormalised: "divides 0 by 0",
        very_small: "looks at all of them",
        over_the_queries_with_mask: "columns",
        (lambda scores, mask: scores.softmax(dim=1)): "whatever the mask is",
    },
    "day5.join_heads": {
        reshaped: "one head of several words",
        in_turn: "interleaved",
        added: "merged into one",
        side_by_side: "one dimension too many",
        sentences_merged: "The sentences are merged",
        time_first: "Sentence and word",
        features_first: "Word and feature",
    },
}


def test_there_are_three_exercises_a_day_and_all_are_tried_here():
    assert [name[:4] for name in EXERCISES] == [f"day{day}" for day in range(1, 6) for _ in range(3)]
    assert set(RIGHT) == set(WRONG) == set(EXERCISES)


@pytest.mark.parametrize("name", EXERCISES)
def test_a_right_function_is_accepted_and_the_prediction_compared_with_its_result(name):
    prediction, function, result = RIGHT[name]
    answer = EXERCISES[name].check(prediction, function)
    assert answer
    assert answer.message.startswith(f"Your function is right. You predicted {prediction}; {result}")


@pytest.mark.parametrize(
    ("name", "function", "part"),
    [
        pytest.param(name, function, part, id=f"{name}: {part}")
        for name, wrong in WRONG.items()
        for function, part in wrong.items()
    ],
)
def test_a_typical_wrong_function_gets_a_hint_of_its_own(name, function, part):
    answer = EXERCISES[name].check(RIGHT[name][0], function)
    assert not answer
    (fault,) = (fault for fault in EXERCISES[name].faults if part in fault.hint)
    assert answer.message == f"Not yet. {fault.hint}"


@pytest.mark.parametrize("name", EXERCISES)
def test_it_is_open_in_the_notebook_of_its_day_and_says_so(name):
    (path,) = NOTEBOOKS.glob(f"{name[:4]}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    (cell,) = (cell for cell in cells if f"{name}.check(" in cell.source)
    assert cell.outputs[0].data["text/plain"].startswith("Nothing is answered yet.")


@pytest.mark.parametrize("name", EXERCISES)
def test_at_least_four_faults_are_known_and_no_two_share_a_hint(name):
    hints = [fault.hint for fault in EXERCISES[name].faults]
    assert len(set(hints)) == len(hints) >= 4
    assert len(WRONG[name]) >= 4


@pytest.mark.parametrize("name", EXERCISES)
def test_without_a_prediction_or_a_function_it_says_what_is_missing(name):
    exercise, (prediction, function, _) = EXERCISES[name], RIGHT[name]
    for missing in (..., None):
        message = exercise.check(missing, function).message
        assert message.startswith("Nothing is answered yet.")
        assert exercise.question in message
        assert exercise.task in message
    assert not exercise.check("perhaps", function)
    assert "expected" in exercise.check("perhaps", function).message
    for unwritten in (..., lambda *case: None, lambda *case: ...):
        message = exercise.check(prediction, unwritten).message
        assert message.startswith(f"You predict {prediction}. {exercise.task}")
    assert "does it end with return?" in message
    assert "0.5; expected a function. Give its name alone, without brackets" in exercise.check(prediction, 0.5).message
    assert exercise.question in " ".join(repr(exercise).split())


@pytest.mark.parametrize("prediction", [True, math.nan, [1], "1"])
def test_a_prediction_is_a_number(prediction):
    assert "expected a number" in day1.descent.check(prediction, walk).message


def test_a_function_that_raises_or_returns_nothing_or_an_unknown_result_is_described_with_the_case():
    def raises(truth, answer, digit):
        return truth.find(digit)

    def nothing_for_eights(truth, answer, digit):
        if digit != 8:
            return precision_recall_by_loop(truth, answer, digit)

    check = day1.precision_and_recall.check
    assert "and digit 5, your function raises an error: AttributeError: 'list' object" in check(1, raises).message
    assert "raises an error: TypeError" in check(1, lambda: 0).message
    assert "returns nothing. Does it end with return?" in check(1, nothing_for_eights).message
    assert "returns (0.123, 2), which is not right" in check(1, lambda *case: (0.123, 2)).message
    assert "returns 'high', which is not right" in check(1, lambda *case: "high").message


@pytest.mark.parametrize("name", EXERCISES)
def test_messages_are_wrapped_to_the_width_of_a_screen(name):
    exercise, (prediction, function, _) = EXERCISES[name], RIGHT[name]
    for answer in (exercise.check(..., ...), exercise.check(prediction, function)):
        assert max(map(len, repr(answer).splitlines())) <= 88
        assert repr(answer).split() == answer.message.split()


@pytest.mark.parametrize("name", EXERCISES)
def test_on_a_web_page_each_part_is_a_paragraph_of_escaped_text(name):
    exercise = EXERCISES[name]
    for shown in (exercise, exercise.check(..., ...), exercise.check(RIGHT[name][0], "<b>bold</b>")):
        paragraphs = re.findall("<p>(.*?)</p>", shown._repr_html_())
        assert html.unescape(" ".join(paragraphs)).split() == repr(shown).split()
        assert not any("<" in paragraph for paragraph in paragraphs)


def test_a_function_cannot_change_the_cases_of_the_next_one():
    def emptying(batches):
        result = count_all(batches)
        batches.clear()
        return result

    for _ in range(2):
        assert day2.batch_accuracy.check(0.8, emptying)
    assert day2.batch_accuracy.check(0.8, count_all)


def test_the_numbers_in_the_explanations_are_true():
    mean_minutes = sum(day3._SECONDS) / 5 * math.ceil(60_000 / 64) / 60
    assert 8.5 < mean_minutes < 9
    assert "almost nine minutes" in day3.epoch_minutes.explanation
    left = torch.tensor([0.0, 0.0, 5.0]).softmax(0)[:2]
    assert [f"{share:.3f}" for share in left.tolist()] == ["0.007", "0.007"]
    assert "0.007" in day5.masked_weights.explanation


def test_cases_with_tensors_can_be_compared():
    case = day1.loss.cases[0]
    assert case == case
    assert case != replace(case)
