"""Accuracy and macro precision, recall and F1 of 10 million predictions of ten classes, about 91% of them right."""

import torch
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
)

from benchmarks.measure import interleaved, print_table
from learnkit import metrics

COUNT = 10_000_000


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(10, (COUNT,), generator=generator)
    wrong = torch.rand(COUNT, generator=generator) < 0.1
    predictions = torch.where(wrong, torch.randint(10, (COUNT,), generator=generator), labels)

    def learnkit() -> list[float]:
        matrix = metrics.confusion_matrix(labels, predictions, 10)
        return [f(matrix).item() for f in (metrics.accuracy, metrics.precision, metrics.recall, metrics.f1)]

    def torchmetrics(**options: bool) -> list[float]:
        collection = MetricCollection(
            [
                MulticlassAccuracy(10, average="micro", **options),
                *(Metric(10, **options) for Metric in (MulticlassPrecision, MulticlassRecall, MulticlassF1Score)),
            ]
        )
        collection.update(predictions, labels)
        return [value.item() for value in collection.compute().values()]

    def scikit_learn() -> list[float]:
        averages = precision_recall_fscore_support(labels.numpy(), predictions.numpy(), average="macro")
        return [accuracy_score(labels.numpy(), predictions.numpy()), *averages[:3]]

    ways = {
        "learnkit": learnkit,
        "torchmetrics": torchmetrics,
        "torchmetrics, validate_args=False": lambda: torchmetrics(validate_args=False),
        "scikit-learn": scikit_learn,
    }
    results = [way() for way in ways.values()]
    for result in results[1:]:
        assert max(abs(ours - theirs) for ours, theirs in zip(results[0], result, strict=True)) < 1e-6
    title = f"Four metrics of 10 million predictions, {torch.get_num_threads()} threads; all agree to 1e-6"
    print_table(title, interleaved(ways, rounds=5), "torchmetrics", "s")
