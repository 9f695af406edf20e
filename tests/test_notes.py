"""The four numbers that the notes report on Day 2, and the one confusion of the last 200 test images that gives them.

Digits with equally many images cannot be told apart by these numbers, so they are searched as groups; the two halves of
the search meet in the middle, in the sum of the precisions.
"""

from fractions import Fraction
from itertools import combinations_with_replacement, product

import numpy as np
import torch

from learnkit import metrics

WRONG = 25  # of 200, since the accuracy is 0.875
PRECISION, RECALL, F1 = 8.715983553483554, 8.616165413533835, 8.623119627497193  # ten times the mean
GROUPS = {21: 3, 25: 2, 20: 2, 14: 2, 19: 1}  # how many digits have so many images
CLOSE = 1e-12

Half = tuple[np.ndarray, np.ndarray, np.ndarray, list[tuple]]  # false positives, sums of precision and F1, who


def error_totals() -> list[tuple[int, ...]]:
    """How the wrong images can be shared among the groups, by the recall alone."""
    target = 10 - Fraction(RECALL).limit_denominator(10_000)
    totals = product(range(WRONG + 1), repeat=4)
    candidates = [(WRONG - sum(total), *total) for total in totals if sum(total) <= WRONG]
    return [
        errors
        for errors in candidates
        if sum(Fraction(wrong, size) for wrong, size in zip(errors, GROUPS, strict=True)) == target
    ]


def group(size: int, digits: int, wrong: int) -> Half:
    """Every way in which the digits of one size can share their errors and take false positives."""
    rows = []
    for errors in combinations_with_replacement(range(min(wrong, size) + 1), digits):
        if sum(errors) != wrong:
            continue
        for taken in product(range(WRONG + 1), repeat=digits):
            if sum(taken) > WRONG:
                continue
            pairs = list(zip(errors, taken, strict=True))
            found = [size - error for error in errors]
            if any(right + extra == 0 for right, extra in zip(found, taken, strict=True)):
                continue
            precision = sum(right / (right + extra) for right, extra in zip(found, taken, strict=True))
            f1 = sum(2 * right / (2 * right + e + x) for right, (e, x) in zip(found, pairs, strict=True))
            rows.append((sum(taken), precision, f1, tuple(sorted(pairs))))
    unique = sorted({row[3]: row for row in rows}.values())
    return (*(np.array([row[i] for row in unique]) for i in range(3)), [row[3] for row in unique])


def together(one: Half, other: Half) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every pair of the two that has not too many false positives."""
    first, second = np.nonzero(one[0][:, None] + other[0][None, :] <= WRONG)
    return (*(one[i][first] + other[i][second] for i in range(3)), first, second)


def search(errors: tuple[int, ...]) -> set[tuple]:
    """Each confusion with these errors that gives precision and F1."""
    parts = [group(size, digits, wrong) for (size, digits), wrong in zip(GROUPS.items(), errors, strict=True)]
    left = together(parts[0], parts[1])
    middle = together(parts[2], parts[3])
    right = together((*middle[:3], []), parts[4])
    found = set()
    for taken in range(WRONG + 1):
        rows, others = np.nonzero(left[0] == taken)[0], np.nonzero(right[0] == WRONG - taken)[0]
        others = others[np.argsort(right[1][others])]
        begin = np.searchsorted(right[1][others], PRECISION - left[1][rows] - CLOSE)
        end = np.searchsorted(right[1][others], PRECISION - left[1][rows] + CLOSE)
        for i in np.nonzero(end > begin)[0]:
            for j in others[begin[i] : end[i]]:
                if abs(left[2][rows[i]] + right[2][j] - F1) < CLOSE:
                    a, b, pair, e = left[3][rows[i]], left[4][rows[i]], right[3][j], right[4][j]
                    chosen = (a, b, middle[3][pair], middle[4][pair], e)
                    found.add(tuple(part[3][index] for part, index in zip(parts, chosen, strict=True)))
    return found


def test_exactly_one_confusion_of_the_last_200_images_gives_the_four_numbers(mnist):
    assert sorted(mnist.test_labels[-200:].bincount().tolist()) == sorted(
        size for size, digits in GROUPS.items() for _ in range(digits)
    )
    totals = error_totals()
    assert len(totals) == 3
    (solution,) = set.union(*map(search, totals))
    # As in the notebook: errors and false positives of 21-image digits, then of 25, 20, 14 and 19.
    assert solution == (((1, 2), (1, 7), (7, 4)), ((0, 0), (0, 1)), ((0, 2), (7, 3)), ((3, 2), (4, 1)), ((2, 3),))


def test_our_own_metrics_give_the_four_numbers_for_such_a_confusion():
    size = [21, 25, 21, 20, 20, 14, 19, 25, 21, 14]
    missed, taken = [1, 0, 1, 0, 7, 3, 2, 0, 7, 4], [7, 0, 2, 2, 3, 2, 3, 1, 4, 1]
    matrix = torch.diag(torch.tensor(size) - torch.tensor(missed))
    # Which digit was taken for which is not known, nor does it matter: any table with these margins will do.
    for true in range(10):
        for predicted in range(10):
            if true != predicted:
                moved = min(missed[true], taken[predicted])
                matrix[true, predicted] += moved
                missed[true] -= moved
                taken[predicted] -= moved
    assert sum(missed) == sum(taken) == 0
    assert metrics.accuracy(matrix).item() == 0.875
    for metric, value in ((metrics.precision, PRECISION), (metrics.recall, RECALL), (metrics.f1, F1)):
        assert abs(10 * metric(matrix).item() - value) < 1e-13
