from functools import partial

import pandas as pd
import pytest
import torch

from learnkit import metrics
from learnkit.models import ElmanRNN, FullyConnected
from learnkit.study import stored, study
from learnkit.training import Training

SIZES = [(784, 10), (784, 4, 10)]


@pytest.fixture(scope="module")
def table(few_images) -> pd.DataFrame:
    return study({"sizes": SIZES, "learning_rate": [0.01, 0.1]}, range(2), few_images, epochs=3)


def test_there_is_a_row_for_each_setting_seed_and_epoch(table):
    assert len(table) == 2 * 2 * 2 * 3
    assert not table.duplicated(["sizes", "learning_rate", "seed", "epoch"]).any()
    assert set(table["sizes"]) == set(SIZES)
    assert set(table["epoch"]) == {1, 2, 3}
    assert set(table[table["sizes"] == SIZES[1]]["parameters"]) == {784 * 4 + 4 + 4 * 10 + 10}


def test_a_row_has_the_metrics_of_its_run(table, few_images):
    training = Training(FullyConnected(SIZES[1], seed=1), few_images, epochs=3, learning_rate=0.1, seed=1)
    losses = torch.stack([loss for _, _, loss in training])
    row = table[(table["sizes"] == SIZES[1]) & (table["seed"] == 1) & (table["learning_rate"] == 0.1)].iloc[-1]
    assert row["train_loss"] == losses[-training.steps_per_epoch :].mean().item()
    for split in ("validation", "test"):
        evaluation = training.evaluate(split)
        assert row[f"{split}_loss"] == evaluation.loss
        assert row[f"{split}_accuracy"] == evaluation.accuracy
        assert row[f"{split}_f1"] == metrics.f1(evaluation.confusion_matrix).item()
    correct = (evaluation.predictions == evaluation.labels)[-200:]
    assert row["test_last_200"] == correct.double().mean().item()


def test_the_test_set_is_evaluated_once_at_the_end_of_a_run(table):
    assert (table["test_accuracy"].notna() == (table["epoch"] == 3)).all()
    assert table["validation_accuracy"].notna().all()


def test_settings_may_be_a_list_and_each_may_have_its_own_epochs(few_images):
    listed = study([{"sizes": SIZES[0], "epochs": 1}, {"sizes": SIZES[1], "epochs": 2}], [0], few_images)
    assert listed["epoch"].tolist() == [1, 1, 2]


def test_a_parameter_that_a_setting_leaves_out_has_its_default_in_the_table(few_images):
    grid = [{"sizes": SIZES[0]}, {"sizes": SIZES[1], "learning_rate": 0.1, "activation": "relu"}]
    listed = study(grid, [0], few_images, epochs=1)
    assert listed["learning_rate"].tolist() == [0.01, 0.1]
    assert listed["activation"].isna().tolist() == [True, False]


def test_any_model_that_takes_a_seed_can_be_studied(few_images):
    net = partial(ElmanRNN, 28, 8, 10)
    result = study({"nonlinearity": ["relu", "tanh"], "optimizer": ["adam"]}, [3], few_images, model=net, epochs=1)
    assert result["nonlinearity"].tolist() == ["relu", "tanh"]


def test_without_validation_images_there_are_only_test_columns(mnist, few_images):
    result = study(
        {"sizes": SIZES[:1]}, [0], few_images.__class__(**{**vars(few_images), **no_validation(mnist)}), epochs=1
    )
    assert "validation_loss" not in result
    assert result["test_loss"].notna().all()


def no_validation(mnist) -> dict:
    return {"validation_images": mnist.validation_images, "validation_labels": mnist.validation_labels}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("grid", "seeds", "message"),
    [
        ({"sizes": []}, [0], "0 settings and 1 seeds; give at least one of each"),
        ({}, [0], "0 settings and 1 seeds; give at least one of each"),
        ([], [0], "0 settings and 1 seeds; give at least one of each"),
        ({"sizes": SIZES}, [], "2 settings and 0 seeds; give at least one of each"),
        ({"sizes": SIZES}, 5, r"seeds is 5; expected a list of values, such as range\(5\)"),
        ({"sizes": SIZES, "optimizer": "adam"}, [0], r"optimizer is 'adam'; .*, such as \['adam'\]"),
        ({"sizes": SIZES, "learning_rate": 0.1}, [0], r"learning_rate is 0.1; .*, such as \[0.1\]"),
        ({"size": SIZES}, [0], "no parameter of the model or of Training called 'size'. Did you mean 'sizes'"),
        ({"sizes": SIZES, "seed": [1]}, [0], "called 'seed'"),
        ({"sizes": SIZES}, [0, 1, 0], "The seed 0 is given twice"),
        ({"sizes": SIZES}, [0.5], "A seed is 0.5; expected a whole number"),
        ([{"sizes": SIZES[0]}, {"sizes": SIZES[0], "learning_rate": 0.01}], [0], "0.01} is given twice"),
    ],
)
def test_an_invalid_grid_is_rejected(few_images, grid, seeds, message):
    with pytest.raises(ValueError, match=message):
        study(grid, seeds, few_images)


def test_an_unknown_stored_study_is_rejected():
    with pytest.raises(ValueError, match="no stored study called 'day9'"):
        stored("day9")
