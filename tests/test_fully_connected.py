import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from learnkit.models import FullyConnected


def test_it_equals_the_linear_layers_that_torch_makes_from_the_same_seed():
    net = FullyConnected((784, 128, 256, 10), seed=5)
    torch.manual_seed(5)
    theirs = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.Linear(128, 256), nn.Linear(256, 10))
    for ours, parameter in zip(net.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(ours, parameter)
    images = torch.rand(7, 28, 28)
    assert torch.equal(net(images), theirs(images))
    assert torch.equal(net(images), net(images.flatten(1)))


def test_the_global_random_state_is_neither_read_nor_changed():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = FullyConnected((4, 3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(FullyConnected((4, 3)).layers[0].weight, first.layers[0].weight)


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "sigmoid"])
def test_there_is_an_activation_between_the_layers_and_not_at_the_end(activation):
    net = FullyConnected((6, 5, 4, 3), activation)
    kinds = [type(layer).__name__.lower() for layer in net.layers]
    assert kinds == ["linear", activation, "linear", activation, "linear"]


@given(st.lists(st.integers(1, 12), min_size=2, max_size=6), st.integers(0, 99))
def test_without_an_activation_it_collapses_into_one_layer(sizes, seed):
    net = FullyConnected(sizes, seed=seed)
    images = torch.rand(9, sizes[0], generator=torch.Generator().manual_seed(seed))
    collapsed = net.collapse()
    assert isinstance(collapsed, nn.Linear)
    assert collapsed.weight.dtype == torch.float32
    torch.testing.assert_close(collapsed(images), net(images), rtol=1e-4, atol=1e-4)


def test_with_an_activation_it_cannot_collapse():
    with pytest.raises(ValueError, match="has 'relu' between its layers"):
        FullyConnected((4, 3, 2), "relu").collapse()


def test_a_single_layer_collapses_with_any_activation():
    net = FullyConnected((4, 2), "relu")
    assert torch.equal(net.collapse().weight, net.layers[0].weight)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": 784}, r"sizes is 784; expected .* such as \(784, 128, 10\). A study expects a list"),
        ({"sizes": ()}, r"sizes=\(\) makes no layer"),
        ({"sizes": (784,)}, r"sizes=\(784,\) makes no layer"),
        ({"sizes": (784, 0, 10)}, r"sizes=\(784, 0, 10\) is 0; expected a whole number, 1 or more"),
        ({"sizes": (784, -5, 10)}, "is -5"),
        ({"sizes": (784, 12.5, 10)}, "is 12.5"),
        ({"sizes": (784, 10), "activation": "rellu"}, "no activation called 'rellu'. Did you mean 'relu'"),
        ({"sizes": (784, 10), "activation": "step"}, "Known: 'relu', 'tanh', 'gelu', 'sigmoid'"),
    ],
)
def test_invalid_arguments_raise_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        FullyConnected(**arguments)


def test_images_of_another_size_raise_an_error_that_names_both_sizes():
    net = FullyConnected((784, 10))
    with pytest.raises(ValueError, match="images of 1024 pixels each; the first layer of this net expects 784"):
        net(torch.rand(2, 32, 32))
    with pytest.raises(ValueError, match=r"It looks like one image: make it a batch of one with image\[None\]"):
        net(torch.rand(28, 28))
    with pytest.raises(ValueError, match="It looks like one image"):
        net(torch.rand(784))
