import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import precision_recall_curve, roc_curve

from learnkit import metrics
from learnkit.labs import ThresholdLab
from learnkit.labs.threshold_state import POINTS, ThresholdState, rates, thinned

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
    state.threshold = threshold
    expected = metrics.confusion_matrix(LABELS, torch.ge(SCORES, threshold).long(), 2)
    assert torch.equal(state.matrix, expected)


def test_at_the_lowest_position_everything_is_positive_and_at_the_highest_nothing():
    state = ThresholdState(SCORES, LABELS)
    state.threshold = state.lowest
    assert state.matrix.tolist() == [[0, 3], [0, 3]]
    state.threshold = state.highest
    assert state.matrix.tolist() == [[3, 0], [3, 0]]


def test_the_curves_are_those_of_scikit_learn():
    scores, labels = overlapping(500)
    state = ThresholdState(scores, labels)
    share = rates(state.matrices)
    precision, recall, _ = precision_recall_curve(labels, scores)
    np.testing.assert_allclose(share["precision"][:-1], precision[:-1])  # sklearn adds a point where 0/0 counts as 1
    np.testing.assert_allclose(share["recall"], recall)
    false_alarms, recall, _ = roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(share["false positive rate"].flip(0), false_alarms)
    np.testing.assert_allclose(share["recall"].flip(0), recall)
    assert share["precision"][-1].isnan()


@given(
    arrays(np.float32, 12, elements=st.floats(-4, 4, width=32), unique=True),
    arrays(np.bool_, 12),
    st.integers(0, 9),
    st.integers(1, 9),
)
def test_costs_move_the_threshold_to_where_no_other_is_cheaper(scores, labels, a, b):
    labels[:2] = [False, True]
    state = ThresholdState(torch.from_numpy(scores), torch.from_numpy(labels))
    state.costs = (a, b)

    def cost(threshold: float) -> float:
        called = scores >= threshold
        return a * (called & ~labels).sum() + b * (~called & labels).sum()

    least = min(cost(threshold) for threshold in [*scores.astype(float), math.inf])
    assert cost(state.threshold) == least == state.cost(state.matrix).item()


def test_the_end_of_the_slider_calls_nothing_positive_in_the_precision_of_the_scores_too():
    scores = torch.tensor([0.0, 1.0, 2.3])
    state = ThresholdState(scores, torch.tensor([0, 1, 0]))
    assert not (scores >= state.highest).any()


def test_dear_convictions_send_the_threshold_up_and_dear_misses_down():
    state = ThresholdState(*overlapping(5000))
    state.costs = (10, 1)
    judge, (_, false_positives) = state.threshold, state.matrix[0].tolist()
    state.costs = (1, 10)
    assert state.threshold < judge
    assert state.matrix[0, 1] > false_positives


@pytest.mark.parametrize(("second", "roundest"), [(1.4, 1), (0.8, 0.6), (0.46, 0.43)])
def test_the_cheapest_threshold_is_as_round_as_can_be(second, roundest):
    state = ThresholdState(torch.tensor([0.4, second], dtype=torch.float64), torch.tensor([0, 1]))
    state.costs = (1, 1)
    assert state.threshold == roundest


def test_the_cheapest_threshold_lies_between_two_scores_however_close_they_are():
    low, high = 0.1, float(np.nextafter(0.1, 1))
    state = ThresholdState(torch.tensor([low, high], dtype=torch.float64), torch.tensor([0, 1]))
    state.costs = (1, 1)
    assert state.threshold == high
    assert state.matrix.tolist() == [[1, 0], [0, 1]]


def test_the_lab_decides_as_a_comparison_with_the_scores_themselves_does():
    scores = torch.tensor([0.0, 1.9, 3.0])  # in float32, which has no 1.9
    state = ThresholdState(scores, torch.tensor([0, 1, 1]))
    state.threshold = 1.9
    assert (scores >= state.threshold).tolist() == [False, True, True]
    assert state.matrix.tolist() == [[1, 0], [0, 2]]


@pytest.mark.parametrize("scale", [1e-6, 1, 1e9])
@pytest.mark.parametrize("shift", [0, 0.37])
def test_the_slider_has_at_least_200_positions_whatever_the_unit_of_the_scores(scale, shift):
    state = ThresholdState((SCORES.double() + shift) * scale, LABELS)
    positions = (state.highest - state.lowest) / state.step
    assert 200 <= positions <= 510
    assert positions == pytest.approx(round(positions))


def test_scores_may_have_gradients_or_be_whole_numbers_and_labels_may_be_yes_and_no():
    state = ThresholdState(SCORES.clone().requires_grad_(), LABELS == 1)
    assert torch.equal(state.matrices, ThresholdState(SCORES, LABELS).matrices)
    assert ThresholdState(torch.tensor([1, 2, 3]), torch.tensor([0, 1, 1])).thresholds[:3].tolist() == [1, 2, 3]


# ---------------------------------------------------------------- the view


def numbers(lab: ThresholdLab) -> str:
    return lab._numbers.value


