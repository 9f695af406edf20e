"""The training lab without a browser: its state, and the thread that trains."""

import base64
import gc
import io
import threading
import time
import weakref
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from ipywidgets.widgets import widget as ipywidgets_widget
from pages import Page, until
from PIL import Image

from learnkit.data import load
from learnkit.labs import Choice, Integer, TrainingLab
from learnkit.labs.training import frame
from learnkit.models import ElmanRNN, FullyConnected
from learnkit.training import Evaluation, Training

SMALL = {"hidden": (20,), "activation": "relu", "batch_size": 100, "epochs": 3, "learning_rate": 0.1, "device": "cpu"}


@pytest.fixture
def labs(few_images):
    """Makes labs on few images, and closes them."""
    made = []

    def make(data=few_images, **initial) -> TrainingLab:
        made.append(TrainingLab(data, **{**SMALL, **initial}))
        return made[-1]

    yield make
    for lab in made:
        lab.close()
        lab.wait()


@pytest.fixture
def lab(labs):
    return labs()


@pytest.fixture
def endless(labs):
    """A lab that has enough to do, so that it is still training when something is done to it."""
    return labs(epochs=1000)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "learnkit lab"]


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


# ---------------------------------------------------------------- the numbers


def test_its_numbers_are_those_of_a_training_to_the_last_bit(labs, few_images):
    lab = labs(seed=3, optimizer="adam", learning_rate=0.01)
    lab.train()
    lab.wait()
    net = FullyConnected((784, 20, 10), "relu", seed=3)
    training = Training(
        net, few_images, epochs=3, batch_size=100, optimizer="adam", learning_rate=0.01, seed=3, device="cpu"
    )
    losses, accuracies = [], []
    for _, step, loss in training:
        losses.append(loss.item())
        if step % 5 == 0:
            accuracies.append(training.evaluate("validation").accuracy)
    assert lab.state.status == "ended"
    assert lab.run.losses.tolist() == losses
    assert [row["validation_accuracy"] for row in lab.run.rows] == accuracies
    assert lab.run.rows[-1]["validation_loss"] == training.evaluate("validation").loss
    assert torch.equal(weights(lab.model), weights(net))
    assert torch.equal(lab.run.evaluation.confusion_matrix, training.evaluate("validation").confusion_matrix)


def test_pauses_and_single_steps_change_no_number(labs, lab):
    for _ in range(7):
        lab.step()
        lab.wait()
        assert lab.state.status == "paused"
    assert lab.training.step == 7
    lab.train()
    lab.wait()
    whole = labs()
    whole.train()
    whole.wait()
    assert lab.run.losses.tolist() == whole.run.losses.tolist()
    assert [row["validation_loss"] for row in lab.run.rows] == [row["validation_loss"] for row in whole.run.rows]


def test_a_wide_net_is_looked_at_in_parts_with_the_result_of_evaluate(labs, mnist, few_images):
    many = replace(few_images, validation_images=mnist.test_images, validation_labels=mnist.test_labels)
    lab = labs(many, epochs=1)
    lab.train()
    lab.wait()
    expected = lab.training.evaluate("validation")
    assert lab.run.evaluation.loss == expected.loss
    assert torch.equal(lab.run.evaluation.logits, expected.logits)


def test_all_images_are_trained_on_where_the_notes_did_so_and_the_held_out_ones_are_still_looked_at(lab, few_images):
    lab.change(train_on="all")
    lab.wait()
    assert len(lab.training.data.train_labels) == 430 + 150
    assert lab.run.held_out == "seen"
    assert len(lab.run.evaluation.labels) == 150
    assert torch.equal(lab.training.data.test_images, few_images.test_images)


def test_without_data_of_ones_own_the_presets_train_on_the_60_000_images_in_the_order_of_their_files():
    lab = TrainingLab(train_on="all", hidden=(), epochs=1, device="cpu")
    assert torch.equal(lab.training.data.train_images, load("mnist").train_images)
    assert len(lab.training.data.validation_labels) == 10_000


