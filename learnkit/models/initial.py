"""The random numbers that a model begins with, from a generator of its own."""

import torch
from torch import nn


def generator(seed: int | torch.Generator) -> torch.Generator:
    """A generator of its own for a seed. One that is given is gone on with: so the parts of a model share one."""
    return seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)


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


@torch.no_grad()
def embedding(count: int, size: int, generator: torch.Generator) -> nn.Embedding:
    """A `torch.nn.Embedding`, of ``count`` vectors, whose numbers come from ``generator`` instead of torch's own."""
    layer = nn.utils.skip_init(nn.Embedding, count, size)
    layer.weight.normal_(generator=generator)
    return layer
