"""A training to its end, with its losses and a row for each epoch."""

from dataclasses import replace

import pytest
import torch

from learnkit.models import FullyConnected
from learnkit.run import Run
from learnkit.training import Training, TrainingDiverged


def training(data, activation="relu", **more) -> Training:
    settings = {"epochs": 3, "batch_size": 100, "learning_rate": 0.1, "device": "cpu"} | more
    return Training(FullyConnected((784, 20, 10), activation), data, **settings)


def finished(run: Run) -> Run:
    for _ in run:
        pass
    return run


def without_times(rows: list[dict]) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_its_numbers_are_those_of_the_training_to_the_last_bit(few_images):
    alone, losses, accuracies = training(few_images), [], []
    for _, step, loss in alone:
        losses.append(loss)
        if step % alone.steps_per_epoch == 0:
            accuracies.append(alone.evaluate("validation").accuracy)
    run = finished(Run(training(few_images)))
    assert run.losses.tolist() == [loss.item() for loss in losses]
    assert [row["epoch"] for row in run.rows] == [1, 2, 3]
    assert [row["validation_accuracy"] for row in run.rows] == accuracies
    assert run.rows[-1]["train_loss"] == torch.stack(losses[-5:]).mean().item()
    assert torch.equal(run.evaluation.logits, alone.evaluate("validation").logits)
    assert run.is_over
    assert run.seconds_left == 0


def test_stopping_anywhere_and_going_on_changes_no_number(few_images, mnist):
    # More images than are evaluated at once, so that one can stop in the middle of an evaluation.
    data = replace(few_images, validation_images=mnist.test_images, validation_labels=mnist.test_labels)
    through = finished(Run(training(data)))
    stopped, stops = Run(training(data)), 0
    while not stopped.is_over:
        for count, _ in enumerate(stopped, start=1):
            if count == 6 + stops % 5:
                stops += 1
                break
    assert stops > 3
    assert without_times(stopped.rows) == without_times(through.rows)
    assert stopped.losses.tolist() == through.losses.tolist()


def test_the_test_images_are_evaluated_after_the_last_epoch_and_only_if_wanted(few_images):
    run = finished(Run(training(few_images), test=True))
    assert ["test_accuracy" in row for row in run.rows] == [False, False, True]
    assert run.rows[-1]["test_accuracy"] == run.training.evaluate("test").accuracy
    assert len(run.evaluation.labels) == len(few_images.validation_labels)
    assert not any("test_accuracy" in row for row in finished(Run(training(few_images))).rows)


def test_without_validation_images_a_row_has_the_loss_alone_and_another_name_for_them_is_used(few_images, mnist):
    images, labels = few_images.train_images, few_images.train_labels
    none = replace(few_images, validation_images=images[:0], validation_labels=labels[:0])
    assert set(finished(Run(training(none))).rows[0]) == {"epoch", "train_loss", "seconds", "parameters", "threads"}
    assert "seen_accuracy" in finished(Run(training(few_images), held_out="seen")).rows[0]


def test_a_training_that_diverges_keeps_the_rows_and_the_losses_so_far(few_images):
    run = Run(training(few_images, None, learning_rate=1e6, epochs=20))
    with pytest.raises(TrainingDiverged):
        finished(run)
    assert len(run.losses) < run.training.step
    assert all(loss < float("inf") for loss in run.losses)