# ---------------------------------------------------------------- the thread


def test_showing_it_starts_nothing(lab):
    assert lab.state.status == "ready"
    assert threads() == []
    lab._ipython_display_()
    assert lab.training.step == 0
    assert threads() == []


def test_of_200_moves_the_last_is_trained_by_the_one_thread_that_is_alive(endless):
    until_alive = []
    for width in range(1, 201):
        endless.change(hidden=(width,))
        until_alive.append(len(threads()))
    assert set(until_alive) == {1}
    until(lambda: endless.state.of_run["hidden"] == (200,) and len(endless.run.losses) > 10)
    assert len(threads()) == 1
    assert endless.model.sizes == (784, 200, 10)
    endless.pause()
    endless.wait()
    assert threads() == []


def test_200_moves_leave_no_run_and_no_widget_behind(endless):
    endless._ipython_display_()
    widgets = set(_widgets())
    runs = []
    for width in range(1, 201):
        endless.change(hidden=(width,))
        until(lambda width=width: endless.state.of_run["hidden"] == (width,))
        runs.append(weakref.ref(endless.run))
    endless.pause()
    endless.wait()
    gc.collect()
    assert sum(run() is not None for run in runs) == 1
    assert set(_widgets()) == widgets


def test_pause_stops_within_a_step_and_train_goes_on(endless):
    endless.train()
    until(lambda: endless.training.step > 3)
    endless.pause()
    endless.wait()
    step, run = endless.training.step, endless.run
    assert endless.state.status == "paused"
    time.sleep(0.05)
    assert endless.training.step == step
    endless.train()
    until(lambda: endless.training.step > step)
    assert endless.run is run


def test_reset_is_a_net_that_was_not_trained(endless):
    endless.train()
    until(lambda: endless.training.step > 3)
    endless.reset()
    endless.wait()
    assert endless.state.status == "ready"
    assert endless.training.step == 0
    assert torch.equal(weights(endless.model), weights(FullyConnected((784, 20, 10), "relu")))


def test_train_after_the_end_begins_again(lab):
    lab.train()
    lab.wait()
    first = lab.run
    lab.train()
    lab.wait()
    assert lab.run is not first
    assert lab.run.losses.tolist() == first.losses.tolist()


def test_many_labs_train_one_at_a_time_the_one_touched_last_first(labs):
    many = [labs(epochs=1000) for _ in range(10)]
    for lab in many:
        lab.train()
        until(lambda lab=lab: lab.training.step > 3)
    until(lambda: sum(lab.state.status == "waiting" for lab in many) == 9)
    assert many[-1].state.status == "training"
    steps = [lab.training.step for lab in many]
    until(lambda: many[-1].training.step > steps[-1] + 5)
    assert [lab.training.step for lab in many[:-1]] == steps[:-1]
    many[-1].pause()
    until(lambda: many[-2].training.step > steps[-2])
    for lab in many:
        lab.pause()
        lab.wait()
    assert threads() == []


