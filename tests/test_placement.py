"""What a GPU has to do, tried without one: on torch's meta device, and on a device that only pretends to be one."""

from collections.abc import Callable
from itertools import islice
from types import ModuleType
from typing import get_type_hints

import pytest
import torch
from torch import Tensor, nn

from learnkit import metrics, models, plots
from learnkit.data import LabelledImages
from learnkit.labs.attention.state import AttentionState
from learnkit.labs.draw.state import DrawState
from learnkit.labs.threshold.state import ThresholdState
from learnkit.labs.training.state import TrainingState
from learnkit.run import Run
from learnkit.study import study
from learnkit.training import OPTIMIZERS, STEPS_BETWEEN_CHECKS, Training

# Where learnkit waits for the device, and why it may. Nothing in a step or a forward pass does, but for one.
MAY_WAIT = {
    "models.recurrent._checked_lengths": "lengths decide how much there is to compute; they may be given on the CPU",
    "training._check_model_fits": "the labels, once for each training",
    "training._check_finite": "one number, every 50 steps and at the end of an epoch",
    "training.evaluate_in_parts": "the logits and labels of an evaluation, once, and all else is computed from these",
    "run._finish_epoch": "the mean loss of an epoch",
    "run._read_losses": "the losses since the last reading, at once: for a picture, or at the end of an epoch",
    "metrics._check_classes": "what counts are made of is checked once",
    "metrics.confusion_matrix": "how many there are of each pair",
    "metrics.confusion_matrix_at_thresholds": "all at once; what follows is on the CPU",
    "metrics.report": "the matrix, once for a table",
    "metrics._counts": "ratios are float64, which not every GPU has",
    "models.fully_connected.collapse": "collapse() multiplies in float64, which not every GPU has",
    "study.store.fingerprint_of": "the data, once for each study",
    "labs.training.frame.mistakes": "a few images, after each epoch",
    "labs.draw.state.answers": "what a net says to a drawing",
    "labs.attention.state._project": "a layer's numbers for a sentence; the page computes the rest",
    "labs.threshold.state._checked": "the scores and labels, once for each lab",
}

SIZES = (784, 20, 10)
Made = Callable[[], nn.Module]


@pytest.fixture(scope="module")
def pretend() -> ModuleType:
    from tests import pretend_device  # not above: it changes torch, in every process that collects this file

    return pretend_device


def inputs_of_models() -> dict[str, tuple[Made, Callable[[str | torch.device], tuple]]]:
    """Every public model in each of its ways: how it is made, and what it is called with on a device."""
    generator = torch.Generator().manual_seed(0)
    images, words = torch.rand(4, 28, 28, generator=generator), torch.rand(4, 6, 16, generator=generator)
    tokens, lengths = torch.randint(10, (4, 6), generator=generator), torch.tensor([3, 28, 1, 7])

    def masks(device: str | torch.device) -> Tensor:
        padding = models.padding_mask(torch.tensor([3, 6, 0, 2]).to(device), 6)
        return models.causal_mask(6, device) & padding

    return {
        "FullyConnected": (lambda: models.FullyConnected(SIZES, "relu"), lambda at: (images.to(at),)),
        "ElmanRNN": (lambda: models.ElmanRNN(28, 8, 10), lambda at: (images.to(at),)),
        "ElmanRNN, mean": (lambda: models.ElmanRNN(28, 8, 10, readout="mean"), lambda at: (images.to(at),)),
        "ElmanRNN, lengths": (lambda: models.ElmanRNN(28, 8, 10), lambda at: (images.to(at), None, lengths)),
        "ElmanRNN, mean, lengths": (
            lambda: models.ElmanRNN(28, 8, 10, readout="mean"),
            lambda at: (images.to(at), None, lengths),
        ),
        "MultiHeadAttention": (lambda: models.MultiHeadAttention(16, 4), lambda at: (words.to(at),)),
        "MultiHeadAttention, masks": (
            lambda: models.MultiHeadAttention(16, 4),
            lambda at: (words.to(at), None, None, masks(at)),
        ),
        "TransformerBlock": (lambda: models.TransformerBlock(16, 4), lambda at: (words.to(at), masks(at))),
        "TinyTransformer": (lambda: models.TinyTransformer(10, 6), lambda at: (tokens.to(at),)),
        "TinyTransformer, masks": (lambda: models.TinyTransformer(10, 6), lambda at: (tokens.to(at), masks(at))),
    }


