"""Accuracy, precision, recall and F1, all from one confusion matrix.

Entry (*t*, *p*) of a confusion matrix is the number of images of class *t* that were predicted as class *p*. Matrices
of batches, workers or epochs can be added, and the sum is the matrix of them all. Every function also takes a stack of
matrices, ``(..., classes, classes)``, and returns a value for each.

A ratio that is undefined (0/0, such as the precision of a class that was never predicted) is ``zero_division``, as in
scikit-learn.
"""

from typing import TYPE_CHECKING, Literal, get_args

import torch
from jaxtyping import Float64, Int64, Integer, Real
from torch import Tensor

from learnkit.errors import check_whole_number, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

Average = Literal["macro", "micro", "weighted"]


def confusion_matrix(
    labels: Integer[Tensor, " items"], predictions: Integer[Tensor, " items"], num_classes: int
) -> Int64[Tensor, "true predicted"]:
    """Count how often each class was predicted as each class.

    Parameters
    ----------
    labels
        The true classes, 0 to ``num_classes - 1``.
    predictions
        The predicted classes, in the same order.
    num_classes
        The number of classes.

    Returns
    -------
    Tensor
        ``(num_classes, num_classes)``: rows are true classes, columns predicted classes.

    Raises
    ------
    ValueError
        If labels or predictions are not whole numbers from 0 to ``num_classes - 1``, or the two differ in length or
        device.
    """
    check_whole_number("num_classes", num_classes)
    for name, values in (("labels", labels), ("predictions", predictions)):
        _check_classes(name, values, num_classes)
    _check_pair("labels", labels, "predictions", predictions)
    pairs = labels.long() * num_classes + predictions
    return torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)


def confusion_matrix_at_thresholds(
    labels: Integer[Tensor, " items"], scores: Real[Tensor, " items"], thresholds: Real[Tensor, " thresholds"]
) -> Int64[Tensor, "thresholds 2 2"]:
    """The 2 × 2 confusion matrix at every threshold; a score at or above the threshold is predicted positive.

    Parameters
    ----------
    labels
        0 (negative) or 1 (positive).
    scores
        A higher score means more likely positive; the scale does not matter.
    thresholds
        In any order, on the scale of the scores.

    Returns
    -------
    Tensor
        ``(thresholds, 2, 2)``, on the CPU; each matrix is ``[[TN, FP], [FN, TP]]``.

    Raises
    ------
    ValueError
        As for `confusion_matrix`, or if a score or threshold is NaN.
    """
    _check_classes("labels", labels, 2)
    _check_pair("labels", labels, "scores", scores)
    labels, scores, thresholds = labels.cpu(), scores.cpu(), thresholds.cpu()  # thresholds are often float64
    for name, values in (("scores", scores), ("thresholds", thresholds)):
        if values.is_floating_point() and values.isnan().any():
            raise ValueError(f"{int(values.isnan().sum())} of the {len(values)} {name} are NaN; expected numbers.")
    ascending, order = thresholds.sort()
    # How many thresholds each score reaches; then, per label, how many scores reach at least that many.
    reached = torch.bucketize(scores, ascending, right=True)
    levels = len(ascending) + 1
    counts = torch.bincount(labels.long() * levels + reached, minlength=2 * levels).view(2, levels)
    positive = counts.flip(1).cumsum(1).flip(1)[:, 1:]
    negative = counts.sum(1, keepdim=True) - positive
    matrices = torch.stack([negative, positive]).permute(2, 1, 0)
    return torch.empty_like(matrices).index_copy(0, order, matrices)


def accuracy(matrix: Int64[Tensor, "... true predicted"]) -> Float64[Tensor, "..."]:
    """The fraction of correct predictions: the sum of the diagonal over the sum of all entries."""
    matrix = _counts(matrix)
    return matrix.diagonal(dim1=-2, dim2=-1).sum(-1) / matrix.sum((-2, -1))


def baseline(matrix: Int64[Tensor, "... true predicted"]) -> Float64[Tensor, "..."]:
    """The accuracy of always predicting the most frequent class, which any model has to beat."""
    matrix = _counts(matrix)
    return matrix.sum(-1).amax(-1) / matrix.sum((-2, -1))


def precision(
    matrix: Int64[Tensor, "... true predicted"], average: Average | None = "macro", zero_division: float = 0.0
) -> Float64[Tensor, "..."]:
    """The fraction of the predictions of a class that are correct.

    Parameters
    ----------
    matrix
        A confusion matrix, or a stack of them.
    average
        ``None`` gives a value for each class. ``"macro"`` is their unweighted mean over the classes that occur among
        the labels or the predictions; ``"weighted"`` is their mean weighted by how often each class occurs among the
        labels; ``"micro"`` pools the counts of all classes first, which makes precision, recall and F1 all equal to
        accuracy.
    zero_division
        The value of 0/0: 0, 1, or NaN, which leaves the class out of a mean.

    Returns
    -------
    Tensor
        float64; ``(..., classes)`` if ``average`` is None, else ``(...)``.
    """
    correct, _, predicted = _correct_true_predicted(matrix)
    return _average(correct, predicted, matrix, average, zero_division)


def recall(
    matrix: Int64[Tensor, "... true predicted"], average: Average | None = "macro", zero_division: float = 0.0
) -> Float64[Tensor, "..."]:
    """The fraction of the images of a class that were predicted as that class. Parameters as for `precision`."""
    correct, true, _ = _correct_true_predicted(matrix)
    return _average(correct, true, matrix, average, zero_division)