def test_an_interrupt_while_one_waits_pauses_the_training(endless, monkeypatch):
    endless.train()
    until(lambda: endless.training.step > 3)

    def interrupted():
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(endless._runner, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            endless.wait()
    endless.wait()
    assert endless.state.status == "paused"


def test_a_cell_that_runs_again_ends_what_its_lab_was_doing(labs, monkeypatch):
    class Shell:
        def __init__(self, cell: str, message: str) -> None:
            self.parent = {"metadata": {"cellId": cell}, "header": {"msg_id": message}}

        def get_parent(self) -> dict:
            return self.parent

    def made_in(cell: str, message: str) -> TrainingLab:
        monkeypatch.setattr("learnkit.labs.common.display.get_ipython", lambda: Shell(cell, message))
        lab = labs(epochs=1000)
        lab.train()
        return lab

    first, beside = made_in("a", "1"), made_in("a", "1")
    other = made_in("b", "2")
    again = made_in("a", "3")
    first.wait()
    beside.wait()
    assert not first._runner.is_busy
    assert other._runner.is_busy
    assert again._runner.is_busy


def test_a_closed_lab_leaves_no_widget_and_can_be_shown_again(lab):
    before = set(_widgets())
    for _ in range(2):
        lab._ipython_display_()
        assert len(_widgets()) > len(before)
        lab.close()
        lab.wait()
    assert len(_widgets()) == len(before) - 2  # the lab itself, and its layout


def _widgets() -> list[str]:
    return list(ipywidgets_widget._instances)


# ---------------------------------------------------------------- what goes wrong


def test_a_diverged_training_says_so_keeps_its_curve_and_the_next_move_starts_afresh(lab):
    lab.change(activation=None, learning_rate=1e6, epochs=20)
    lab.wait()
    assert lab.state.status == "stopped"
    assert "learning rate is 1e+06: try 100000" in lab.state.message
    assert len(lab.run.losses) >= 1
    assert lab.run.losses[0] == pytest.approx(2.3, abs=0.2)
    lab.change(learning_rate=0.01)
    lab.wait()
    assert lab.state.status == "ended"
    assert len(lab.run.losses) == 100
    assert lab.state.message == ""


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_when_memory_is_exhausted_a_smaller_batch_is_proposed(lab, monkeypatch, error):
    def exhausted(self):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Training, "__next__", exhausted)
        lab.train()
        lab.wait()
    assert lab.state.status == "stopped"
    assert "Try a batch size of 50" in lab.state.message
    lab.change(batch_size=50)
    lab.wait()
    assert lab.state.status == "ended"


def test_an_error_in_the_thread_is_shown_and_never_swallowed(labs, few_images):
    class Broken(torch.nn.Module):
        def __init__(self, size: int, seed: int) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(784, 10)
            self.size = size

        def forward(self, images):
            if self.training and self.size > 1:
                raise KeyError("no such thing")
            return self.layer(images.flatten(1))

    lab = TrainingLab(few_images, Broken, {"size": Integer(1)}, epochs=1, device="cpu")
    lab.change(size=2)
    lab.wait()
    assert lab.state.status == "stopped"
    assert lab.state.message == "KeyError: 'no such thing'"
    assert threads() == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"hidden": (0,)}, "width 1 is 0; expected a whole number from 1 to 2,048"),
        ({"hidden": (3, -5)}, "width 2 is -5"),
        ({"hidden": (99999,)}, "from 1 to 2,048"),
        ({"hidden": (1e9,)}, "width 1 is 1000000000.0"),
        ({"hidden": "128"}, "expected a width for each hidden layer, such as"),
        ({"hidden": (1,) * 7}, "7 layers"),
        ({"learning_rate": 0}, "learning rate is 0; expected a number above 0, such as 0.01"),
        ({"learning_rate": -1.0}, "above 0"),
        ({"learning_rate": float("nan")}, "above 0"),
        ({"learning_rate": None}, "above 0"),
        ({"epochs": 0}, "epochs is 0; expected a whole number from 1"),
        ({"batch_size": 431}, "batch size is 431; expected a whole number from 1 to 430"),
        ({"activation": "rleu"}, "Did you mean 'relu'"),
        ({"device": "tpu"}, "no device called 'tpu'"),
        ({"hiden": (3,)}, "Did you mean 'hidden'"),
    ],
)
def test_a_value_that_cannot_be_is_refused_and_nothing_changes(lab, few_images, unchecked, values, words):
    before = dict(lab.state.settings)
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        lab.change(epochs=2, **values) if "epochs" not in values else lab.change(**values)
    assert dict(lab.state.settings) == before
    assert lab.state.status == "ready"
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        TrainingLab(few_images, **values)


def test_data_without_validation_images_are_refused(mnist):
    with pytest.raises(ValueError, match=r"Hold some out: load\(\.\.\., validation=10_000\)"):
        TrainingLab(mnist)


