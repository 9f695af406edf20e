import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pages import Page
from sklearn.metrics import precision_recall_curve, roc_curve
from test_javascript import node

from learnkit import metrics
from learnkit.labs import ThresholdLab
from learnkit.labs.threshold.state import ThresholdState

SCORES = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0])
LABELS = torch.tensor([0, 1, 0, 0, 1, 1])


@pytest.fixture
def lab() -> ThresholdLab:
    return ThresholdLab(SCORES, LABELS, names=("not a five", "a five"))


def overlapping(items: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.rand(items, generator=generator) < 0.1
    return torch.randn(items, generator=generator) + labels, labels


# ---------------------------------------------------------------- the state


@given(st.floats(-5, 5))
def test_the_matrix_is_that_of_the_scores_at_or_above_the_threshold(threshold):
    state = ThresholdState(SCORES, LABELS)
    state.change(threshold=threshold)
    expected = metrics.confusion_matrix(LABELS, torch.ge(SCORES, threshold).long(), 2)
    assert torch.equal(state.matrix, expected)


def test_at_the_lowest_position_everything_is_positive_and_at_the_highest_nothing():
    state = ThresholdState(SCORES, LABELS)
    state.change(threshold=state.ticks[0])
    assert state.matrix.tolist() == [[0, 3], [0, 3]]
    state.change(threshold=state.ticks[-1])
    assert state.matrix.tolist() == [[3, 0], [3, 0]]


@given(
    arrays(np.float32, 12, elements=st.floats(-4, 4, width=32), unique=True),
    arrays(np.bool_, 12),
    st.integers(0, 9),
    st.integers(1, 9),
)
def test_costs_move_the_threshold_to_where_no_other_is_cheaper(scores, labels, a, b):
    labels[:2] = [False, True]
    state = ThresholdState(torch.from_numpy(scores), torch.from_numpy(labels))
    state.change(costs=(a, b))

    def cost(threshold: float) -> float:
        called = scores >= threshold
        return a * (called & ~labels).sum() + b * (~called & labels).sum()

    least = min(cost(threshold) for threshold in [*scores.astype(float), math.inf])
    assert cost(state.settings["threshold"]) == least == state.cost(state.matrix, (a, b)).item()


def test_the_end_of_the_slider_calls_nothing_positive_in_the_precision_of_the_scores_too():
    scores = torch.tensor([0.0, 1.0, 2.3])
    state = ThresholdState(scores, torch.tensor([0, 1, 0]))
    assert not (scores >= state.ticks[-1]).any()


def test_dear_convictions_send_the_threshold_up_and_dear_misses_down():
    state = ThresholdState(*overlapping(5000))
    state.change(costs=(10, 1))
    judge, (_, false_positives) = state.settings["threshold"], state.matrix[0].tolist()
    state.change(costs=(1, 10))
    assert state.settings["threshold"] < judge
    assert state.matrix[0, 1] > false_positives


@pytest.mark.parametrize(("second", "roundest"), [(1.4, 1), (0.8, 0.6), (0.46, 0.43)])
def test_the_cheapest_threshold_is_as_round_as_can_be(second, roundest):
    state = ThresholdState(torch.tensor([0.4, second], dtype=torch.float64), torch.tensor([0, 1]))
    state.change(costs=(1, 1))
    assert state.settings["threshold"] == roundest


def test_the_cheapest_threshold_lies_between_two_scores_however_close_they_are():
    low, high = 0.1, float(np.nextafter(0.1, 1))
    state = ThresholdState(torch.tensor([low, high], dtype=torch.float64), torch.tensor([0, 1]))
    state.change(costs=(1, 1))
    assert state.settings["threshold"] == high
    assert state.matrix.tolist() == [[1, 0], [0, 1]]


def test_the_lab_decides_as_a_comparison_with_the_scores_themselves_does():
    scores = torch.tensor([0.0, 1.9, 3.0])  # in float32, which has no 1.9
    state = ThresholdState(scores, torch.tensor([0, 1, 1]))
    state.change(threshold=1.9)
    assert (scores >= state.settings["threshold"]).tolist() == [False, True, True]
    assert state.matrix.tolist() == [[1, 0], [0, 2]]


@pytest.mark.parametrize("scale", [1e-6, 1, 1e9])
@pytest.mark.parametrize("shift", [0, 0.37])
def test_the_slider_has_at_least_200_positions_whatever_the_unit_of_the_scores(scale, shift):
    state = ThresholdState((SCORES.double() + shift) * scale, LABELS)
    assert 200 <= len(state.ticks) <= 510
    steps = np.diff(state.ticks)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
    assert state.settings["threshold"] == state.ticks[len(state.ticks) // 2]


def test_scores_may_have_gradients_or_be_whole_numbers_and_labels_may_be_yes_and_no():
    state = ThresholdState(SCORES.clone().requires_grad_(), LABELS == 1)
    assert torch.equal(state.matrices, ThresholdState(SCORES, LABELS).matrices)
    assert ThresholdState(torch.tensor([1, 2, 3]), torch.tensor([0, 1, 1])).thresholds[:3].tolist() == [1, 2, 3]


# ---------------------------------------------------------------- what the page computes


PROGRAM = """
import { readFileSync } from "node:fs";
import { costOf, makeDecisions, ratesOf } from "./learnkit/labs/threshold/decisions.js";
const { scores, labels, end, single, thresholds, costs } = JSON.parse(readFileSync(0, "utf8"));
const precision = single ? Math.fround : undefined;
const decisions = makeDecisions(Float64Array.from(scores), Uint8Array.from(labels), end, precision);
const counts = thresholds.map(decisions.countsAt);
const { precisionCurve, rocCurve } = decisions;
console.log(JSON.stringify({ counts, rates: decisions.counts.map(ratesOf), cheapest: costs.map(decisions.cheapest),
  costs: counts.map((each) => costOf(each, [3, 2])), precisionCurve, rocCurve,
  histogram: decisions.histogram([scores[0], end]) }));
"""


def in_the_browser(state: ThresholdState, thresholds=(), costs=()) -> dict:
    """What decisions.js makes of what the page is sent."""
    sent = state.constants
    scores, labels = np.frombuffer(sent["scores"], "<f8"), np.frombuffer(sent["labels"], np.uint8)
    known = {"scores": scores.tolist(), "labels": labels.tolist(), "end": sent["end"]}
    known |= {"single": sent["precision"] == "float32", "thresholds": list(thresholds), "costs": list(costs)}
    return json.loads(node("--input-type=module", "--eval", PROGRAM, stdin=json.dumps(known)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_page_counts_and_decides_as_the_kernel_does(dtype):
    scores, labels = overlapping(500)
    state = ThresholdState((10 * scores).round().to(dtype) / 10, labels)  # with ties, and numbers that float32 has not
    thresholds = [*state.ticks[::9], 1.9, 0.30000000000000004, -50.0, 50.0]
    costs = [(1, 1), (10, 1), (1, 10), (0, 1), (1, 0), (2.5, 0.1)]
    found = in_the_browser(state, thresholds, costs)
    for threshold, counts, cost in zip(thresholds, found["counts"], found["costs"], strict=True):
        state.change(threshold=threshold)
        assert [[counts["tn"], counts["fp"]], [counts["fn"], counts["tp"]]] == state.matrix.tolist()
        assert cost == state.cost(state.matrix, (3, 2)).item()
    assert found["cheapest"] == [state.cheapest(pair) for pair in costs]


def test_the_curves_of_the_page_are_those_of_scikit_learn():
    scores, labels = overlapping(200)
    found = in_the_browser(ThresholdState(scores, labels))
    share = {name: np.array([rate[name] for rate in found["rates"]], dtype=float) for name in found["rates"][0]}
    precision, recall, _ = precision_recall_curve(labels, scores)
    np.testing.assert_allclose(share["precision"][:-1], precision[:-1])  # sklearn adds a point where 0/0 counts as 1
    np.testing.assert_allclose(share["recall"], recall)
    assert np.isnan(share["precision"][-1])
    false_alarms, recall, _ = roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(share["fpr"][::-1], false_alarms)
    np.testing.assert_allclose(share["recall"][::-1], recall)
    matrices = ThresholdState(scores, labels).matrices
    np.testing.assert_allclose(share["f1"], metrics.f1(matrices, average=None)[:, 1])
    np.testing.assert_allclose(share["accuracy"], metrics.accuracy(matrices))
    assert (found["rocCurve"]["x"], found["rocCurve"]["y"]) == (share["fpr"].tolist(), share["recall"].tolist())
    assert len(found["precisionCurve"]["x"]) == len(precision) - 1
    for kind in (0, 1):
        assert sum(found["histogram"]["y"][kind][::2]) == (labels == kind).sum()


def test_many_scores_are_sent_once_and_a_move_sends_next_to_nothing():
    lab = ThresholdLab(*overlapping(10_000))
    assert len(lab.constants["scores"]) + len(lab.constants["labels"]) == 90_000
    page = Page(lab)
    page.change(threshold=0.5)
    assert page.sizes[-1] < 200


# ---------------------------------------------------------------- the lab


def test_the_page_an_assignment_and_a_link_all_set_the_threshold_that_counts(lab):
    page = Page(lab)
    page.change(threshold="0.123456")  # as it was typed
    assert lab.threshold == 0.123456
    assert lab.matrix.tolist() == [[1, 2], [1, 2]]
    lab.threshold = 2.5
    assert page.frame["values"]["threshold"] == 2.5
    assert lab.matrix.tolist() == [[3, 0], [2, 1]]
    page.change(threshold=100)  # beyond the slider
    assert lab.threshold == 100


def test_costs_move_the_threshold_and_a_page_may_set_both(lab):
    lab.costs = (10, 1)
    assert (lab.costs, lab.threshold) == ((10, 1), 2)
    page = Page(lab)
    page.change(costs=["1", 10])
    assert (lab.costs, lab.threshold) == ((1, 10), 0)
    page.change(costs=[10, 1], threshold=1.5)
    assert (lab.costs, lab.threshold) == ((10, 1), 1.5)


def test_a_refused_number_is_explained_in_the_lab_which_stays_as_it_was(lab):
    page = Page(lab)
    lab.threshold = 1
    page.change(costs=["-3", 1])
    assert page.frame["refused"]["costs"].startswith("The costs are ['-3', 1]; expected two numbers, 0 or more")
    assert page.frame["values"] == {"threshold": 1, "costs": [1, 1]}
    page.change(threshold="inf")
    assert page.frame["refused"] == {"threshold": "threshold is 'inf'; expected a number."}
    assert lab.threshold == 1
    page.change(threshold=2)
    assert page.frame["refused"] == {}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (torch.full((4,), 0.5), torch.tensor([0, 1, 0, 1]), "All 4 scores are 0.5, so that no threshold can tell"),
        (SCORES, torch.ones(6, dtype=torch.int64), r"All 6 labels are 1 \(positive\)"),
        (SCORES, torch.zeros(6, dtype=torch.int64), r"All 6 labels are 0 \(negative\)"),
        (torch.tensor([0.1, torch.nan, torch.nan]), torch.tensor([0, 1, 0]), "2 of the 3 scores are NaN"),
        (torch.tensor([0.1, torch.inf, 0]), torch.tensor([0, 1, 0]), "1 of the 3 scores are infinite"),
        (SCORES, LABELS[:4], "4 labels and 6 scores; expected equally many"),
        (SCORES, torch.tensor([5, 0, 1, 2, 3, 4]), "labels contain 5; with 2 classes"),
        (SCORES, LABELS.float(), "labels have the dtype torch.float32; expected whole numbers"),
        (SCORES.view(2, 3), LABELS, r"scores have the shape \(2, 3\); expected one axis"),
        (SCORES[:0], LABELS[:0], "labels are empty"),
    ],
)
def test_scores_and_labels_that_leave_nothing_to_decide_are_refused(scores, labels, message):
    with pytest.raises(ValueError, match=message):
        ThresholdLab(scores, labels)


@pytest.mark.parametrize("threshold", [math.nan, math.inf, "one", True])
def test_a_threshold_that_is_no_number_is_refused(lab, threshold, unchecked):
    with pytest.raises(ValueError, match=r"threshold is .*; expected a number"):
        lab.threshold = threshold
    assert lab.threshold == lab.state.settings["threshold"]


@pytest.mark.parametrize("costs", [(0, 0), (-1, 1), (math.nan, 1), (1, 2, 3), ("one", 2), 7])
def test_costs_that_are_none_are_refused(lab, costs, unchecked):
    with pytest.raises(ValueError, match="expected two numbers, 0 or more and not both 0"):
        lab.costs = costs
