"""The network of the first two days: linear layers in sequence, with or without an activation between them."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from learnkit.errors import check_whole_number, unknown
from learnkit.models import init

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "sigmoid": nn.Sigmoid}


class FullyConnected(nn.Module):
    """Linear layers of the given sizes, in sequence.

    Parameters
    ----------
    sizes
        The numbers of inputs, of neurons in each hidden layer, and of classes: ``(784, 128, 256, 10)`` makes three
        layers.
    activation
        What is applied between the layers (not after the last): ``"relu"``, ``"tanh"``, ``"gelu"``, ``"sigmoid"``, or
        None for nothing.
    seed
        For the initial weights: each weight and bias of a layer with *n* inputs is uniform between −1/√n and 1/√n, as
        in `torch.nn.Linear`, and drawn in the same order. They come from the net's own generator; torch's global one is
        neither read nor advanced.

    Raises
    ------
    ValueError
        For fewer than two sizes, a size that is not a whole number of at least 1, or an unknown activation.
    """

    def __init__(self, sizes: Sequence[int], activation: str | None = None, *, seed: int = 0) -> None:
        super().__init__()
        self.sizes = _check_sizes(sizes)
        if activation is not None and activation not in ACTIVATIONS:
            raise unknown("activation", activation, ACTIVATIONS)
        self.activation = activation
        generator = torch.Generator().manual_seed(seed)
        self.layers = nn.Sequential()
        for inputs, outputs in pairwise(self.sizes):
            if activation is not None and len(self.layers) > 0:
                self.layers.append(ACTIVATIONS[activation]())
            self.layers.append(init.linear(inputs, outputs, generator))

    def forward(self, images: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch classes"]:
        """The logits of a batch of images, flattened or not.

        Raises
        ------
        ValueError
            If the number of pixels of an image differs from the number of inputs of the first layer.
        """
        pixels = prod(images.shape[1:])
        if pixels != self.sizes[0]:
            single = images.numel() == self.sizes[0]
            advice = " It looks like one image: make it a batch of one with image[None]." if single else ""
            raise ValueError(
                f"A batch of shape {tuple(images.shape)} holds images of {pixels} pixels each; the first layer of this "
                f"net expects {self.sizes[0]}.{advice}"
            )
        return self.layers(images.flatten(1))

    @torch.no_grad()
    def collapse(self) -> nn.Linear:
        """The single linear layer that is equivalent to a net without an activation.

        ``W3 (W2 (W1 x + b1) + b2) + b3`` multiplied out: ``(W3 W2 W1) x + (W3 W2 b1 + W3 b2 + b3)``.

        Raises
        ------
        ValueError
            If there is an activation between layers, since no single linear layer gives the same outputs.
        """
        if self.activation is not None and len(self.sizes) > 2:
            raise ValueError(
                f"This net has {self.activation!r} between its layers, which is not linear, so no single linear layer "
                "is equivalent to it. Only a net with activation=None collapses."
            )
        # In float64, so that multiplying out adds no rounding error, and on the CPU, since not every GPU has float64.
        first, *others = ((layer.weight.cpu().double(), layer.bias.cpu().double()) for layer in self._linears())
        weight, bias = first
        for next_weight, next_bias in others:
            weight, bias = next_weight @ weight, next_weight @ bias + next_bias
        device = self._linears()[0].weight.device
        collapsed = nn.utils.skip_init(nn.Linear, self.sizes[0], self.sizes[-1], device=device)
        collapsed.weight.copy_(weight)
        collapsed.bias.copy_(bias)
        return collapsed

    def _linears(self) -> list[nn.Linear]:
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]


def _check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(sizes, Iterable):
        raise ValueError(
            f"sizes is {sizes!r}; expected the numbers of inputs, neurons and outputs, such as (784, 128, 10). A "
            "study expects a list of these, such as [(784, 128, 10)], and tries each of them."
        )
    sizes = tuple(sizes)
    if len(sizes) < 2:
        raise ValueError(
            f"sizes={sizes} makes no layer; expected at least the numbers of inputs and outputs, such as (784, 10)."
        )
    for size in sizes:
        check_whole_number(f"The number of neurons of a layer in sizes={sizes}", size)
    return sizes
