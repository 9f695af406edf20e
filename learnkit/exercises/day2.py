"""Day 2: macro F1, the accuracy over many batches, and whether two nets are the same."""

import math
from collections.abc import Sequence

import torch
from scipy.stats import t
from torch import Tensor

from learnkit import metrics
from learnkit.exercises.exercise import Case, Exercise, Fault

# ---------------------------------------------------------------- macro F1


def _f1_per_class(matrix: Tensor) -> Tensor:
    return metrics.f1(matrix, average=None)


def _f1_of_means(matrix: Tensor) -> Tensor:
    precision, recall = metrics.precision(matrix), metrics.recall(matrix)
    return 2 * precision * recall / (precision + recall)


_MATRIX = torch.tensor([[50, 5, 5], [2, 6, 2], [0, 1, 4]])
_NEVER_PREDICTED = torch.tensor([[9, 1, 0], [2, 6, 0], [1, 2, 0]])

macro_f1 = Exercise(
    question="Of 100 images, 90 are of one class and 10 of another. A net always predicts the first, so its accuracy "
    "is 0.9. What is its macro F1?",
    ask=lambda function: function(torch.tensor([[90, 0], [10, 0]])),
    task="Now write a function of a confusion matrix (a tensor whose rows are the true classes) that returns the "
    "macro F1. A class of which nothing was found has an F1 of 0.",
    solution=metrics.f1,
    cases=(
        Case(f"the matrix {_MATRIX.tolist()}", (_MATRIX,)),
        Case(f"the matrix {_NEVER_PREDICTED.tolist()}", (_NEVER_PREDICTED,)),
    ),
    faults=(
        Fault("That is the F1 of the means. Is it the mean of the F1s?", (_f1_of_means,)),
        Fault("That is the accuracy under another name: the classes are added up too early.", (metrics.accuracy,)),
        Fault(
            "In yours, a common class counts more than a rare one.",
            (lambda matrix: metrics.f1(matrix, average="weighted"),),
        ),
        Fault(
            "It is larger than 1, which is impossible, and grows with the number of classes.",
            (lambda matrix: _f1_per_class(matrix).sum(),),
        ),
        Fault(
            "It fails for a class that is never predicted: there it is not a number.",
            (lambda matrix: metrics.f1(matrix) if (matrix.sum(0) > 0).all() else math.nan,),
        ),
        Fault(
            "A class of which nothing was found is left out of the mean; it should lower it.",
            (lambda matrix: _f1_per_class(matrix)[matrix.diagonal() > 0].mean(),),
        ),
        Fault("That is the mean of only one of the two numbers that F1 combines.", (metrics.precision, metrics.recall)),
        Fault("It returns an F1 for each class; the task asks for their mean.", (_f1_per_class,)),
        Fault(
            "How many classes does this matrix have? There need not be ten.",
            (lambda matrix: _f1_per_class(matrix).sum() / 10,),
        ),
        Fault(
            "The sum of a row includes the images that were found, and so does the sum of a column: they count twice.",
            (lambda m: (2 * m.diagonal() / (2 * m.diagonal() + m.sum(0) + m.sum(1))).mean(),),
        ),
    ),
    explanation="The F1 of the first class is about 0.95 and that of the second 0, and each counts one half: a common "
    "class gets no extra credit.",
)

# ---------------------------------------------------------------- the accuracy over many batches

Batches = Sequence[tuple[Sequence[int], Sequence[int]]]


def _right(batch: tuple[Sequence[int], Sequence[int]]) -> int:
    return sum(label == prediction for label, prediction in zip(*batch, strict=True))


def _accuracy(batch: tuple[Sequence[int], Sequence[int]]) -> float:
    return _right(batch) / len(batch[0])


def _count(batches: Batches) -> int:
    return sum(len(labels) for labels, _ in batches)


def _overall_accuracy(batches: Batches) -> float:
    return sum(map(_right, batches)) / _count(batches)


def _equal_lists(batches: Batches) -> int:
    return sum(labels == predictions for labels, predictions in batches)


