"""The random numbers that a model begins with, from a generator of its own."""

import torch
from torch import nn


@torch.no_grad()
def linear(inputs: int, outputs: int, generator: torch.Generator, *, bias: bool = True) -> nn.Linear:
    """A `torch.nn.Linear` whose numbers come from ``generator`` instead of torch's global one.

    Parameters
    ----------
    inputs, outputs
        Its sizes.
    generator
        Is moved on by ``outputs * inputs`` numbers, and by ``outputs`` more for the bias: as nn.Linear draws them.
    bias
        Whether there is one.

    Returns
    -------
    torch.nn.Linear
    """
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs, bias=bias)
    bound = inputs**-0.5
    for parameter in layer.parameters():  # the weight, then the bias
        parameter.uniform_(-bound, bound, generator=generator)
    return layer