def f1(
    matrix: Int64[Tensor, "... true predicted"], average: Average | None = "macro", zero_division: float = 0.0
) -> Float64[Tensor, "..."]:
    """The harmonic mean of precision and recall of each class, then averaged. Parameters as for `precision`.

    With ``"macro"`` this is the mean of the F1 of the classes, not the harmonic mean of macro precision and recall.
    """
    correct, true, predicted = _correct_true_predicted(matrix)
    return _average(2 * correct, true + predicted, matrix, average, zero_division)


def report(matrix: Int64[Tensor, "true predicted"], classes: "Sequence[str] | None" = None) -> "pd.DataFrame":
    """Precision, recall and F1 of every class, their averages, accuracy and the baseline.

    Parameters
    ----------
    matrix
        A confusion matrix.
    classes
        The names of the classes; by default their numbers.

    Returns
    -------
    pandas.DataFrame
        A row for each class, then ``macro``, ``weighted``, ``accuracy`` (the micro average of all three) and
        ``baseline`` (the accuracy of always predicting the most frequent class). The column ``images`` is the number
        of images behind each row.

    Raises
    ------
    ValueError
        If there are not as many names as classes.
    """
    import pandas as pd

    matrix = matrix.cpu()
    names = [str(number) for number in range(len(matrix))] if classes is None else list(classes)
    if len(names) != len(matrix):
        raise ValueError(f"{len(names)} names were given for the {len(matrix)} classes of the matrix.")
    columns, images = {"precision": precision, "recall": recall, "F1": f1}, matrix.sum(1).tolist()
    table = pd.DataFrame({name: metric(matrix, average=None).numpy() for name, metric in columns.items()}, index=names)
    for average in ("macro", "weighted"):
        table.loc[average] = [metric(matrix, average=average).item() for metric in columns.values()]
    table.loc["accuracy"] = accuracy(matrix).item()
    table.loc["baseline"] = baseline(matrix).item()
    table["images"] = images + [sum(images)] * 4
    return table


def _average(
    part: Tensor, whole: Tensor, matrix: Tensor, average: Average | None, zero_division: float
) -> Float64[Tensor, "..."]:
    """``part / whole`` for each class, averaged as requested."""
    if average == "micro":
        part, whole = part.sum(-1), whole.sum(-1)
    ratio = torch.where(whole == 0, torch.tensor(zero_division, dtype=torch.float64), part / whole)
    if average is None or average == "micro":
        return ratio
    if average not in get_args(Average):
        raise unknown("average", average, get_args(Average))
    _, true, predicted = _correct_true_predicted(matrix)
    defined = ~ratio.isnan()  # NaN occurs only if it is zero_division, and leaves the class out
    occurs = (true + predicted > 0) * defined.double()
    weight = true * defined if average == "weighted" else occurs
    # As in scikit-learn: if only classes of weight 0 are left, they are weighted equally.
    weight = torch.where(weight.sum(-1, keepdim=True) == 0, occurs, weight)
    return (ratio.nan_to_num() * weight).sum(-1) / weight.sum(-1)


def _correct_true_predicted(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each class the number of correct predictions, of images and of predictions, each ``(..., classes)``."""
    matrix = _counts(matrix)
    return matrix.diagonal(dim1=-2, dim2=-1), matrix.sum(-1), matrix.sum(-2)


def _counts(matrix: Tensor) -> Float64[Tensor, "... true predicted"]:
    """The matrix as float64 on the CPU, since not every GPU has float64, after checking that it holds counts."""
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ValueError(
            f"A confusion matrix is square; this tensor has the shape {tuple(matrix.shape)}. Make one with "
            "confusion_matrix(labels, predictions, num_classes)."
        )
    if matrix.is_floating_point() or matrix.is_complex() or matrix.dtype == torch.bool:
        raise ValueError(
            f"A confusion matrix holds counts, which are whole numbers; this one has the dtype {matrix.dtype}."
        )
    matrix = matrix.cpu()
    if (matrix < 0).any():
        raise ValueError(f"A confusion matrix holds counts; the smallest number in this one is {matrix.min()}.")
    if (matrix.sum((-2, -1)) == 0).any():
        raise ValueError("This confusion matrix is all zeros: nothing has been counted yet.")
    return matrix.double()


def _check_classes(name: str, values: Tensor, num_classes: int) -> None:
    if not isinstance(values, Tensor):
        raise TypeError(f"{name} are of type {type(values).__name__}; expected a tensor: torch.as_tensor({name}).")
    if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
        advice = " For the class with the highest logit, take logits.argmax(dim=1)." if name == "predictions" else ""
        raise ValueError(f"{name} have the dtype {values.dtype}; expected whole numbers, such as torch.int64.{advice}")
    if values.ndim != 1:
        raise ValueError(f"{name} have the shape {tuple(values.shape)}; expected one axis, a class for each item.")
    if len(values) == 0:
        raise ValueError(f"{name} are empty; expected at least one.")
    low, high = torch.stack(values.aminmax()).tolist()
    if low < 0 or high >= num_classes:
        invalid = low if low < 0 else high
        raise ValueError(f"{name} contain {invalid}; with {num_classes} classes they go from 0 to {num_classes - 1}.")


def _check_pair(name: str, values: Tensor, other_name: str, others: Tensor) -> None:
    if values.shape != others.shape:
        raise ValueError(
            f"There are {values.numel():,} {name} and {others.numel():,} {other_name}; expected equally many."
        )
    if values.device != others.device:
        raise ValueError(
            f"{name} are on {values.device} and {other_name} on {others.device}; move one of them with .to(...)."
        )