def test_the_slider_the_field_and_an_assignment_all_set_the_threshold_that_counts(lab):
    lab._slider.value = 76
    assert lab.threshold == lab._field.value == 1.52
    assert lab.matrix.tolist() == [[3, 0], [1, 2]]
    lab._field.value = 0.123456  # finer than the slider's steps
    assert lab.threshold == 0.123456
    assert lab._slider.value == 6
    lab.threshold = 2.5
    assert (lab._slider.value, lab._field.value) == (125, 2.5)
    assert "TP <b>1</b>" in numbers(lab)
    assert "FN <b>2</b>" in numbers(lab)


def test_a_threshold_beyond_the_slider_is_kept_and_the_slider_stands_at_its_end(lab):
    lab._field.value = 100
    assert lab.threshold == lab._field.value == 100
    assert lab._slider.value == lab._slider.max
    assert "0 of 0" in numbers(lab)  # precision
    assert len(lab._on_precision.x) == 0


def test_scores_may_all_be_below_zero():
    lab = ThresholdLab(SCORES - 100, LABELS)
    lab._slider.value = lab._slider.min
    assert lab.matrix.tolist() == [[0, 3], [0, 3]]


def test_the_points_stand_on_their_curves(lab):
    lab.threshold = 0.75
    assert (lab._on_precision.x, lab._on_precision.y) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (lab._on_roc.x, lab._on_roc.y) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert (lab._on_cost.x, lab._on_cost.y) == (0.75, 2)
    assert lab._line.x.tolist() == [0.75, 0.75]


def test_each_button_sets_its_costs_shows_them_and_moves_the_threshold(lab):
    lab._judge.click()
    assert (lab._price_fp.value, lab._price_fn.value) == lab.costs == (10, 1)
    assert lab.threshold == 2
    lab._doctor.click()
    assert (lab._price_fp.value, lab._price_fn.value) == lab.costs == (1, 10)
    assert lab.threshold == 0
    assert lab._cost.y.max() == 30


def test_costs_that_are_typed_move_the_threshold_too(lab):
    lab._price_fp.value = 10
    assert lab.costs == (10, 1)
    assert lab.threshold == 2


def test_never_a_five_is_marked_on_the_accuracy():
    scores, labels = overlapping(1000)
    lab = ThresholdLab(scores, labels, names=("not a five", "a five"))
    never = (~labels).double().mean().item()
    assert f"never “a five”: accuracy {never:.3f}" in numbers(lab)
    assert f"left: {never:.2%}" in numbers(lab)


def test_making_a_lab_and_showing_its_state_sets_nothing_back(lab):
    seen = []
    lab._slider.observe(lambda change: seen.append(change.new), "value")
    lab._show()
    assert seen == []


@pytest.mark.parametrize("height", [2, -1])
def test_a_curve_of_many_points_is_thinned_and_keeps_its_spike(height):
    x = torch.linspace(0, 1, 10_001, dtype=torch.float64)
    y = torch.zeros_like(x)
    y[:5000:2] = 1  # a wild half, beside which a single spike is next to nothing
    y[7500] = height
    across, up = thinned(x, y)
    assert len(across) <= POINTS
    assert (across[0], up[0], across[-1], up[-1]) == (0, 1, 1, 0)
    assert up[across.index(x[7500].item())] == height
    assert across == sorted(across)


def test_a_refused_number_is_explained_in_the_lab_which_stays_as_it_was(lab):
    lab.threshold = 1
    lab._price_fp.value = -3
    assert "(-3.0, 1.0); expected two numbers, 0 or more" in lab._message.value
    assert lab._price_fp.value == 1
    assert lab.threshold == 1
    lab._field.value = math.inf
    assert "threshold is inf" in lab._message.value
    assert lab._field.value == 1
    lab._slider.value = 100
    assert lab._message.value == ""


def test_names_are_shown_as_they_are_written():
    lab = ThresholdLab(SCORES, LABELS, names=("<b>", "a & b"))
    assert "called &lt;b&gt;" in numbers(lab)
    assert "a &amp; b" in numbers(lab)


def test_a_move_of_the_threshold_sends_less_than_20_kb(lab):
    lab = ThresholdLab(*overlapping(10_000))
    sent = []
    for part in (lab._slider, lab._field, lab._numbers, lab._message, lab._line, lab._cost):
        part.observe(lambda change: sent.append(change.new), "value" if hasattr(part, "value") else ["x", "y"])
    for part in (lab._on_precision, lab._on_roc, lab._on_cost):
        part.observe(lambda change: sent.append(change.new), ["x", "y"])
    lab.threshold = 0.5
    assert len(sent) >= 8
    assert sum(len(str(value)) for value in sent) < 20_000


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


@pytest.mark.parametrize("threshold", [math.nan, math.inf, "1", True])
def test_a_threshold_that_is_no_number_is_refused(lab, threshold, unchecked):
    with pytest.raises(ValueError, match=r"The threshold is .*; expected a number"):
        lab.threshold = threshold


@pytest.mark.parametrize("costs", [(0, 0), (-1, 1), (math.nan, 1), (1, 2, 3), ("1", 2)])
def test_costs_that_are_none_are_refused(lab, costs, unchecked):
    with pytest.raises(ValueError, match="expected two numbers, 0 or more and not both 0"):
        lab.costs = costs