_BATCHES = [([1, 2, 3, 4], [1, 2, 3, 0]), ([5, 6, 7, 8], [5, 0, 0, 8]), ([9, 9], [9, 1]), ([3], [4])]

batch_accuracy = Exercise(
    question="A batch of 200 images has an accuracy of 0.9, and a last batch of 20 images one of 0.2. What is the "
    "accuracy over all 220?",
    ask=lambda function: function([(200 * [1], 180 * [1] + 20 * [0]), (20 * [1], 4 * [1] + 16 * [0])]),
    task="Now write a function of a list of batches, each a pair (labels, predictions) of lists, that returns the "
    "accuracy over all images.",
    solution=_overall_accuracy,
    cases=(
        Case(f"the batches {_BATCHES}", (_BATCHES,)),
        Case(f"the batches {_BATCHES[:2]}", (_BATCHES[:2],)),
        Case(f"the batches {_BATCHES[1:3]}", (_BATCHES[1:3],)),
    ),
    faults=(
        Fault(
            "It uses only the last batch: each pass through the loop forgets what came before.",
            (lambda batches: _accuracy(batches[-1]),),
        ),
        Fault("It uses only the first batch. Is return inside the loop?", (lambda batches: _accuracy(batches[0]),)),
        Fault(
            "An image in a small batch counts more than one in a large batch.",
            (lambda batches: sum(map(_accuracy, batches)) / len(batches),),
        ),
        Fault(
            "It can be larger than 1: accuracies have been added up.", (lambda batches: sum(map(_accuracy, batches)),)
        ),
        Fault(
            "It assumes that all batches are as large as one of them.",
            (
                lambda batches: sum(map(_right, batches)) / (len(batches) * len(batches[0][0])),
                lambda batches: sum(map(_right, batches)) / (len(batches) * len(batches[-1][0])),
                lambda batches: sum(map(_right, batches)) / (len(batches) * 200),
            ),
        ),
        Fault(
            "It compares whole lists, which are equal only if every image is right. Go through them with zip.",
            (
                lambda batches: _equal_lists(batches) / len(batches),
                lambda batches: _equal_lists(batches) / _count(batches),
            ),
        ),
        Fault(
            "The numerator counts images; the denominator must count them too.",
            (
                lambda batches: sum(map(_right, batches)) / len(batches),
                lambda batches: sum(map(_right, batches)),
            ),
        ),
    ),
    explanation="It is not the mean of 0.9 and 0.2, and far from it: each image counts the same, so the large batch "
    "counts ten times as much.",
)

# ---------------------------------------------------------------- the same, or not?


def _verdict(low: float, high: float, margin: float) -> str:
    if -margin < low and high < margin:
        return "holds"
    return "fails" if low > margin or high < -margin else "open"


def _interval(values: Sequence[float], quantile: float | None = None, ddof: int = 1) -> tuple[float, float]:
    count, mean = len(values), sum(values) / len(values)
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - ddof) / count)
    half_width = error * (t.ppf(0.975, count - 1) if quantile is None else quantile)
    return mean - half_width, mean + half_width


def _same(differences: Sequence[float], margin: float) -> str:
    return _verdict(*_interval(differences), margin)


def _not_significant(differences: Sequence[float], margin: float) -> str:
    low, high = _interval(differences)
    return "holds" if low < 0 < high else "fails"


def _open_if_significant(differences: Sequence[float], margin: float) -> str:
    return "holds" if _not_significant(differences, margin) == "holds" else "open"


def _each_run_separately(differences: Sequence[float], margin: float) -> str:
    within = [abs(difference) < margin for difference in differences]
    return "holds" if all(within) else "open" if any(within) else "fails"


def _fails_if_not_0(differences: Sequence[float], margin: float) -> str:
    low, high = _interval(differences)
    return "holds" if _same(differences, margin) == "holds" else "fails" if low > 0 or high < 0 else "open"


def _by_the_mean(differences: Sequence[float], margin: float) -> str:
    return "holds" if abs(sum(differences) / len(differences)) < margin else "fails"


