"""Day 1: judging one digit among ten, the loss of a batch, going downhill."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from learnkit.exercises.exercise import Case, Exercise, Fault

# ---------------------------------------------------------------- precision and recall of one digit among ten


def _counts(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[int, int, int]:
    pairs = [(true == digit, said == digit) for true, said in zip(truth, answer, strict=True)]
    return pairs.count((True, True)), pairs.count((False, True)), pairs.count((True, False))


def _share(part: int, whole: int, undefined: float = 0.0) -> float:
    return part / whole if whole else undefined


def _of_one_digit(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[float, float]:
    tp, fp, fn = _counts(truth, answer, digit)
    return _share(tp, tp + fp), _share(tp, tp + fn)


def _undefined(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[float, float]:
    tp, fp, fn = _counts(truth, answer, digit)
    return _share(tp, tp + fp, math.nan), _share(tp, tp + fn, math.nan)


def _divided_anyway(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[float, float]:
    tp, fp, fn = _counts(truth, answer, digit)
    return tp / (tp + fp), tp / (tp + fn)


def _recall_divided_anyway(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[float, float]:
    tp, fp, fn = _counts(truth, answer, digit)
    return _share(tp, tp + fp), tp / (tp + fn)


def _all_that_is_right(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[float, float]:
    _, fp, fn = _counts(truth, answer, digit)
    right = sum(true == said for true, said in zip(truth, answer, strict=True))
    return _share(right, right + fp), _share(right, right + fn)


def _accuracy_twice(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[float, float]:
    return (sum(true == said for true, said in zip(truth, answer, strict=True)) / len(truth),) * 2


def _accuracy_of_yes_and_no(truth: Sequence[int], answer: Sequence[int], digit: int) -> tuple[float, float]:
    _, fp, fn = _counts(truth, answer, digit)
    return (1 - (fp + fn) / len(truth),) * 2


_TRUTH, _ANSWER = [5, 3, 5, 5, 8, 3, 0, 5, 5], [5, 5, 5, 3, 8, 3, 8, 0, 5]

precision_and_recall = Exercise(
    question="one image in ten is a five. A detector says 'five' to every image. What is its recall?",
    ask=lambda function: function([5] + 9 * [0], 10 * [5], 5)[1],
    task="a function of (truth, answer, digit), two lists of digits and the digit that is asked about, that returns "
    "(precision, recall) of that digit. A share of nothing, 0/0, shall be 0.",
    solution=_of_one_digit,
    cases=(
        Case(f"truth {_TRUTH}, answer {_ANSWER} and digit 5", (_TRUTH, _ANSWER, 5)),
        Case(f"truth {_TRUTH}, answer {_ANSWER} and digit 8", (_TRUTH, _ANSWER, 8)),
        Case("truth [1, 7, 7], answer [1, 1, 1] and digit 7", ([1, 7, 7], [1, 1, 1], 7)),
        Case("truth [1, 1], answer [1, 7] and digit 7", ([1, 1], [1, 7], 7)),
    ),
    faults=(
        Fault(
            "The two numbers have changed places: yours that comes first is a share of the images that are the digit.",
            (lambda *case: _of_one_digit(*case)[::-1],),
        ),
        Fault(
            "Both numbers are the accuracy: they look at all images, and not at those that are, or are called, the "
            "digit.",
            (_accuracy_twice, _accuracy_of_yes_and_no),
        ),
        Fault(
            "Your true positives are too many: an eight that is called an eight says nothing about fives.",
            (_all_that_is_right,),
        ),
        Fault(
            "It does not bear a digit that is never answered, or never there: you divide nothing by nothing.",
            (_undefined, _divided_anyway, _recall_divided_anyway),
        ),
        Fault(
            "One number comes back. Asked for is a pair: (precision, recall).",
            (lambda *case: _of_one_digit(*case)[0], lambda *case: _of_one_digit(*case)[1]),
        ),
        Fault(
            "It gives the same whatever digit it is asked about: one of its three arguments is not used.",
            (lambda truth, answer, digit: _of_one_digit(truth, answer, 5),),
        ),
    ),
    afterwards="To find everything costs nothing if you convict everybody; only its precision, 0.1, gives it away.",
)

# ---------------------------------------------------------------- the loss of a batch


def _chosen(values: Tensor, labels: Tensor) -> Tensor:
    return values[range(len(labels)), labels]


_LOGITS, _LABELS = [[2.0, 0.5, -1.0, 0.0], [0.3, 0.1, 1.5, -0.2], [-0.7, 1.1, 0.4, 0.9]], [0, 3, 1]

loss = Exercise(
    question="a net gives the same logit to each of four classes. What is its loss?",
    ask=lambda function: function(torch.zeros(2, 4), torch.tensor([0, 3])),
    task="a function of (logits, labels), of shapes (images, classes) and (images,), that returns the mean "
    "cross-entropy, without torch's own.",
    solution=functional.cross_entropy,
    cases=(
        Case(f"logits {_LOGITS} and labels {_LABELS}", (torch.tensor(_LOGITS), torch.tensor(_LABELS))),
        Case("logits [[1000.0, 998.0]] and labels [1]", (torch.tensor([[1000.0, 998.0]]), torch.tensor([1]))),
    ),
    faults=(
        Fault(
            "It is as many times too large as there are images: a batch of another size would have another loss.",
            (lambda logits, labels: functional.cross_entropy(logits, labels, reduction="sum"),),
        ),
        Fault(
            "A loss below zero? The logarithm of a probability is negative, and a loss is to be 0 at best.",
            (lambda logits, labels: -functional.cross_entropy(logits, labels),),
        ),
        Fault(
            "Your probabilities add up to 1 over the images. Which numbers are rivals: a class's, or an image's?",
            (lambda logits, labels: -_chosen(logits.log_softmax(0), labels).mean(),),
        ),
        Fault(
            "It asks how sure the net is, not how right: the labels make no difference to it.",
            (lambda logits, labels: -logits.log_softmax(1).max(1).values.mean(),),
        ),
        Fault(
            "That is a loss for each image. Asked for is their mean.",
            (lambda logits, labels: functional.cross_entropy(logits, labels, reduction="none"),),
        ),
        Fault(
            "Those are probabilities still. The loss is minus their logarithm.",
            (
                lambda logits, labels: _chosen(logits.softmax(1), labels).mean(),
                lambda logits, labels: -_chosen(logits.softmax(1), labels).mean(),
                lambda logits, labels: _chosen(logits.softmax(1), labels),
            ),
        ),
        Fault(
            "The mean comes too early. First a loss for each image, and then their mean.",
            (lambda logits, labels: -_chosen(logits.softmax(1), labels).mean().log(),),
        ),
        Fault(
            "It is in another unit: the logarithm has another base than the e of softmax.",
            (
                lambda logits, labels: functional.cross_entropy(logits, labels) / math.log(10),
                lambda logits, labels: functional.cross_entropy(logits, labels) / math.log(2),
            ),
        ),
        Fault(
            "Those are logits still: nothing has made probabilities of them, nor a logarithm of those.",
            (
                lambda logits, labels: -_chosen(logits, labels).mean(),
                lambda logits, labels: _chosen(logits, labels).mean(),
            ),
        ),
        Fault(
            "Right for small logits; but with logits of 1000 it is no number any more, since exp(1000) is beyond what "
            "a float can hold.",
            (lambda logits, labels: -_chosen(logits.exp() / logits.exp().sum(1, keepdim=True), labels).log().mean(),),
        ),
    ),
    afterwards="Each class gets a quarter, whatever the logit is, and the loss is ln 4. For ten classes it was ln 10. "
    "(If you take each image's largest logit away first, no exp() can be too large: the largest is then exp(0) = 1.)",
)

# ---------------------------------------------------------------- going downhill


def _descend(slope: Callable[[float], float], start: float, learning_rate: float, steps: int) -> float:
    x = start
    for _ in range(steps):
        x = x - learning_rate * slope(x)
    return x


def _from_the_start(slope: Callable[[float], float], start: float, learning_rate: float, steps: int) -> float:
    x = start
    for _ in range(steps):
        x = start - learning_rate * slope(x)
    return x


def _twice(x: float) -> float:
    return 2 * x


def _cubic(x: float) -> float:
    return 3 * x**2 - 1


descent = Exercise(
    question="the hill is x², its slope 2x. You start at 3, with a learning rate of 1. Where are you after 2 steps?",
    ask=lambda function: function(_twice, 3.0, 1.0, 2),
    task="a function of (slope, start, learning_rate, steps), in which slope(x) is the slope at x, that returns the x "
    "at which gradient descent arrives.",
    solution=_descend,
    cases=(
        Case("slope(x) = 2x, start 3, learning rate 0.1 and 3 steps", (_twice, 3.0, 0.1, 3)),
        Case("slope(x) = 3x² − 1, start 1, learning rate 0.2 and 2 steps", (_cubic, 1.0, 0.2, 2)),
        Case("slope(x) = 2x, start 3, learning rate 0.1 and 0 steps", (_twice, 3.0, 0.1, 0)),
    ),
    faults=(
        Fault(
            "It climbs. A positive slope means that the hill rises to the right.",
            (lambda slope, start, rate, steps: _descend(slope, start, -rate, steps),),
        ),
        Fault(
            "Every step is as long as the first: the slope is that of a place where you are no longer.",
            (lambda slope, start, rate, steps: start - steps * rate * slope(start),),
        ),
        Fault(
            "Its steps are as long as the slope is steep; one of the arguments is not used.",
            (lambda slope, start, rate, steps: _descend(slope, start, 1.0, steps),),
        ),
        Fault(
            "Each step sets out from the start again, and not from where the last one ended.",
            (_from_the_start,),
        ),
        Fault(
            "However many steps are asked for, you end where one step leads. Does return stand within the loop, or "
            "does each step set out from the start again?",
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
            "It returns where the hill would have you go, not where you are: a step, or the slope, but no x.",
            (
                lambda slope, start, rate, steps: slope(_descend(slope, start, rate, steps)),
                lambda slope, start, rate, steps: start - _descend(slope, start, rate, steps),
                lambda slope, start, rate, steps: _descend(slope, start, rate, steps) - start,
            ),
        ),
    ),
    afterwards="From 3 the slope of 6 throws you over the valley to −3, and from there back. With a learning rate "
    "above 1 you would end higher at every step: that is what a diverging training does.",
)