def output_and_gradients(make: Made, inputs: tuple, device: str | torch.device) -> list[Tensor]:
    net = make().to(device)
    output = net(*inputs)
    output = output[0] if isinstance(output, tuple) else output
    return [output, *torch.autograd.grad(output.square().mean(), tuple(net.parameters()))]


def test_every_public_model_is_tried() -> None:
    public = {name for name in models.__all__ if isinstance(getattr(models, name), type)}
    assert public == {name.partition(",")[0] for name in inputs_of_models()}


@pytest.mark.parametrize("name", inputs_of_models())
def test_a_model_computes_where_its_inputs_are_and_reads_no_value(name: str) -> None:
    make, inputs = inputs_of_models()[name]  # a meta tensor has no values: to read one is an error
    assert {tensor.device.type for tensor in output_and_gradients(make, inputs("meta"), "meta")} == {"meta"}


@pytest.mark.parametrize("name", inputs_of_models())
def test_on_a_strict_device_a_model_gives_what_it_gives_on_the_cpu_and_does_not_wait(name: str, pretend) -> None:
    make, inputs = inputs_of_models()[name]
    there = inputs(pretend.DEVICE)
    with pretend.available() as waits:
        computed = output_and_gradients(make, there, pretend.DEVICE)
    assert waits == {}
    for tensor, expected in zip(computed, output_and_gradients(make, inputs("cpu"), "cpu"), strict=True):
        assert tensor.device.type == "pretend"
        torch.testing.assert_close(tensor.cpu(), expected)


def test_lengths_that_are_on_the_device_are_fetched_once(pretend) -> None:
    net, images = models.ElmanRNN(28, 8, 10, readout="mean"), torch.rand(4, 28, 28)
    lengths = torch.tensor([3, 28, 1, 7])
    expected = net(images, lengths=lengths)
    with pretend.available() as waits:
        logits = net.to(pretend.DEVICE)(images.to(pretend.DEVICE), lengths=lengths.to(pretend.DEVICE))
    assert waits == {"models.recurrent._checked_lengths": 1}
    torch.testing.assert_close(logits.cpu(), expected)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_training_step_computes_on_the_device_alone(few_images: LabelledImages, optimizer: str) -> None:
    training = Training(models.FullyConnected(SIZES), few_images, batch_size=5, optimizer=optimizer, device="meta")
    steps = list(islice(training, STEPS_BETWEEN_CHECKS - 1))
    assert {progress.loss.device.type for progress in steps} == {"meta"}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_training_waits_once_in_50_steps_and_ends_with_the_same_weights(few_images, optimizer, pretend) -> None:
    nets = [models.FullyConnected(SIZES, "relu") for _ in range(2)]
    settings = {"batch_size": 5, "epochs": 2, "optimizer": optimizer}
    with pretend.available() as waits:
        assert len(list(Training(nets[0], few_images, **settings, device="pretend"))) == 2 * 86
    assert waits == {"training._check_finite": 2 * 2}  # after 50 steps and at the end of each epoch
    list(Training(nets[1], few_images, **settings, device="cpu"))
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(one.cpu(), other)


# ---------------------------------------------------------------- all the rest, held against the table


def train_and_resume(data: LabelledImages, device: torch.device) -> None:
    training = Training(models.FullyConnected(SIZES), data, batch_size=100, epochs=2, device=device)
    next(training)
    state = training.state_dict()
    list(training)
    training.load_state_dict(state)
    for split in ("train", "validation", "test"):
        evaluation = training.evaluate(split)
        assert evaluation.confusion_matrix.device.type == evaluation.logits.device.type == "cpu"
    assert training.model.collapse().weight.device == device


def run_to_its_end(data: LabelledImages, device: torch.device) -> None:
    run = Run(Training(models.FullyConnected(SIZES), data, batch_size=100, epochs=2, device=device), test=True)
    assert len(list(run)) > 10
    assert len(run.losses) == 10


def study_with_a_file(data: LabelledImages, device: torch.device, folder) -> None:
    grid = {"sizes": [SIZES], "device": [str(device)]}
    table = study(grid, range(2), data.to(device), epochs=1, path=folder / "runs.sqlite")
    assert table["error"].isna().all()
    assert table["test_last_200"].between(0, 1).all()


def read_shorter_sequences(data: LabelledImages, device: torch.device) -> None:
    net, images, lengths = models.ElmanRNN(28, 8, 10).to(device), data.test_images[:3].to(device), [3, 28, 1]
    assert net(images, lengths=torch.tensor(lengths).to(device)).shape == (3, 10)


