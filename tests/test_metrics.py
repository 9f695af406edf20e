import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from torchmetrics.functional import classification as torchmetrics

from learnkit import metrics

AVERAGES = [None, "macro", "micro", "weighted"]
OURS = {"precision": metrics.precision, "recall": metrics.recall, "f1": metrics.f1}
SKLEARN = {
    "precision": sklearn_metrics.precision_score,
    "recall": sklearn_metrics.recall_score,
    "f1": sklearn_metrics.f1_score,
}
TORCHMETRICS = {
    "precision": torchmetrics.multiclass_precision,
    "recall": torchmetrics.multiclass_recall,
    "f1": torchmetrics.multiclass_f1_score,
}


@st.composite
def labels_and_predictions(draw):
    """Few items, often with more classes than occur, so that there are absent classes, a single class, 0/0."""
    num_classes = draw(st.integers(2, 6))
    count = draw(st.integers(1, 30))
    present = draw(st.lists(st.integers(0, num_classes - 1), min_size=1, max_size=num_classes))
    one_each = st.lists(st.sampled_from(present), min_size=count, max_size=count)
    any_class = st.lists(st.integers(0, num_classes - 1), min_size=count, max_size=count)
    return num_classes, torch.tensor(draw(one_each)), torch.tensor(draw(st.one_of(one_each, any_class)))


@given(labels_and_predictions())
def test_the_matrix_equals_scikit_learns_and_torchmetrics(case):
    num_classes, labels, predictions = case
    ours = metrics.confusion_matrix(labels, predictions, num_classes)
    theirs = sklearn_metrics.confusion_matrix(labels, predictions, labels=range(num_classes))
    assert ours.tolist() == theirs.tolist()
    assert torch.equal(ours, torchmetrics.multiclass_confusion_matrix(predictions, labels, num_classes))


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("metric", OURS)
@given(case=labels_and_predictions(), zero_division=st.sampled_from([0.0, 1.0, np.nan]))
def test_each_average_equals_scikit_learns(metric, average, zero_division, case):
    num_classes, labels, predictions = case
    matrix = metrics.confusion_matrix(labels, predictions, num_classes)
    # With labels=, scikit-learn gives a value for every class; without, it averages over the classes that occur.
    classes = range(num_classes) if average is None else None
    theirs = SKLEARN[metric](labels, predictions, labels=classes, average=average, zero_division=zero_division)
    ours = OURS[metric](matrix, average=average, zero_division=zero_division)
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-12, atol=0)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("metric", OURS)
@given(case=labels_and_predictions())
def test_each_average_equals_torchmetrics(metric, average, case):
    num_classes, labels, predictions = case
    matrix = metrics.confusion_matrix(labels, predictions, num_classes)
    theirs = TORCHMETRICS[metric](predictions, labels, num_classes, average=average or "none")
    np.testing.assert_allclose(OURS[metric](matrix, average=average).numpy(), theirs.numpy(), rtol=1e-6, atol=1e-7)


@given(labels_and_predictions())
def test_accuracy_and_baseline_equal_scikit_learns(case):
    num_classes, labels, predictions = case
    matrix = metrics.confusion_matrix(labels, predictions, num_classes)
    assert metrics.accuracy(matrix).item() == pytest.approx(sklearn_metrics.accuracy_score(labels, predictions))
    commonest = labels.mode().values.expand_as(labels)
    assert metrics.baseline(matrix).item() == pytest.approx(sklearn_metrics.accuracy_score(labels, commonest))


@given(labels_and_predictions(), st.integers(0, 30))
def test_matrices_of_batches_sum_to_the_matrix_of_all(case, cut):
    num_classes, labels, predictions = case
    whole = metrics.confusion_matrix(labels, predictions, num_classes)
    parts = [slice(None, cut), slice(cut, None)]
    streamed = sum(
        metrics.confusion_matrix(labels[part], predictions[part], num_classes) for part in parts if len(labels[part])
    )
    assert torch.equal(whole, streamed)


@given(labels_and_predictions())
def test_a_stack_of_matrices_gives_a_value_for_each_matrix(case):
    num_classes, labels, predictions = case
    one = metrics.confusion_matrix(labels, predictions, num_classes)
    other = metrics.confusion_matrix(labels, labels, num_classes)
    stack = torch.stack([one, other])
    assert metrics.accuracy(stack).tolist() == [metrics.accuracy(one), metrics.accuracy(other)]
    for metric in OURS.values():
        for average in AVERAGES:
            expected = torch.stack([metric(one, average=average), metric(other, average=average)])
            assert torch.equal(metric(stack, average=average), expected)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(-5, 5)), min_size=1, max_size=40),
    st.lists(st.integers(-6, 6), min_size=1, max_size=20),
)
def test_all_thresholds_at_once_give_the_same_as_each_by_itself(items, thresholds):
    labels, scores = torch.tensor(items).T
    scores, thresholds = scores / 4, torch.tensor(thresholds) / 4
    swept = metrics.confusion_matrix_at_thresholds(labels, scores, thresholds)
    for matrix, threshold in zip(swept, thresholds, strict=True):
        assert torch.equal(matrix, metrics.confusion_matrix(labels, (scores >= threshold).long(), 2))


