"""Day 2: the mean of ten F1, the accuracy of many batches, the same or merely not found to differ."""

import math
from collections.abc import Sequence

import torch
from scipy.stats import t
from torch import Tensor

from learnkit import metrics
from learnkit.exercises.exercise import Case, Exercise, Fault

# ---------------------------------------------------------------- macro F1


def _f1_of_each(matrix: Tensor) -> Tensor:
    return metrics.f1(matrix, average=None)


def _harmonic(matrix: Tensor) -> Tensor:
    precision, recall = metrics.precision(matrix), metrics.recall(matrix)
    return 2 * precision * recall / (precision + recall)


_MATRIX = torch.tensor([[50, 5, 5], [2, 6, 2], [0, 1, 4]])
_NEVER = torch.tensor([[9, 1, 0], [2, 6, 0], [1, 2, 0]])

macro_f1 = Exercise(
    question="of 100 images 90 are of one class and 10 of another. A net always names the first, so that its accuracy "
    "is 0.9. What is its macro F1?",
    ask=lambda function: function(torch.tensor([[90, 0], [10, 0]])),
    task="a function of a confusion matrix (a tensor; rows are the true classes) that returns the macro F1. The F1 of "
    "a class of which nothing was found shall be 0.",
    solution=metrics.f1,
    cases=(
        Case(f"the matrix {_MATRIX.tolist()}", (_MATRIX,)),
        Case(f"the matrix {_NEVER.tolist()}", (_NEVER,)),
    ),
    faults=(
        Fault("That is the F1 of the means. Is it the mean of the F1?", (_harmonic,)),
        Fault("That is the accuracy by another name: the classes were poured together too early.", (metrics.accuracy,)),
        Fault(
            "In yours a common class counts more than a rare one.",
            (lambda matrix: metrics.f1(matrix, average="weighted"),),
        ),
        Fault(
            "It is larger than 1 can be, and grows with the number of classes.",
            (lambda matrix: _f1_of_each(matrix).sum(),),
        ),
        Fault(
            "It does not bear a class that is never predicted: there it is no number.",
            (lambda matrix: metrics.f1(matrix) if (matrix.sum(0) > 0).all() else math.nan,),
        ),
        Fault(
            "A class of which nothing was found has been left out of the mean, and should draw it down.",
            (lambda matrix: _f1_of_each(matrix)[matrix.diagonal() > 0].mean(),),
        ),
        Fault("That is one of the two numbers of which F1 is made, averaged.", (metrics.precision, metrics.recall)),
        Fault("That is an F1 for each class. Their mean is missing.", (_f1_of_each,)),
        Fault(
            "How many classes has this matrix? They need not be ten.",
            (lambda matrix: _f1_of_each(matrix).sum() / 10,),
        ),
        Fault(
            "The sum of a row contains the images that were found, and so does that of a column: they count twice.",
            (lambda m: (2 * m.diagonal() / (2 * m.diagonal() + m.sum(0) + m.sum(1))).mean(),),
        ),
    ),
    afterwards="The first class has about 0.95, the second 0, and each counts one half: no credit for being common.",
)

# ---------------------------------------------------------------- the accuracy of many batches

Batches = Sequence[tuple[Sequence[int], Sequence[int]]]


def _right(batch: tuple[Sequence[int], Sequence[int]]) -> int:
    return sum(true == said for true, said in zip(*batch, strict=True))


def _accuracy(batch: tuple[Sequence[int], Sequence[int]]) -> float:
    return _right(batch) / len(batch[0])


def _of_all(batches: Batches) -> float:
    return sum(map(_right, batches)) / sum(len(labels) for labels, _ in batches)


_BATCHES = [([1, 2, 3, 4], [1, 2, 3, 0]), ([5, 6, 7, 8], [5, 0, 0, 8]), ([9, 9], [9, 1]), ([3], [4])]

batch_accuracy = Exercise(
    question="a batch of 200 images has an accuracy of 0.9, a last batch of 20 images one of 0.2. What is the accuracy "
    "over all 220?",
    ask=lambda function: function([(200 * [1], 180 * [1] + 20 * [0]), (20 * [1], 4 * [1] + 16 * [0])]),
    task="a function of a list of batches, each a pair (labels, predictions) of lists, that returns the accuracy over "
    "all images.",
    solution=_of_all,
    cases=(
        Case(f"the batches {_BATCHES}", (_BATCHES,)),
        Case(f"the batches {_BATCHES[:2]}", (_BATCHES[:2],)),
        Case(f"the batches {_BATCHES[1:3]}", (_BATCHES[1:3],)),
    ),
    faults=(
        Fault(
            "It knows of the last batch only: each round of the loop forgets what the others found.",
            (lambda batches: _accuracy(batches[-1]),),
        ),
        Fault("It knows of the first batch only. Where does return stand?", (lambda batches: _accuracy(batches[0]),)),
        Fault(
            "An image in a small batch counts more than one in a large batch.",
            (lambda batches: sum(map(_accuracy, batches)) / len(batches),),
        ),
        Fault("It can be larger than 1: shares have been added up.", (lambda batches: sum(map(_accuracy, batches)),)),
        Fault(
            "It takes all batches to be as large as one of them.",
            (
                lambda batches: sum(map(_right, batches)) / (len(batches) * len(batches[0][0])),
                lambda batches: sum(map(_right, batches)) / (len(batches) * len(batches[-1][0])),
                lambda batches: sum(map(_right, batches)) / (len(batches) * 200),
            ),
        ),
        Fault(
            "It compares whole lists, which are equal only where every image is right. Go through them with zip.",
            (
                lambda batches: sum(true == said for true, said in batches) / len(batches),
                lambda batches: sum(true == said for true, said in batches) / sum(len(true) for true, _ in batches),
            ),
        ),
        Fault(
            "Images were counted above the line, and something else below it.",
            (
                lambda batches: sum(map(_right, batches)) / len(batches),
                lambda batches: sum(map(_right, batches)),
            ),
        ),
    ),
    afterwards="Not the mean of 0.9 and 0.2, and far from it: the denominator is what there is to find.",
)

