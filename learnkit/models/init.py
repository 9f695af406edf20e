"""Initial weights, drawn from a model's own random generator."""

import torch
from torch import nn


def generator(seed: int | torch.Generator) -> torch.Generator:
    """A new generator with this seed. A generator is returned as it is, so that the parts of a model can share one."""
    return seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)


@torch.no_grad()
def linear(inputs: int, outputs: int, generator: torch.Generator, *, bias: bool = True) -> nn.Linear:
    """A `torch.nn.Linear` whose parameters are drawn from ``generator`` instead of torch's global one.

    Parameters
    ----------
    inputs, outputs
        The numbers of features.
    generator
        It is advanced by ``outputs * inputs`` numbers, and by ``outputs`` more for the bias, as in `torch.nn.Linear`.
    bias
        Whether there is a bias.

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
    """A `torch.nn.Embedding` of ``count`` vectors, drawn from ``generator`` instead of torch's global one."""
    layer = nn.utils.skip_init(nn.Embedding, count, size)
    layer.weight.normal_(generator=generator)
    return layer
