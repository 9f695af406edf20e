"""The four numbers that the notes report on Day 2 and on Day 4, and which batches of the test set can produce them."""

from functools import cache

import numpy as np
import pytest
import torch

from learnkit import metrics
from learnkit.study import stored

# The number of misclassified images among 200, and ten times macro precision, recall and F1.
DAY_2 = (25, 8.715983553483554, 8.616165413533835, 8.623119627497193)
DAY_4 = (17, 9.030176767676767, 9.013231608432847, 9.002948928934773)
TOLERANCE = 1e-11


@cache
def distributed_among_five(at_most: int) -> np.ndarray:
    """Every way to distribute at most this many items among five digits, a row each, in order of their number."""
    grid = np.indices((at_most + 1,) * 5, dtype=np.int8).reshape(5, -1).T
    grid = grid[grid.sum(1, dtype=int) <= at_most].astype(int)
    return grid[np.argsort(grid.sum(1), kind="stable")]


def pairs_that_sum_to(left: np.ndarray, right: np.ndarray, target: float) -> tuple[np.ndarray, np.ndarray]:
    """The indices of all pairs, one value from each array, whose sum is the target."""
    order = np.argsort(right)
    start = np.searchsorted(right[order], target - left - TOLERANCE)
    stop = np.searchsorted(right[order], target - left + TOLERANCE)
    matched = np.nonzero(stop > start)[0]
    empty = np.zeros(0, dtype=int)
    first = np.concatenate([empty, *(np.full(stop[i] - start[i], i) for i in matched)])
    return first, np.concatenate([empty, *(order[start[i] : stop[i]] for i in matched)])


def errors_with_this_recall(sizes: np.ndarray, wrong: int, recall: float) -> np.ndarray:
    """The possible numbers of misclassified images of each digit: ``(solutions, 10)``."""
    errors = distributed_among_five(wrong)
    halves = [errors[(errors <= sizes[half]).all(1)] for half in (slice(0, 5), slice(5, 10))]
    missed = [(half / sizes[part]).sum(1) for half, part in zip(halves, (slice(0, 5), slice(5, 10)), strict=True)]
    first, second = pairs_that_sum_to(*missed, 10 - recall)
    errors = np.concatenate([halves[0][first], halves[1][second]], axis=1)
    return errors[errors.sum(1) == wrong]