# ---------------------------------------------------------------- the same?


def _verdict(low: float, high: float, margin: float) -> str:
    if -margin < low and high < margin:
        return "holds"
    return "fails" if low > margin or high < -margin else "open"


def _interval(values: Sequence[float], times: float | None = None, ddof: int = 1) -> tuple[float, float]:
    count, mean = len(values), sum(values) / len(values)
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - ddof) / count)
    half = error * (t.ppf(0.975, count - 1) if times is None else times)
    return mean - half, mean + half


def _same(differences: Sequence[float], margin: float) -> str:
    return _verdict(*_interval(differences), margin)


def _no_difference_found(differences: Sequence[float], margin: float) -> str:
    low, high = _interval(differences)
    return "holds" if low < 0 < high else "fails"


def _open_if_one_is_found(differences: Sequence[float], margin: float) -> str:
    return "holds" if _no_difference_found(differences, margin) == "holds" else "open"


def _each_by_itself(differences: Sequence[float], margin: float) -> str:
    within = [abs(difference) < margin for difference in differences]
    return "holds" if all(within) else "open" if any(within) else "fails"


def _surely_not_0(differences: Sequence[float], margin: float) -> str:
    low, high = _interval(differences)
    return "holds" if _same(differences, margin) == "holds" else "fails" if low > 0 or high < 0 else "open"


def _by_the_mean(differences: Sequence[float], margin: float) -> str:
    return "holds" if abs(sum(differences) / len(differences)) < margin else "fails"


def _spread_for_error(differences: Sequence[float], margin: float) -> str:
    return _verdict(*_interval(differences, t.ppf(0.975, len(differences) - 1) * math.sqrt(len(differences))), margin)


def _one_side(differences: Sequence[float], margin: float) -> str:
    low, high = _interval(differences)
    return "holds" if high < margin else "fails" if low > margin else "open"


def _never_open(differences: Sequence[float], margin: float) -> str:
    return "holds" if _same(differences, margin) == "holds" else "fails"


_SPREAD = (-1.5, -0.5, 0.0, 0.5, 1.5)  # of standard deviation 1.118, standard error 0.5
_SHIFTS = {  # mean and scale, in thousandths; the interval reaches 1.39 times the scale to both sides
    "small differences": (0.5, 1.0),
    "large differences": (0.0, 9.0),
    "differences that are all well above": (15.0, 2.0),
    "differences that are all well below": (-15.0, 2.0),
    "differences that are surely not 0, and little": (2.0, 1.0),
    "differences that spread far around 0": (0.0, 3.0),
    "differences that are almost little enough": (0.0, 4.5),
    "differences that are little but for chance": (1.0, 3.1),
    "differences of which single ones are large": (0.0, 3.5),
    "differences that are somewhat too far apart": (0.0, 4.8),
    "differences that are surely not 0, and perhaps little": (4.0, 2.0),
}

same = Exercise(
    question="the accuracies of two nets differ, in five seeds, by +0.012, −0.009, +0.010, −0.011 and +0.001: on "
    "average by next to nothing. The claim: they are the same but for 0.005. Does it hold, fail, or is it open?",
    ask=lambda function: function([0.012, -0.009, 0.010, -0.011, 0.001], 0.005),
    choices=("holds", "fails", "open"),
    task="a function of (differences, margin), a list with a number for each seed and the smallest difference that "
    "matters, that returns 'holds', 'fails' or 'open', as the 95 % interval of their mean lies within the margin, "
    "outside, or neither. Its half width is the standard error times t.ppf(0.975, n - 1), of scipy.stats.",
    solution=_same,
    cases=tuple(
        Case(
            f"{told}, {[round((mean + scale * x) / 1000, 5) for x in _SPREAD]}, and a margin of 0.005",
            ([(mean + scale * x) / 1000 for x in _SPREAD], 0.005),
        )
        for told, (mean, scale) in _SHIFTS.items()
    ),
    faults=(
        Fault(
            "That no difference was found does not show that there is none: where is the margin?",
            (_no_difference_found, _open_if_one_is_found),
        ),
        Fault("It looks at the mean alone. How sure is that mean?", (_by_the_mean,)),
        Fault("It asks each training by itself. Asked for is the interval of their mean.", (_each_by_itself,)),
        Fault("Surely not 0 is not yet surely too much: what is the margin for?", (_surely_not_0,)),
        Fault(
            "Your interval leaves 5 % on each side, and 95 % are to lie between.",
            (lambda d, margin: _verdict(*_interval(d, t.ppf(0.95, len(d) - 1)), margin),),
        ),
        Fault(
            "Your interval says where single trainings lie, not where their mean does, and is too wide.",
            (_spread_for_error,),
        ),
        Fault(
            "Your interval is somewhat too narrow: five numbers know little of their own spread.",
            (
                lambda differences, margin: _verdict(*_interval(differences, 1.96), margin),
                lambda differences, margin: _verdict(*_interval(differences, 2.0), margin),
                lambda differences, margin: _verdict(*_interval(differences, ddof=0), margin),
            ),
        ),
        Fault("A margin has two sides: something can also be too low to be the same.", (_one_side,)),
        Fault("It never leaves anything open, and calls refuted what is merely not sure.", (_never_open,)),
    ),
    afterwards="The mean is near 0, but with such a spread the truth may be more than 0.005 away, on either side.",
)