def count(data: LabelledImages, device: torch.device) -> None:
    labels, predictions = data.test_labels.to(device), data.test_labels.to(device).flip(0)
    matrix = metrics.confusion_matrix(labels, predictions, 10)
    assert metrics.report(matrix).loc["accuracy", "F1"] == metrics.f1(matrix, average="micro")
    scores, thresholds = data.test_images.mean((1, 2)).to(device), torch.tensor([0.1, 0.2], dtype=torch.float64)
    assert metrics.confusion_matrix_at_thresholds((labels == 5).long(), scores, thresholds).sum() == 2 * len(labels)


def move_sliders(data: LabelledImages, device: torch.device) -> None:
    state = TrainingState(data, hidden=(20,), epochs=2, batch_size=100, device=device.type)
    for _ in state.train():
        state.frame()
    state.pin()
    assert 0 <= state.evaluate_test() <= 1
    assert state.frame()[0]["computed_on"] == "Trained on pretend."


def draw(data: LabelledImages, device: torch.device) -> None:
    state = DrawState(models.FullyConnected(SIZES).to(device), models.ElmanRNN(28, 8, 10).to(device))
    state.change(strokes=[[(100, 50), (100, 200)]])
    state.keep(1)
    assert len(state.frame()[0]["answers"]) == 2
    assert len(state.accuracy) == 2


def attend(data: LabelledImages, device: torch.device) -> None:
    state = AttentionState("the dog bites", models.MultiHeadAttention(8, 2).to(device))
    state.change(causal=True, heads=4)
    assert state.weights.shape == (4, 3, 3)


def move_a_threshold(data: LabelledImages, device: torch.device) -> None:
    labels = (data.test_labels == 5).to(device)
    state = ThresholdState(data.test_images.mean((1, 2)).to(device), labels)
    state.change(costs=(10, 1))
    assert int(state.matrix.sum()) == len(labels)


PLOTS: dict[str, Callable[[Callable[..., Tensor]], object]] = {
    "attention_heatmap": lambda at: plots.attention_heatmap(at(torch.rand(2, 2, 3, 3).softmax(-1))),
    "confusion_heatmap": lambda at: plots.confusion_heatmap(at(torch.randint(1, 9, (3, 3)))),
    "drawn_digits": lambda at: plots.drawn_digits(
        at(torch.rand(28, 28)), {"a": at(torch.rand(10))}, at(torch.rand(2, 28, 28)), [1, 2], [[1], [3]]
    ),
    "image_grid": lambda at: plots.image_grid(at(torch.rand(3, 28, 28))),
    "run_summary": lambda at: plots.run_summary(
        torch.rand(5).numpy(), 5, plots_rows(), at(torch.randint(1, 9, (3, 3)))
    ),
    "step_losses": lambda at: plots.step_losses([at(torch.rand(())) for _ in range(60)]),
    "threshold_curves": lambda at: plots.threshold_curves(at(torch.rand(50)), at(torch.arange(50) % 2), 0.5),
    "worst_mistakes": lambda at: plots.worst_mistakes(
        at(torch.rand(9, 28, 28)), at(torch.arange(9) % 3), at(torch.rand(9, 3)), count=4
    ),
}


def plots_rows():
    import pandas as pd

    return pd.DataFrame({"epoch": [1], "train_loss": [1.0], "train_accuracy": [0.5]})


def test_every_plot_that_takes_tensors_is_tried() -> None:
    with_tensors = {name for name in plots.__all__ if "Tensor" in str(get_type_hints(getattr(plots, name)))}
    assert with_tensors == set(PLOTS)


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_fetches_what_it_draws_at_once(name: str, pretend) -> None:
    arguments = 0

    def at(tensor: Tensor) -> Tensor:
        nonlocal arguments
        arguments += 1 if tensor.ndim else 0
        return tensor.to(pretend.DEVICE)

    with pretend.available() as waits:
        assert PLOTS[name](at) is not None
    assert sum(waits.values()) <= max(arguments, 1) + 1, waits


SCENES = (train_and_resume, run_to_its_end, read_shorter_sequences, count, move_sliders, draw, attend, move_a_threshold)


def test_nothing_waits_for_the_device_but_what_stands_in_the_table(few_images, tmp_path, pretend) -> None:
    with pretend.available() as waits:
        for scene in SCENES:
            scene(few_images, pretend.DEVICE)
        study_with_a_file(few_images, pretend.DEVICE, tmp_path)
    assert set(waits) == set(MAY_WAIT)