def without_permutations(sizes: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Digits with equally many images are interchangeable: keep one of each set of permutations, in ascending order."""
    same = [np.nonzero(sizes == size)[0] for size in np.unique(sizes)]
    return errors[np.all([(np.diff(errors[:, digits]) >= 0).all(1) for digits in same], axis=0)]


def confusions(labels: torch.Tensor, numbers: tuple[int, float, float, float]) -> list[tuple[list[int], list[int]]]:
    """The errors and false positives of each digit with which these 200 images give the four numbers."""
    wrong, precision, recall, f1 = numbers
    sizes = labels.bincount(minlength=10).numpy()
    taken = distributed_among_five(wrong)
    start = np.searchsorted(taken.sum(1), range(wrong + 2))
    solutions = []
    for errors in without_permutations(sizes, errors_with_this_recall(sizes, wrong, recall)):
        correct = sizes - errors
        precisions = correct[:, None] / np.maximum(correct[:, None] + range(wrong + 1), 1)  # (digit, false positives)
        halves = [sum(precisions[half + digit][taken[:, digit]] for digit in range(5)) for half in (0, 5)]
        for first_half in range(wrong + 1):
            left, right = (slice(start[count], start[count + 1]) for count in (first_half, wrong - first_half))
            first, second = pairs_that_sum_to(halves[0][left], halves[1][right], precision)
            both = np.concatenate([taken[left][first], taken[right][second]], axis=1)
            fits = np.abs((2 * correct / (correct + both + sizes)).sum(1) - f1) < TOLERANCE
            solutions += [(errors.tolist(), false_positives) for false_positives in both[fits].tolist()]
    return solutions


def test_the_last_batch_of_200_in_file_order_gives_the_four_numbers_of_day_2_in_one_way(mnist):
    last = mnist.test_labels[-200:]
    sizes = last.bincount(minlength=10).tolist()
    found = {tuple(sorted(zip(sizes, *solution, strict=True))) for solution in confusions(last, DAY_2)}
    errors, taken = [1, 0, 1, 0, 7, 3, 2, 0, 7, 4], [7, 0, 2, 2, 3, 2, 3, 1, 4, 1]  # as in the notebook
    assert found == {tuple(sorted(zip(sizes, errors, taken, strict=True)))}


@pytest.mark.slow
def test_no_other_batch_of_200_in_file_order_gives_the_four_numbers_of_day_2(mnist):
    batches = mnist.test_labels.split(200)
    assert [batch for batch, labels in enumerate(batches) if confusions(labels, DAY_2)] == [49]


LINEAR, LARGE_STEPS, RELU = 0.01, 0.1, 0.001  # the learning rate identifies the kind of training
DEPTHS = ["(784, 10)", "(784, 128, 10)", "(784, 128, 256, 10)"]
DEEPER = ["(784, 128, 256, 256, 10)", "(784, 128, 256, 256, 1024, 10)"]


@pytest.mark.parametrize(
    ("learning_rate", "sizes", "accuracies", "losses"),
    [
        (LINEAR, [*DEPTHS, *DEEPER], [0.904, 0.914, 0.918, 0.918, 0.918], [None, 0.321, 0.301, 0.295, 0.288]),
        (LARGE_STEPS, DEPTHS, [0.9213, 0.9237, 0.9218], None),
        (RELU, [*DEPTHS[1:], *DEEPER], [0.979, 0.976, 0.977, 0.978], None),
    ],
)
def test_the_stored_depths_agree_with_the_first_measurements(learning_rate, sizes, accuracies, losses):
    depth = stored("day2_depth")
    ends = depth[(depth["epoch"] == 20) & (depth["learning_rate"] == learning_rate)].groupby("sizes")
    assert set(ends["seed"].nunique()) == {5}
    for net, accuracy, loss in zip(sizes, accuracies, losses or [None] * len(sizes), strict=True):
        assert abs(ends["test_accuracy"].mean()[net] - accuracy) <= 0.004
        assert loss is None or abs(ends["train_loss"].mean()[net] - loss) <= 0.002


@pytest.mark.parametrize(
    ("net", "accuracy", "loss"),
    [
        ("(784, 1, 256, 10)", 0.427, 1.54),
        ("(784, 4, 256, 10)", 0.862, 0.487),
        ("(784, 4, 2048, 10)", 0.867, 0.466),
        ("(784, 256, 1, 10)", 0.361, 1.57),
    ],
)
def test_the_stored_extremes_agree_with_the_first_measurements_of_one_seed(net, accuracy, loss):
    extremes = stored("day2_extremes")
    rows = extremes[(extremes["epoch"] == 20) & (extremes["sizes"] == net)].set_index("seed")
    assert abs(rows["test_accuracy"][0] - accuracy) <= 0.02
    assert abs(rows["train_loss"][0] - loss) <= 0.01
    assert rows["test_accuracy"].std() <= 0.03


def test_with_one_neuron_before_2048_a_single_seed_says_little():
    extremes = stored("day2_extremes")  # 0.367 was measured first
    accuracies = extremes[(extremes["epoch"] == 20) & (extremes["sizes"] == "(784, 1, 2048, 10)")]["test_accuracy"]
    assert accuracies.min() - 0.02 <= 0.367 <= accuracies.max()


def test_no_batch_of_200_in_file_order_can_give_the_four_numbers_of_day_4(mnist):
    batches = mnist.test_labels.split(200)
    by_recall = [
        batch
        for batch, labels in enumerate(batches)
        if len(errors_with_this_recall(labels.bincount(minlength=10).numpy(), DAY_4[0], DAY_4[2]))
    ]
    assert by_recall == [1, 23, 24, 33]
    assert [confusions(batches[batch], DAY_4) for batch in by_recall] == [[], [], [], []]


def test_learnkits_metrics_give_the_four_numbers_of_day_2_for_such_a_confusion_matrix():
    size = [21, 25, 21, 20, 20, 14, 19, 25, 21, 14]
    missed, taken = [1, 0, 1, 0, 7, 3, 2, 0, 7, 4], [7, 0, 2, 2, 3, 2, 3, 1, 4, 1]
    matrix = torch.diag(torch.tensor(size) - torch.tensor(missed))
    # Which digits were confused is unknown and does not matter: any matrix with these margins has the same metrics.
    for true in range(10):
        for predicted in range(10):
            if true != predicted:
                moved = min(missed[true], taken[predicted])
                matrix[true, predicted] += moved
                missed[true] -= moved
                taken[predicted] -= moved
    assert sum(missed) == sum(taken) == 0
    assert metrics.accuracy(matrix).item() == 0.875
    for metric, value in zip((metrics.precision, metrics.recall, metrics.f1), DAY_2[1:], strict=True):
        assert abs(10 * metric(matrix).item() - value) < 1e-13
