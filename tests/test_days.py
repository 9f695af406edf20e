"""The library does what a day teaches: a notebook's definitions are compared with learnkit's, and a later day's with an
earlier day's, with the same weights."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from learnkit.models import ElmanRNN, FullyConnected, MultiHeadAttention, TransformerBlock
from learnkit.training import Training
from tools.notebook_definitions import definitions

DAY1, DAY3, DAY4, DAY5 = (
    "day1_metrics_and_first_network",
    "day3_rnn_the_slow_way",
    "day4_rnn_vectorised",
    "day5_attention",
)
Tensors = dict[str, Tensor]


def with_the_same_names(taught: Tensors) -> Tensors:
    return taught


def named_as_in_fully_connected(taught: Tensors) -> Tensors:
    names = {"fc1": "layers.0", "fc2": "layers.1", "fc3": "layers.2"}
    return {f"{names[name.split('.')[0]]}.{name.split('.')[1]}": tensor for name, tensor in taught.items()}


def named_as_in_elman(taught: Tensors) -> Tensors:
    """The notes' single matrix for row and state is split into two."""
    weight = taught["hidden_layer.weight"]
    return {
        "input_to_hidden.weight": weight[:, :28],
        "input_to_hidden.bias": taught["hidden_layer.bias"],
        "hidden_to_hidden.weight": weight[:, 28:],
        "hidden_to_logits.weight": taught["output_layer.weight"],
        "hidden_to_logits.bias": taught["output_layer.bias"],
    }


class Pair(NamedTuple):
    day: str
    taught: Callable[[dict[str, Any]], nn.Module]  # created from the definitions of the day's notebook
    reference: Callable[[], nn.Module]
    renamed: Callable[[Tensors], Tensors]  # weights or gradients of the taught net, under the names of the reference
    inputs: tuple[int, ...]