def _deviation_for_error(differences: Sequence[float], margin: float) -> str:
    return _verdict(*_interval(differences, t.ppf(0.975, len(differences) - 1) * math.sqrt(len(differences))), margin)


def _one_sided(differences: Sequence[float], margin: float) -> str:
    low, high = _interval(differences)
    return "holds" if high < margin else "fails" if low > margin else "open"


def _never_open(differences: Sequence[float], margin: float) -> str:
    return "holds" if _same(differences, margin) == "holds" else "fails"


_PATTERN = (-1.5, -0.5, 0.0, 0.5, 1.5)  # standard deviation 1.118, standard error 0.5
_SHIFTS = {  # mean and scale, in thousandths; half the width of the interval is 1.39 times the scale
    "small differences": (0.5, 1.0),
    "large differences": (0.0, 9.0),
    "differences that are all well above the margin": (15.0, 2.0),
    "differences that are all well below it": (-15.0, 2.0),
    "differences that are small but certainly not 0": (2.0, 1.0),
    "differences that spread widely around 0": (0.0, 3.0),
    "differences that are almost small enough": (0.0, 4.5),
    "differences that are small except by chance": (1.0, 3.1),
    "differences of which some are large": (0.0, 3.5),
    "differences that are slightly too far apart": (0.0, 4.8),
    "differences that may be small but are certainly not 0": (4.0, 2.0),
}

same = Exercise(
    question="With five seeds, the accuracies of two nets differ by +0.012, −0.009, +0.010, −0.011 and +0.001: on "
    "average by almost nothing. The claim is that they are the same to within 0.005. Does it hold, does it fail, or "
    "is it open?",
    ask=lambda function: function([0.012, -0.009, 0.010, -0.011, 0.001], 0.005),
    choices=("holds", "fails", "open"),
    task="Now write a function of (differences, margin), a list with a number for each seed and the smallest "
    "difference that matters, that returns 'holds' if the 95% interval of their mean lies within the margin, 'fails' "
    "if it lies outside, and 'open' otherwise. Half the width of the interval is the standard error times "
    "t.ppf(0.975, n - 1), from scipy.stats.",
    solution=_same,
    cases=tuple(
        Case(
            f"{description}, {[round((mean + scale * x) / 1000, 5) for x in _PATTERN]}, and a margin of 0.005",
            ([(mean + scale * x) / 1000 for x in _PATTERN], 0.005),
        )
        for description, (mean, scale) in _SHIFTS.items()
    ),
    faults=(
        Fault(
            "Finding no difference does not show that there is none. Where is the margin?",
            (_not_significant, _open_if_significant),
        ),
        Fault("It looks only at the mean. How certain is that mean?", (_by_the_mean,)),
        Fault("It judges each run separately; the task asks for the interval of their mean.", (_each_run_separately,)),
        Fault("Certainly not 0 does not mean certainly too large. What is the margin for?", (_fails_if_not_0,)),
        Fault(
            "Your interval leaves 5% on each side; a 95% interval leaves 5% in total.",
            (lambda d, margin: _verdict(*_interval(d, t.ppf(0.95, len(d) - 1)), margin),),
        ),
        Fault(
            "Your interval says where single runs lie and not where their mean lies, so it is too wide.",
            (_deviation_for_error,),
        ),
        Fault(
            "Your interval is slightly too narrow: five numbers say little about their own spread.",
            (
                lambda differences, margin: _verdict(*_interval(differences, 1.96), margin),
                lambda differences, margin: _verdict(*_interval(differences, 2.0), margin),
                lambda differences, margin: _verdict(*_interval(differences, ddof=0), margin),
            ),
        ),
        Fault("A margin has two sides: a difference can also be too far below 0.", (_one_sided,)),
        Fault("It never leaves anything open, and calls refuted what is merely uncertain.", (_never_open,)),
    ),
    explanation="The mean is near 0, but with such a spread the true difference may be larger than 0.005, in either "
    "direction.",
)
