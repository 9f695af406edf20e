"""Day 1: precision and recall of one digit, the loss of a batch, gradient descent."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from learnkit.exercises.exercise import Case, Exercise, Fault

# ---------------------------------------------------------------- precision and recall of one digit among ten


def _counts(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[int, int, int]:
    pairs = [(true == digit, answered == digit) for true, answered in zip(truth, answer, strict=True)]
    return pairs.count((True, True)), pairs.count((False, True)), pairs.count((True, False))


def _ratio(part: int, whole: int, undefined: float = 0.0) -> float:
    return part / whole if whole else undefined


def _count_right(truth: Sequence[int], answer: Sequence[int]) -> int:
    return sum(true == answered for true, answered in zip(truth, answer, strict=True))


def _precision_and_recall(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[float, float]:
    tp, fp, fn = _counts(truth, answer, digit)
    return _ratio(tp, tp + fp), _ratio(tp, tp + fn)


def _nan_for_0_by_0(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[float, float]:
    tp, fp, fn = _counts(truth, answer, digit)
    return _ratio(tp, tp + fp, math.nan), _ratio(tp, tp + fn, math.nan)


def _divides_by_0(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[float, float]:
    tp, fp, fn = _counts(truth, answer, digit)
    return tp / (tp + fp), tp / (tp + fn)


def _recall_divides_by_0(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[float, float]:
    tp, fp, fn = _counts(truth, answer, digit)
    return _ratio(tp, tp + fp), tp / (tp + fn)


def _all_right_answers_positive(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[float, float]:
    _, fp, fn = _counts(truth, answer, digit)
    right = _count_right(truth, answer)
    return _ratio(right, right + fp), _ratio(right, right + fn)


def _accuracy_twice(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[float, float]:
    return (_count_right(truth, answer) / len(truth),) * 2


def _binary_accuracy_twice(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[float, float]:
    _, fp, fn = _counts(truth, answer, digit)
    return (1 - (fp + fn) / len(truth),) * 2


_TRUTH, _ANSWER = [5, 3, 5, 5, 8, 3, 0, 5, 5], [5, 5, 5, 3, 8, 3, 8, 0, 5]

precision_and_recall = Exercise(
    question="One image in ten is a five. A detector says 'five' for every image. What is its recall?",
    ask=lambda function: function([5] + 9 * [0], 10 * [5], 5)[1],
    task="Now write a function of (truth, answer, digit), two lists of digits and the digit in question, that returns "
    "(precision, recall) for that digit. A ratio of 0/0 counts as 0.",
    solution=_precision_and_recall,
    cases=(
        Case(f"truth {_TRUTH}, answer {_ANSWER} and digit 5", (_TRUTH, _ANSWER, 5)),
        Case(f"truth {_TRUTH}, answer {_ANSWER} and digit 8", (_TRUTH, _ANSWER, 8)),
        Case("truth [1, 7, 7], answer [1, 1, 1] and digit 7", ([1, 7, 7], [1, 1, 1], 7)),
        Case("truth [1, 1], answer [1, 7] and digit 7", ([1, 1], [1, 7], 7)),
    ),
    faults=(
        Fault(
            "The two numbers are swapped: the first one you return is a share of the images that are the digit.",
            (lambda *case: _precision_and_recall(*case)[::-1],),
        ),
        Fault(
            "Both numbers are the accuracy: they are computed over all images, and not over those that are the digit "
            "or are called it.",
            (_accuracy_twice, _binary_accuracy_twice),
        ),
        Fault(
            "You count too many true positives: an eight that is called an eight says nothing about fives.",
            (_all_right_answers_positive,),
        ),
        Fault(
            "It fails for a digit that never occurs or is never answered: it divides 0 by 0.",
            (_nan_for_0_by_0, _divides_by_0, _recall_divides_by_0),
        ),
        Fault(
            "It returns one number; the task asks for a pair: (precision, recall).",
            (lambda *case: _precision_and_recall(*case)[0], lambda *case: _precision_and_recall(*case)[1]),
        ),
        Fault(
            "It returns the same for every digit: one of its three arguments is not used.",
            (lambda truth, answer, digit: _precision_and_recall(truth, answer, 5),),
        ),
    ),
    explanation="If you call everything a five, you find every five; only the precision, 0.1, gives you away.",
)

# ---------------------------------------------------------------- the loss of a batch


def _chosen(values: Tensor, labels: Tensor) -> Tensor:
    return values[range(len(labels)), labels]


_LOGITS, _LABELS = [[2.0, 0.5, -1.0, 0.0], [0.3, 0.1, 1.5, -0.2], [-0.7, 1.1, 0.4, 0.9]], [0, 3, 1]

loss = Exercise(
    question="A net gives the same logit to each of four classes. What is its loss?",
    ask=lambda function: function(torch.zeros(2, 4), torch.tensor([0, 3])),
    task="Now write a function of (logits, labels), of shapes (images, classes) and (images,), that returns the mean "
    "cross-entropy, without calling torch's own.",
    solution=functional.cross_entropy,
    cases=(
        Case(f"logits {_LOGITS} and labels {_LABELS}", (torch.tensor(_LOGITS), torch.tensor(_LABELS))),
        Case("logits [[1000.0, 998.0]] and labels [1]", (torch.tensor([[1000.0, 998.0]]), torch.tensor([1]))),
    ),
    faults=(
        Fault(
            "It is too large by a factor, the number of images: a batch of another size would have another loss.",
            (lambda logits, labels: functional.cross_entropy(logits, labels, reduction="sum"),),
        ),
        Fault(
            "Your loss is negative. The logarithm of a probability is at most 0, and the best possible loss is 0.",
            (lambda logits, labels: -functional.cross_entropy(logits, labels),),
        ),
        Fault(
            "Your probabilities sum to 1 over the images. What competes for probability: the classes of one image, or "
            "the images?",
            (lambda logits, labels: -_chosen(logits.log_softmax(0), labels).mean(),),
        ),
        Fault(
            "It measures how sure the net is and not how right: the labels make no difference to it.",
            (lambda logits, labels: -logits.log_softmax(1).max(1).values.mean(),),
        ),
        Fault(
            "It returns a loss for each image; the task asks for their mean.",
            (lambda logits, labels: functional.cross_entropy(logits, labels, reduction="none"),),
        ),
        Fault(
            "It returns probabilities. The loss is minus their logarithm.",
            (
                lambda logits, labels: _chosen(logits.softmax(1), labels).mean(),
                lambda logits, labels: -_chosen(logits.softmax(1), labels).mean(),
                lambda logits, labels: _chosen(logits.softmax(1), labels),
            ),
        ),
        Fault(
            "You take the mean too early. First compute a loss for each image, and then their mean.",
            (lambda logits, labels: -_chosen(logits.softmax(1), labels).mean().log(),),
        ),
        Fault(
            "It is in another unit: the base of your logarithm is not e, the base that softmax uses.",
            (
                lambda logits, labels: functional.cross_entropy(logits, labels) / math.log(10),
                lambda logits, labels: functional.cross_entropy(logits, labels) / math.log(2),
            ),
        ),
        Fault(
            "It uses the logits themselves: they have not been turned into probabilities, and no logarithm was taken.",
            (
                lambda logits, labels: -_chosen(logits, labels).mean(),
                lambda logits, labels: _chosen(logits, labels).mean(),
            ),
        ),
        Fault(
            "It is right for small logits. With logits of 1000 it is not a number, since exp(1000) is larger than any "
            "float.",
            (lambda logits, labels: -_chosen(logits.exp() / logits.exp().sum(1, keepdim=True), labels).log().mean(),),
        ),
    ),
    explanation="Each class gets a quarter of the probability, whatever the logit is, so the loss is ln 4. For ten "
    "classes it was ln 10. (If you first subtract from each image its largest logit, exp() cannot overflow: the "
    "largest term is exp(0) = 1.)",
)

# ---------------------------------------------------------------- gradient descent


def _descend(slope: Callable[[float], float], start: float, learning_rate: float, steps: int) -> float:
    x = start
    for _ in range(steps):
        x = x - learning_rate * slope(x)
    return x


def _always_from_the_start(slope: Callable[[float], float], start: float, learning_rate: float, steps: int) -> float:
    x = start
    for _ in range(steps):
        x = start - learning_rate * slope(x)
    return x


def _slope_of_square(x: float) -> float:
    return 2 * x


def _slope_of_cubic(x: float) -> float:
    return 3 * x**2 - 1


descent = Exercise(
    question="The hill is x² and its slope 2x. You start at 3, with a learning rate of 1. Where are you after 2 steps?",
    ask=lambda function: function(_slope_of_square, 3.0, 1.0, 2),
    task="Now write a function of (slope, start, learning_rate, steps), where slope(x) is the slope at x, that "
    "returns the x at which gradient descent arrives.",
    solution=_descend,
    cases=(
        Case("slope(x) = 2x, start 3, learning rate 0.1 and 3 steps", (_slope_of_square, 3.0, 0.1, 3)),
        Case("slope(x) = 3x² − 1, start 1, learning rate 0.2 and 2 steps", (_slope_of_cubic, 1.0, 0.2, 2)),
        Case("slope(x) = 2x, start 3, learning rate 0.1 and 0 steps", (_slope_of_square, 3.0, 0.1, 0)),
    ),
    faults=(
        Fault(
            "It climbs. A positive slope means that the hill rises to the right.",
            (lambda slope, start, rate, steps: _descend(slope, start, -rate, steps),),
        ),
        Fault(
            "Every step is as long as the first: you use the slope at a place where you no longer are.",
            (lambda slope, start, rate, steps: start - steps * rate * slope(start),),
        ),
        Fault(
            "Each step is the slope itself: one of the arguments is not used.",
            (lambda slope, start, rate, steps: _descend(slope, start, 1.0, steps),),
        ),
        Fault(
            "Each step begins again at the start, and not where the last one ended.",
            (_always_from_the_start,),
        ),
        Fault(
            "It arrives where it would be after one step, however many are asked for. Is return inside the loop, or "
            "does each step begin again at the start?",
            (
                lambda slope, start, rate, steps: _descend(slope, start, rate, 1),
                lambda slope, start, rate, steps: _descend(slope, start, rate, 1) if steps else None,
            ),
        ),
        Fault(
            "The number of steps is off by one.",
            (
                lambda slope, start, rate, steps: _descend(slope, start, rate, steps + 1),
                lambda slope, start, rate, steps: _descend(slope, start, rate, max(steps - 1, 0)),
            ),
        ),
        Fault(
            "It returns a step or a slope; the task asks for the x where you are.",
            (
                lambda slope, start, rate, steps: slope(_descend(slope, start, rate, steps)),
                lambda slope, start, rate, steps: start - _descend(slope, start, rate, steps),
                lambda slope, start, rate, steps: _descend(slope, start, rate, steps) - start,
            ),
        ),
    ),
    explanation="From 3, the slope of 6 throws you across the valley to −3, and from there back. With a learning rate "
    "above 1 you would be higher after every step: that is how a training run diverges.",
)