PAIRS = {
    "Day 1's network is FullyConnected": Pair(
        DAY1,
        lambda day: day["FirstNetwork"](784, 128, 256, 10),
        lambda: FullyConnected((784, 128, 256, 10), seed=7),
        named_as_in_fully_connected,
        (20, 28, 28),
    ),
    "Day 4 starts with Day 3's network": Pair(
        DAY4,
        lambda day: day["SlowRNN"](16),
        lambda: definitions(DAY3)["SlowRNN"](16),
        with_the_same_names,
        (3, 28, 28),
    ),
    "Day 4's loop over rows is Day 3's loop over images": Pair(
        DAY4,
        lambda day: day["RowsRNN"](16),
        lambda: definitions(DAY3)["SlowRNN"](16),
        with_the_same_names,
        (5, 28, 28),
    ),
    "Day 4's fixed network is ElmanRNN": Pair(
        DAY4, lambda day: day["FixedRNN"](28, 16, 10), lambda: ElmanRNN(28, 16, 10), named_as_in_elman, (20, 28, 28)
    ),
    "Day 5's attention is MultiHeadAttention": Pair(
        DAY5, lambda day: day["Attention"](8, 4), lambda: MultiHeadAttention(8, 4), with_the_same_names, (3, 5, 8)
    ),
    "Day 5's fixed code of the notes is MultiHeadAttention": Pair(
        DAY5,
        lambda day: day["Complete"](input_dim=8, dim_k=12, dim_v=16, num_heads=4),
        lambda: MultiHeadAttention(8, 4, qk_dim=12, value_dim=16),
        with_the_same_names,
        (3, 5, 8),
    ),
    "Day 5's block is TransformerBlock": Pair(
        DAY5, lambda day: day["Block"](8, 4), lambda: TransformerBlock(8, 4), with_the_same_names, (3, 5, 8)
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_a_day_teaches_has_the_same_outputs_and_gradients_as_its_reference(name):
    pair = PAIRS[name]
    torch.manual_seed(1)
    taught, reference = pair.taught(definitions(pair.day)), pair.reference()
    reference.load_state_dict(pair.renamed(taught.state_dict()))
    inputs = torch.rand(pair.inputs)
    results = []
    for net in (taught, reference):
        outputs = net(inputs)
        results.append(outputs if isinstance(outputs, tuple) else (outputs,))
        results[-1][0].square().sum().backward()
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    expected = pair.renamed({name: weight.grad for name, weight in taught.named_parameters()})
    assert expected.keys() == dict(reference.named_parameters()).keys()
    for name, weight in reference.named_parameters():
        torch.testing.assert_close(weight.grad, expected[name], rtol=1e-4, atol=1e-5)


def test_day_5_checks_predicted_shapes_and_names_wrong_dimensions_without_their_sizes():
    check = definitions(DAY5)["check_shape"]
    scores, axes = torch.zeros(2, 4, 5, 7), "batch, head, query, key"
    assert check("scores", (2, 4, 5, 7), scores, axes).endswith(": yes")
    off = check("scores", (2, 8, 5, 1), scores, axes)
    assert "head, key" in off
    assert not {"4", "7"} & set(off)
    for guess in (20, (2, 5, 8), "shape"):
        assert "4 dimensions, batch, head, query, key" in check("scores", guess, scores, axes)
    assert "not predicted" in check("scores", ..., scores, axes)


def test_day_1s_network_has_the_initial_weights_of_fully_connected():
    torch.manual_seed(7)
    taught = definitions(DAY1)["FirstNetwork"](784, 128, 256, 10)
    reference = FullyConnected((784, 128, 256, 10), seed=7)
    for theirs, ours in zip(taught.parameters(), reference.parameters(), strict=True):
        assert torch.equal(theirs, ours)


def test_day_1s_loop_equals_training_weight_for_weight(few_images):
    day1 = definitions(DAY1)
    torch.manual_seed(0)
    taught = day1["FirstNetwork"](784, 128, 256, 10)
    images, labels = few_images.split("train")
    losses = day1["train"](taught, images, labels, epochs=4, batch_size=100, learning_rate=0.05, seed=2)
    reference = FullyConnected((784, 128, 256, 10))
    settings = {"epochs": 4, "batch_size": 100, "learning_rate": 0.05, "seed": 2, "device": "cpu"}
    assert [loss.item() for _, _, loss in Training(reference, few_images, **settings)] == losses
    for theirs, ours in zip(taught.parameters(), reference.parameters(), strict=True):
        assert torch.equal(theirs, ours)


@pytest.mark.parametrize("rung", ["hoisted", "with_addmm", "with_unbind"])
def test_each_rung_of_day_4s_ladder_is_elman(rung):
    day4 = definitions(DAY4)
    taught, reference = day4["FixedRNN"](28, 16, 10), ElmanRNN(28, 16, 10)
    reference.load_state_dict(named_as_in_elman(taught.state_dict()))
    images = torch.rand(20, 28, 28)
    ours, theirs = day4[rung](taught, images), reference(images)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    expected = named_as_in_elman({name: weight.grad for name, weight in taught.named_parameters()})
    for name, weight in reference.named_parameters():
        torch.testing.assert_close(weight.grad, expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["SlowRNN", "NotesRNN"])
def test_the_notes_networks_have_the_states_of_elman_and_read_them_a_step_late(name):
    taught, reference = definitions(DAY4)[name](16), ElmanRNN(28, 16, 10)
    weights = taught.state_dict()
    weight = weights["hidden_layer.weight"]
    with torch.no_grad():
        reference.input_to_hidden.weight.copy_(weight[:, :28])
        reference.hidden_to_hidden.weight.copy_(weight[:, 28:])
        reference.input_to_hidden.bias.copy_(weights["hidden_layer.bias"])
    images = torch.rand(5, 28, 28)
    before = torch.cat([torch.zeros(5, 1, 16), reference.states(images)[:, :-1]], dim=1)
    outputs = taught.output_layer(torch.cat([images, before], dim=2))
    expected = outputs.mean(1) if name == "SlowRNN" else outputs[:, -1]
    torch.testing.assert_close(taught(images), expected, rtol=1e-5, atol=1e-5)