def test_a_model_without_its_parameters_is_refused(few_images):
    with pytest.raises(ValueError, match="belong together"):
        TrainingLab(few_images, partial(ElmanRNN, 28, num_classes=10))


# ---------------------------------------------------------------- pins, presets, looks


def test_a_pinned_run_is_a_row_of_the_table_and_eight_are_all(lab):
    with pytest.raises(ValueError, match="Nothing has been trained yet"):
        lab.pin()
    assert lab.runs.empty
    lab.train()
    lab.wait()
    for _ in range(8):
        lab.pin()
    with pytest.raises(ValueError, match="8 runs are pinned"):
        lab.pin()
    row = lab.runs.loc[8]
    assert row["hidden"] == (20,)
    assert row["parameters"] == 784 * 20 + 20 + 20 * 10 + 10
    assert row["validation_accuracy"] == lab.training.evaluate("validation").accuracy
    assert 0 < row["validation_f1"] < 1
    assert row["seconds"] > 0
    lab.unpin()
    assert lab.runs.empty


def test_a_pin_stays_as_it_was(lab):
    lab.step()
    lab.wait()
    lab.pin()
    lab.train()
    lab.wait()
    assert lab.runs["steps"].tolist() == [1]
    assert len(lab.state.pins[0].for_page["loss"]) == 1


def test_the_test_images_are_looked_at_on_demand_only_and_the_looks_are_counted(lab, monkeypatch):
    looked = []
    evaluate = Training.evaluate
    monkeypatch.setattr(Training, "evaluate", lambda self, split: looked.append(split) or evaluate(self, split))
    lab.train()
    lab.wait()
    lab.pin()
    assert looked == []
    accuracy = lab.evaluate_test()
    assert looked == ["test"]
    assert accuracy == evaluate(lab.training, "test").accuracy
    assert "looked once" in lab.state.message
    lab.evaluate_test()
    assert lab.state.test_evaluations == 2
    assert "looked 2 times" in lab.state.message


@pytest.mark.parametrize("name", ["1,2048", "(1, 2048)"])
def test_a_preset_asks_what_is_expected_before_it_runs(labs, name):
    lab = labs(optimizer="adam", learning_rate=0.01)
    lab.train()
    lab.wait()
    accuracy = lab.run.rows[-1]["validation_accuracy"]
    lab.preset(name)
    lab.wait()
    assert lab.state.expectation.accuracy_before == accuracy
    assert lab.state.settings["hidden"] == (1, 2048)
    assert lab.state.settings["train_on"] == "all"
    assert lab.model.sizes == (784, 20, 10)  # not yet
    lab.expect("worse")
    lab.wait()
    assert lab.model.sizes == (784, 1, 2048, 10)
    assert "1,2048: it is worse, as you expected" in lab.state.message
    assert lab.state.expectation is None


def test_a_wrong_expectation_is_told_and_a_move_of_a_slider_drops_the_question(labs):
    lab = labs(optimizer="adam", learning_rate=0.01)
    lab.train()
    lab.wait()
    lab.preset("1,256", expect="better")
    lab.wait()
    assert "you expected better; it is worse" in lab.state.message
    lab.preset("4,256")
    lab.change(epochs=1)
    lab.wait()
    assert lab.state.expectation is None
    assert lab.state.message == ""
    with pytest.raises(ValueError, match="choose a preset first"):
        lab.expect("better")


def test_the_first_preset_has_nothing_to_be_compared_with_and_runs(lab):
    lab.preset("5 epochs")
    lab.wait()
    assert lab.state.status == "ended"
    assert len(lab.run.rows) == 5


@pytest.mark.parametrize(("name", "answer"), [("1,2049", None), ("1,256", "beter")])
def test_an_unknown_preset_or_answer_is_refused(lab, name, answer):
    lab.train()
    lab.wait()
    with pytest.raises(ValueError, match="Did you mean '(1,2048|better)'"):
        lab.preset(name, answer)


# ---------------------------------------------------------------- states and buttons