def test_binary_precision_and_recall_by_hand():
    matrix = torch.tensor([[90, 10], [5, 15]])  # TN 90, FP 10, FN 5, TP 15
    assert metrics.precision(matrix, average=None)[1].item() == 15 / 25
    assert metrics.recall(matrix, average=None)[1].item() == 15 / 20
    assert metrics.f1(matrix, average=None)[1].item() == pytest.approx(2 * 0.6 * 0.75 / (0.6 + 0.75))
    assert metrics.accuracy(matrix).item() == 105 / 120
    assert metrics.baseline(matrix).item() == 100 / 120


def test_the_report_has_a_row_for_each_class_and_the_baseline():
    matrix = torch.tensor([[8, 2, 0], [1, 9, 0], [0, 0, 4]])
    report = metrics.report(matrix, ["cat", "dog", "hen"])
    assert list(report.index) == ["cat", "dog", "hen", "macro", "weighted", "accuracy", "baseline"]
    assert report.loc["dog", "precision"] == 9 / 11
    assert report.loc["dog", "recall"] == 0.9
    assert report.loc["macro", "F1"] == metrics.f1(matrix).item()
    assert report.loc["accuracy", "F1"] == 21 / 24
    assert report.loc["baseline", "F1"] == 10 / 24
    assert report["images"].tolist() == [10, 10, 4, 24, 24, 24, 24]


def test_small_integers_do_not_overflow():
    labels = torch.full((5,), 20, dtype=torch.uint8)
    assert metrics.confusion_matrix(labels, labels, 21)[20, 20] == 5


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        (torch.tensor([0, 3]), torch.tensor([0, 0]), "labels contain 3; with 3 classes they go from 0 to 2"),
        (torch.tensor([0, 1]), torch.tensor([0, -1]), "predictions contain -1"),
        (torch.tensor([0, 1]), torch.tensor([0]), "2 labels and 1 predictions; expected equally many"),
        (
            torch.tensor([], dtype=torch.int64),
            torch.tensor([], dtype=torch.int64),
            "labels are empty; expected at least one",
        ),
        (torch.tensor([0, 1]), torch.tensor([0.1, 0.9]), r"predictions have the dtype torch.float32; .*argmax"),
        (torch.tensor([0, 1]), torch.zeros(2, 3, dtype=torch.int64), r"predictions have the shape \(2, 3\)"),
    ],
)
def test_invalid_labels_or_predictions_raise_an_error(labels, predictions, message):
    with pytest.raises(ValueError, match=message):
        metrics.confusion_matrix(labels, predictions, 3)


@pytest.mark.usefixtures("unchecked")
def test_lists_raise_an_error_that_says_how_to_make_a_tensor():
    with pytest.raises(TypeError, match=r"labels are of type list; expected a tensor: torch.as_tensor\(labels\)"):
        metrics.confusion_matrix([0, 1], torch.tensor([0, 1]), 2)


def test_tensors_on_two_devices_raise_an_error(monkeypatch):
    labels = torch.tensor([0, 1])
    monkeypatch.setattr(metrics, "_check_classes", lambda *_: None)  # it would read the meta tensor
    with pytest.raises(ValueError, match="labels are on cpu and predictions on meta"):
        metrics.confusion_matrix(labels, labels.to("meta"), 2)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (torch.zeros(2, 3, dtype=torch.int64), r"square; this tensor has the shape \(2, 3\)"),
        (torch.eye(2), "counts, which are whole numbers; this one has the dtype torch.float32"),
        (torch.tensor([[1, -1], [0, 1]]), "the smallest number in this one is -1"),
        (torch.zeros(2, 2, dtype=torch.int64), "all zeros"),
    ],
)
def test_what_is_not_a_confusion_matrix_raises_an_error(matrix, message):
    with pytest.raises(ValueError, match=message):
        metrics.accuracy(matrix)


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_average_raises_an_error_that_suggests_a_known_one():
    with pytest.raises(ValueError, match=r"no average called 'marco'. Did you mean 'macro'"):
        metrics.precision(torch.eye(2, dtype=torch.int64), average="marco")


@pytest.mark.usefixtures("unchecked")
def test_other_invalid_arguments_raise_an_error():
    matrix = torch.eye(3, dtype=torch.int64)
    with pytest.raises(ValueError, match="2 names were given for the 3 classes"):
        metrics.report(matrix, ["cat", "dog"])
    with pytest.raises(ValueError, match="num_classes is 0"):
        metrics.confusion_matrix(torch.tensor([0]), torch.tensor([0]), 0)
    with pytest.raises(ValueError, match="1 of the 2 scores are NaN"):
        metrics.confusion_matrix_at_thresholds(torch.tensor([0, 1]), torch.tensor([0.5, np.nan]), torch.tensor([0.5]))
