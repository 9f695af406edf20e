"""The four numbers that the notes report on Day 2 and on Day 4, and the batches of the test set that can give them."""

from functools import cache

import numpy as np
import pytest
import torch

from learnkit import metrics
from learnkit.study import stored

# Images that are wrong, of 200, and ten times the means of precision, recall and F1.
DAY_2 = (25, 8.715983553483554, 8.616165413533835, 8.623119627497193)
DAY_4 = (17, 9.030176767676767, 9.013231608432847, 9.002948928934773)
CLOSE = 1e-11


@cache
def shared_among_five(at_most: int) -> np.ndarray:
    """Every way to share up to so many things among five digits, a row each; the fewest first."""
    grid = np.indices((at_most + 1,) * 5, dtype=np.int8).reshape(5, -1).T
    grid = grid[grid.sum(1, dtype=int) <= at_most].astype(int)
    return grid[np.argsort(grid.sum(1), kind="stable")]


def pairs_that_sum_to(left: np.ndarray, right: np.ndarray, target: float) -> tuple[np.ndarray, np.ndarray]:
    """The places in two arrays of which the sum is the target."""
    order = np.argsort(right)
    begin = np.searchsorted(right[order], target - left - CLOSE)
    end = np.searchsorted(right[order], target - left + CLOSE)
    some = np.nonzero(end > begin)[0]
    empty = np.zeros(0, dtype=int)
    first = np.concatenate([empty, *(np.full(end[i] - begin[i], i) for i in some)])
    return first, np.concatenate([empty, *(order[begin[i] : end[i]] for i in some)])


def errors_with_this_recall(sizes: np.ndarray, wrong: int, recall: float) -> np.ndarray:
    """How many images of each digit can be wrong: ``(solutions, 10)``."""
    share = shared_among_five(wrong)
    halves = [share[(share <= sizes[half]).all(1)] for half in (slice(0, 5), slice(5, 10))]
    lost = [(half / sizes[part]).sum(1) for half, part in zip(halves, (slice(0, 5), slice(5, 10)), strict=True)]
    first, second = pairs_that_sum_to(*lost, 10 - recall)
    errors = np.concatenate([halves[0][first], halves[1][second]], axis=1)
    return errors[errors.sum(1) == wrong]


def without_swaps(sizes: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Digits with equally many images cannot be told apart: of each set of swaps, the one in ascending order."""
    same = [np.nonzero(sizes == size)[0] for size in np.unique(sizes)]
    return errors[np.all([(np.diff(errors[:, digits]) >= 0).all(1) for digits in same], axis=0)]


def confusions(labels: torch.Tensor, numbers: tuple[int, float, float, float]) -> list[tuple[list[int], list[int]]]:
    """The errors and false positives of each digit that give the four numbers on these 200 images."""
    wrong, precision, recall, f1 = numbers
    sizes = labels.bincount(minlength=10).numpy()
    taken = shared_among_five(wrong)
    begin = np.searchsorted(taken.sum(1), range(wrong + 2))
    solutions = []
    for errors in without_swaps(sizes, errors_with_this_recall(sizes, wrong, recall)):
        found = sizes - errors
        precisions = found[:, None] / np.maximum(found[:, None] + range(wrong + 1), 1)  # (digit, falsely taken for it)
        halves = [sum(precisions[half + digit][taken[:, digit]] for digit in range(5)) for half in (0, 5)]
        for some in range(wrong + 1):
            left, right = (slice(begin[count], begin[count + 1]) for count in (some, wrong - some))
            first, second = pairs_that_sum_to(halves[0][left], halves[1][right], precision)
            both = np.concatenate([taken[left][first], taken[right][second]], axis=1)
            fits = np.abs((2 * found / (found + both + sizes)).sum(1) - f1) < CLOSE
            solutions += [(errors.tolist(), false_positives) for false_positives in both[fits].tolist()]
    return solutions


def test_of_all_batches_of_200_in_file_order_the_last_alone_gives_the_four_numbers_of_day_2_and_in_one_way(mnist):
    batches = mnist.test_labels.split(200)
    solutions = {batch: confusions(labels, DAY_2) for batch, labels in enumerate(batches)}
    assert [batch for batch, found in solutions.items() if found] == [49]
    sizes = batches[49].bincount(minlength=10).tolist()
    found = {tuple(sorted(zip(sizes, *solution, strict=True))) for solution in solutions[49]}
    errors, taken = [1, 0, 1, 0, 7, 3, 2, 0, 7, 4], [7, 0, 2, 2, 3, 2, 3, 1, 4, 1]  # as in the notebook
    assert found == {tuple(sorted(zip(sizes, errors, taken, strict=True)))}


LINEAR, LARGE_STEPS, RELU = 0.01, 0.1, 0.001  # the learning rate stands for the whole way to train
DEPTHS = ["(784, 10)", "(784, 128, 10)", "(784, 128, 256, 10)"]
DEEPER = ["(784, 128, 256, 256, 10)", "(784, 128, 256, 256, 1024, 10)"]


@pytest.mark.parametrize(
    ("way", "sizes", "accuracies", "losses"),
    [
        (LINEAR, [*DEPTHS, *DEEPER], [0.904, 0.914, 0.918, 0.918, 0.918], [None, 0.321, 0.301, 0.295, 0.288]),
        (LARGE_STEPS, DEPTHS, [0.9213, 0.9237, 0.9218], None),
        (RELU, [*DEPTHS[1:], *DEEPER], [0.979, 0.976, 0.977, 0.978], None),
    ],
)
def test_the_depths_come_out_as_they_were_first_measured(way, sizes, accuracies, losses):
    depth = stored("day2_depth")
    ends = depth[(depth["epoch"] == 20) & (depth["learning_rate"] == way)].groupby("sizes")
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
def test_the_extremes_come_out_as_they_were_first_measured_with_one_seed(net, accuracy, loss):
    extremes = stored("day2_extremes")
    rows = extremes[(extremes["epoch"] == 20) & (extremes["sizes"] == net)].set_index("seed")
    assert abs(rows["test_accuracy"][0] - accuracy) <= 0.02
    assert abs(rows["train_loss"][0] - loss) <= 0.01
    assert rows["test_accuracy"].std() <= 0.03


def test_of_one_neuron_before_2048_a_single_seed_says_little():
    extremes = stored("day2_extremes")  # 0.367 was measured first
    accuracies = extremes[(extremes["epoch"] == 20) & (extremes["sizes"] == "(784, 1, 2048, 10)")]["test_accuracy"]
    assert accuracies.min() - 0.02 <= 0.367 <= accuracies.max()


def test_no_batch_of_200_in_file_order_gives_the_four_numbers_of_day_4(mnist):
    batches = mnist.test_labels.split(200)
    by_recall = [
        batch
        for batch, labels in enumerate(batches)
        if len(errors_with_this_recall(labels.bincount(minlength=10).numpy(), DAY_4[0], DAY_4[2]))
    ]
    assert by_recall == [1, 23, 24, 33]
    assert [confusions(batches[batch], DAY_4) for batch in by_recall] == [[], [], [], []]


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
    for metric, value in zip((metrics.precision, metrics.recall, metrics.f1), DAY_2[1:], strict=True):
        assert abs(10 * metric(matrix).item() - value) < 1e-13