# What each button does in each state: the state that follows, and what happens to the run and its steps.
# "new": another run, from its beginning; "on": the same run goes on; "same": nothing is trained.
BUTTONS = {
    ("ready", "train"): ("ended", "on"),
    ("ready", "step"): ("paused", "on"),
    ("ready", "pause"): ("ready", "same"),
    ("ready", "reset"): ("ready", "new"),
    ("ready", "evaluate_test"): ("ready", "same"),
    ("ready", "pin"): ("ready", "Nothing has been trained yet that could be pinned. Press Train first."),
    ("training", "train"): ("ended", "on"),
    ("training", "step"): ("paused", "on"),
    ("training", "pause"): ("paused", "on"),
    ("training", "reset"): ("ready", "new"),
    ("training", "evaluate_test"): ("paused", "on"),
    ("training", "pin"): ("ended", "on"),
    ("paused", "train"): ("ended", "on"),
    ("paused", "step"): ("paused", "on"),
    ("paused", "pause"): ("paused", "same"),
    ("paused", "reset"): ("ready", "new"),
    ("paused", "evaluate_test"): ("paused", "same"),
    ("paused", "pin"): ("paused", "same"),
    ("ended", "train"): ("ended", "new"),
    ("ended", "step"): ("paused", "new"),
    ("ended", "pause"): ("ended", "same"),
    ("ended", "reset"): ("ready", "new"),
    ("ended", "evaluate_test"): ("ended", "same"),
    ("ended", "pin"): ("ended", "same"),
    ("stopped", "train"): ("stopped", "new"),
    ("stopped", "step"): ("paused", "new"),
    ("stopped", "pause"): ("stopped", "same"),
    ("stopped", "reset"): ("ready", "new"),
    ("stopped", "evaluate_test"): ("stopped", "same"),
    ("stopped", "pin"): ("stopped", "same"),
}
UNTIL = {"ready": 0, "paused": 7, "ended": 15}


@pytest.mark.parametrize(("status", "button"), BUTTONS, ids=" then ".join)
def test_each_button_does_in_each_state_what_the_table_says(labs, status, button):
    expected, effect = BUTTONS[status, button]
    diverging = {"activation": None, "learning_rate": 1e6, "epochs": 20}
    lab = labs(**diverging) if status == "stopped" else labs()
    page = Page(lab)
    if status in ("ended", "stopped"):
        lab.train()
        lab.wait()
    for _ in range(UNTIL.get(status, 0) if status == "paused" else 0):
        lab.step()
        lab.wait()
    if status == "training":
        lab.change(epochs=5)  # with enough left to be done
        until(lambda: lab.training.step > 2)
    run, step, looks = lab.run, lab.training.step, lab.state.test_evaluations
    assert lab.state.status == status

    page.press(button)
    lab.wait()
    assert lab.state.status == expected
    until(lambda: page.frame["status"] == expected)
    if effect == "new":
        assert lab.run is not run
        assert lab.training.step == {"ready": 0, "paused": 1, "ended": 15}.get(expected, lab.training.step)
    else:
        assert lab.run is run
        assert (lab.training.step > step) == (effect == "on") or (status, effect) == ("training", "on")
    assert lab.state.test_evaluations == looks + (button == "evaluate_test")
    assert len(lab.runs) == (button == "pin" and effect in ("on", "same"))
    if effect.endswith("."):
        assert page.frame["message"] == effect
    if button == "step":
        assert lab.training.step == step + 1 if effect == "on" and status != "training" else lab.training.step >= 1


# ---------------------------------------------------------------- what the page gets


