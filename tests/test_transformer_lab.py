"""The transformer lab without a browser: a net that learns to say digits backwards, as they are, or in order."""

import re
import time

import numpy as np
import pytest
import torch
from pages import Page, until
from torch.nn.functional import cross_entropy

from learnkit import models
from learnkit.labs import TransformerLab
from learnkit.labs.transformer.digits import DigitTraining
from learnkit.labs.transformer.state import TransformerState


def digit_training(**values) -> DigitTraining:
    return TransformerState(**values).training


@pytest.fixture
def learners():
    """Makes labs, and closes them."""
    made = []

    def make(*task: str, **settings) -> TransformerLab:
        made.append(TransformerLab(*task, **settings))
        return made[-1]

    yield make
    for lab in made:
        lab.close()
        lab.wait()


@pytest.mark.parametrize(
    ("task", "expected"), [("reverse", [9, 5, 1, 4, 1, 3]), ("copy", [3, 1, 4, 1, 5, 9]), ("sort", [1, 1, 3, 4, 5, 9])]
)
def test_each_task_says_what_it_expects(task, expected):
    assert digit_training(task=task).expected == expected


def test_it_learns_to_reverse_and_its_heads_look_where_the_digit_is(learners):
    lab = learners(steps=400)
    assert lab.accuracy < 0.3
    lab.train()
    lab.wait()
    assert (lab.state.status, lab.training.step) == ("ended", 400)
    assert lab.accuracy >= 0.99
    assert lab.training.snapshot.answer == lab.training.expected
    assert lab.training.snapshot.weights.mean((0, 1)).argmax(1).tolist() == [5, 4, 3, 2, 1, 0]


def test_to_copy_is_learnt_without_looking_at_the_digit_since_it_is_there_already(learners):
    lab = learners("copy", steps=200)
    lab.train()
    lab.wait()
    assert lab.accuracy >= 0.99
    assert lab.training.snapshot.weights.mean((0, 1)).diagonal().max() < 0.5


def test_it_gets_better_at_sorting():
    training = digit_training(task="sort", learning_rate=3e-3, num_heads=4, steps=300)
    for _ in training:
        pass
    assert training.accuracies[0] < 0.3
    assert training.accuracy > 0.9


def test_its_losses_are_those_of_a_plain_loop():
    training = digit_training(task="sort", length=4, seed=5, steps=30)
    for _ in training:
        pass
    net = models.TinyTransformer(10, 4, seed=5)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-4)
    generator = torch.Generator().manual_seed(5)
    tested = torch.randint(0, 10, (500, 4), generator=generator)
    losses = []
    for _ in range(30):
        digits = torch.randint(0, 10, (32, 4), generator=generator)
        loss = cross_entropy(net(digits)[0].flatten(0, 1), digits.sort().values.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(training.losses, losses, rtol=1e-4)
    right = (net(tested)[0].argmax(-1) == tested.sort().values).double().mean().item()
    assert training.accuracy == pytest.approx(right, abs=2e-3)
    assert len(training.accuracies) == 3  # before the first step, after 25 and the last


def test_a_pause_changes_nothing_in_what_is_learnt(learners):
    lab, undisturbed = learners(steps=60), digit_training(steps=60)
    lab.train()
    until(lambda: lab.training.step > 5)
    lab.pause()
    lab.wait()
    assert lab.state.status in ("paused", "ended")
    at = lab.training.step
    time.sleep(0.05)
    assert lab.training.step == at
    lab.train()
    lab.wait()
    for _ in undisturbed:
        pass
    assert lab.state.status == "ended"
    np.testing.assert_allclose(lab.training.losses, undisturbed.losses, rtol=1e-5)


def test_reset_brings_back_the_net_of_the_beginning(learners):
    lab = learners(steps=100_000)
    before = lab.training.snapshot.weights
    lab.train()
    until(lambda: lab.training.step > 30)
    lab.reset()
    lab.wait()
    assert (lab.state.status, lab.training.step, len(lab.training.losses)) == ("ready", 0, 0)
    assert torch.equal(lab.training.snapshot.weights, before)


def test_a_step_that_was_being_made_when_it_was_reset_says_nothing_of_the_new_net(learners):
    lab = learners()
    steps = lab.state.train()  # as the thread does
    next(steps)
    assert lab.state.status == "training"
    lab.reset()
    steps.close()
    assert (lab.state.status, lab.training.step) == ("ready", 0)


def test_another_task_trains_a_new_net_and_what_cannot_be_leaves_the_old_one_training(learners):
    lab = learners(steps=100_000)
    lab.train()
    until(lambda: lab.training.step > 5)
    with pytest.raises(ValueError, match="embed_dim is 32, which is not divisible by num_heads=3"):
        lab.change(num_heads=3)
    assert (lab.task, lab.num_heads, lab.state.status) == ("reverse", 2, "training")
    old = lab.training
    lab.change(task="sort", num_heads=4)
    until(lambda: lab.state.status == "training" and lab.training.step > 0)
    assert lab.training is not old
    assert (lab.task, lab.training.snapshot.weights.shape) == ("sort", (1, 4, 6, 6))


def test_a_rate_that_is_too_large_is_said_to_be_and_the_heatmaps_stay(learners):
    lab = learners(learning_rate=1e30)
    lab.train()
    lab.wait()
    assert lab.state.status == "stopped"
    assert re.match(
        r"After \d+ steps the loss is no number any more. The learning rate is 1e\+30: try", lab.state.message
    )
    assert lab.training.snapshot.weights.isfinite().all()
    lab.figure()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "revert"}, "There is no task called 'revert'. Did you mean 'reverse'?"),
        ({"length": 0}, "length is 0; expected a whole number"),
        ({"length": 17}, "length is 17; expected a whole number from 1 to 16."),
        ({"steps": 0}, "steps is 0; expected a whole number"),
        ({"num_heads": 5}, "embed_dim is 32, which is not divisible by num_heads=5"),
        ({"learning_rate": 0}, "learning rate is 0; expected a number above 0"),
        ({"learning_rate": "fast"}, "learning rate is 'fast'; expected a number above 0"),
    ],
)
def test_a_training_that_cannot_be_is_refused_in_words(settings, message):
    with pytest.raises(ValueError, match=message):
        TransformerLab(**settings)


def test_the_page_gets_the_example_and_where_each_head_looks(learners):
    lab = learners(num_heads=4, num_blocks=2, length=3)
    page = Page(lab)
    assert page.frame["digits"] == [3, 1, 4]
    assert page.frame["expected"] == [4, 1, 3]
    assert page.frame["heads"] == [2, 4]
    weights = np.frombuffer(page.arrays[1], "<f4").reshape(2, 4, 3, 3)
    np.testing.assert_allclose(weights, lab.training.snapshot.weights)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    assert page.frame["computed_on"] == "Trained on the CPU, with 1 thread."


def test_its_buttons_and_controls_do_what_they_say(learners):
    lab = learners(steps=100_000)
    page = Page(lab)
    page.press("train")
    until(lambda: lab.training.step > 2)
    assert lab.state.status == "training"
    page.press("pause")
    lab.wait()
    assert page.frame["status"] == "paused"
    page.change(task="say it again")
    until(lambda: lab.state.status == "training")
    assert lab.task == "copy"
    page.press("reset")
    lab.wait()
    assert (page.frame["status"], page.frame["progress"]) == ("ready", "step 0 of 100,000")
    page.change(learning_rate="much")
    assert page.frame["refused"] == {
        "learning_rate": "learning rate is 'much'; expected a number above 0, such as 0.0005."
    }
    assert page.frame["values"]["learning_rate"] == 0.0005