def test_the_page_gets_the_net_the_curves_and_the_latest_evaluation(lab):
    page = Page(lab)
    assert [layer["outputs"] for layer in page.frame["network"]["layers"]] == [20, 10]
    assert page.frame["network"]["parameters"] == 784 * 20 + 20 + 20 * 10 + 10
    assert page.frame["evaluation"] is None
    lab.train()
    lab.wait()
    rows, frame = lab.run.rows, page.frame
    assert frame["evaluated"]["accuracy"] == {
        "x": [1, 2, 3],
        "y": [pytest.approx(row["validation_accuracy"], abs=1e-4) for row in rows],
    }
    assert frame["evaluation"]["confusion"] == lab.run.evaluation.confusion_matrix.tolist()
    assert (frame["steps"], frame["block"], frame["share"]) == (15, 1, 1)
    mean, low, high = np.frombuffer(page.arrays[0], "<f4").reshape(3, -1)
    np.testing.assert_allclose(low, lab.run.losses, rtol=1e-6)
    np.testing.assert_allclose(high, lab.run.losses, rtol=1e-6)
    assert mean[-1] == pytest.approx(lab.run.losses.mean(), rel=1e-6)  # of fewer than 20
    page.press("pin")
    (pin,) = page.frame["pins"]
    assert pin["results"]["f1"] == lab.runs.loc[1, "validation_f1"]
    assert pin["loss"] == [pytest.approx(value, rel=1e-3) for value in mean]


def test_while_it_trains_a_frame_is_small(labs):
    lab = labs(epochs=1000, batch_size=1, learning_rate=0.001)
    page = Page(lab)
    lab.train()
    until(lambda: (page.draw(), len(lab.run.losses) > 2_000)[1])
    lab.pause()
    lab.wait()
    frames = zip(page.sizes, page.messages, strict=True)
    assert max(size for size, message in frames if "evaluated" not in message["new"]) < 2_500
    assert len(page.arrays[0]) <= 3 * 128 * 4


def test_the_mistakes_are_those_of_which_the_net_is_surest():
    logits = torch.tensor([[5.0, 0.0], [0.0, 3.0], [2.0, 0.0], [0.0, 9.0]])
    labels = torch.tensor([0, 0, 1, 0])
    images = torch.rand(4, 28, 28)
    found = frame.mistakes(Evaluation(0.0, labels, logits), images, ("a", "b"))
    assert found["captions"] == [["a", "b"], ["a", "b"], ["b", "a"]]
    png = Image.open(io.BytesIO(base64.b64decode(found["url"].partition(",")[2])))
    strip = torch.cat([images[3], images[1], images[2]], 1)
    np.testing.assert_allclose(255 - np.asarray(png).astype(int), (strip * 255).round(), atol=1)
    right = Evaluation(0.0, torch.tensor([0, 1, 0, 1]), logits)
    assert frame.mistakes(right, images, ("a", "b")) == {"url": "", "captions": []}


def test_a_parameter_of_a_model_cannot_have_the_name_of_a_setting_of_the_training(few_images):
    with pytest.raises(ValueError, match="parameter 'epochs' has the name of one of the training's settings"):
        TrainingLab(few_images, partial(ElmanRNN, 28, num_classes=10), {"epochs": Integer(1)})


# ---------------------------------------------------------------- other models


def test_it_takes_any_model_whose_parameters_it_is_told(few_images):
    lab = TrainingLab(
        few_images,
        partial(ElmanRNN, 28, num_classes=10),
        {
            "hidden_size": Integer(16, maximum=512),
            "nonlinearity": Choice.of("relu", "tanh"),
            "readout": Choice.of("last", "mean"),
        },
        epochs=1,
        device="cpu",
        readout="mean",
    )
    lab._ipython_display_()
    assert lab.state.presets == {}
    assert lab.state.settings["readout"] == "mean"
    lab.change(hidden_size=8, nonlinearity="tanh")
    lab.wait()
    assert lab.state.status == "ended", lab.state.message
    net = ElmanRNN(28, 8, 10, nonlinearity="tanh", readout="mean")
    for _ in Training(net, few_images, epochs=1, device="cpu"):
        pass
    assert torch.equal(weights(lab.model), weights(net))
    lab.pin()
    assert lab.runs["nonlinearity"].tolist() == ["tanh"]
    lab.close()
