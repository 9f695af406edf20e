"""Attention: each position of a sequence gathers from the others what it is looking for. Day 5."""

import math

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from learnkit.errors import check_whole_number
from learnkit.models import initial


def scaled_dot_product_attention(
    query: Float[Tensor, "... query qk_feature"],
    key: Float[Tensor, "... key qk_feature"],
    value: Float[Tensor, "... key value_feature"],
    mask: Bool[Tensor, "..."] | None = None,
) -> tuple[Float[Tensor, "... query value_feature"], Float[Tensor, "... query key"]]:
    """Means of the values, weighted by how well each key answers each query.

    ``softmax(Q Kᵀ / √d) V``, where *d* is the number of features of a query.

    Parameters
    ----------
    query, key, value
        A value for each key, and queries of as many features as the keys.
    mask
        True where a query may look at a key; its shape is broadcast to ``(..., query, key)``. (So it is in
        `torch.nn.functional.scaled_dot_product_attention` too; in `torch.nn.MultiheadAttention` True means *blocked*.)
        `causal_mask` and `padding_mask` make the two that are most needed; ``&`` makes one of both.

    Returns
    -------
    output
        A mean of values for each query.
    weights
        Each row sums to 1. A query that may look nowhere gets zeros, as weights and as output.

    Raises
    ------
    ValueError
        If the mask is not of True and False.

    References
    ----------
    Vaswani et al.: Attention is all you need, arXiv:1706.03762, section 3.2.1.
    """
    # To divide the queries is to divide the scores, of which there are many more.
    scores = query / math.sqrt(query.shape[-1]) @ key.mT
    if mask is None:
        weights = scores.softmax(dim=-1)
        return weights @ value, weights
    _check_true_or_false(mask)
    # Minus infinity becomes 0 under softmax; a row of nothing else would become 0/0, and is left alone here.
    somewhere = mask.any(dim=-1, keepdim=True)
    blocked = torch.zeros_like(mask, dtype=scores.dtype).masked_fill_(~mask & somewhere, -math.inf)
    scores += blocked
    weights = scores.softmax(dim=-1)
    if not somewhere.all():  # asked of the small mask, to spare the many weights a multiplication that is seldom needed
        weights = weights * somewhere
    return weights @ value, weights


def causal_mask(length: int, device: str | torch.device | None = None) -> Bool[Tensor, "query key"]:
    """A mask that lets each position look at itself and at those before it, not ahead.

    Raises
    ------
    ValueError
        If ``length`` is not a whole number of at least 1.
    """
    check_whole_number("length", length)
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def padding_mask(lengths: Int64[Tensor, " batch"], longest: int) -> Bool[Tensor, "batch 1 1 key"]:
    """A mask that hides what sequences were filled up with to be of one length.

    Parameters
    ----------
    lengths
        Of each sequence, before it was filled up at its end.
    longest
        The length of all, filled up.

    Raises
    ------
    ValueError
        If a length is below 0 or above ``longest``.
    """
    check_whole_number("longest", longest)
    if ((lengths < 0) | (lengths > longest)).any():
        raise ValueError(f"The lengths are {lengths.tolist()}; expected from 0 to {longest}, which is `longest`.")
    return (torch.arange(longest, device=lengths.device) < lengths[:, None])[:, None, None, :]


class MultiHeadAttention(nn.Module):
    """Attention several times side by side, each head with projections of its own.

    Queries, keys and values are made of the inputs by three matrices and cut into heads along their features; each head
    attends for itself; what the heads find is joined and goes through a fourth matrix.

    Parameters
    ----------
    embed_dim
        Features of each position, in the inputs and in the output.
    num_heads
        How many heads; ``qk_dim`` and ``value_dim`` are divided among them.
    qk_dim
        Features of all heads' queries together, and of their keys; by default ``embed_dim``.
    value_dim
        Features of all heads' values together; by default ``embed_dim``. (Both are sizes of what is made of the inputs;
        ``kdim`` and ``vdim`` of `torch.nn.MultiheadAttention` are sizes of the inputs themselves.)
    bias
        Whether the four matrices have one.
    seed
        Of the random numbers that the four begin with, as in `torch.nn.Linear`, from a generator of their own; or a
        generator to draw them from.

    Raises
    ------
    ValueError
        For a size that is not a whole number of at least 1, or one that the heads cannot share evenly.

    References
    ----------
    Vaswani et al.: Attention is all you need, arXiv:1706.03762, section 3.2.2.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        qk_dim: int | None = None,
        value_dim: int | None = None,
        bias: bool = True,
        seed: int | torch.Generator = 0,
    ) -> None:
        super().__init__()
        check_whole_number("num_heads", num_heads)
        check_whole_number("embed_dim", embed_dim)
        qk_dim = _shared_size("qk_dim", qk_dim, embed_dim, num_heads)
        value_dim = _shared_size("value_dim", value_dim, embed_dim, num_heads)
        self.num_heads = num_heads
        generator = initial.generator(seed)
        self.to_query = initial.linear(embed_dim, qk_dim, generator, bias=bias)
        self.to_key = initial.linear(embed_dim, qk_dim, generator, bias=bias)
        self.to_value = initial.linear(embed_dim, value_dim, generator, bias=bias)
        self.to_output = initial.linear(value_dim, embed_dim, generator, bias=bias)

    def forward(
        self,
        query: Float[Tensor, "batch query embed"],
        key: Float[Tensor, "batch key embed"] | None = None,
        value: Float[Tensor, "batch key embed"] | None = None,
        mask: Bool[Tensor, "..."] | None = None,
        *,
        need_weights: bool = True,
    ) -> tuple[Float[Tensor, "batch query embed"], Float[Tensor, "batch head query key"] | None]:
        """What each position gathers, and from where.

        Parameters
        ----------
        query
            The positions that ask.
        key
            The positions that are looked at; by default ``query``, which is self-attention.
        value
            What they hand out; by default ``key``.
        mask
            True where a query may look at a key: ``(query, key)``, or ``(batch, head, query, key)`` with 1 for an axis
            along which it is the same. (In `torch.nn.MultiheadAttention` True means *blocked*.)
        need_weights
            Whether to return the weights. Without them, torch's fused kernel attends, which never holds them all at
            once: it needs less memory, and less time.

        Returns
        -------
        output
            As many positions as ``query`` has.
        weights
            For each head; rows are queries and sum to 1 (to 0, if the mask lets a query look nowhere, so that its
            output is the last matrix's bias). None, if they are not needed.

        Raises
        ------
        ValueError
            If the shapes do not fit this layer or each other, or the mask is not of True and False.
        """
        key = query if key is None else key
        value = key if value is None else value
        self._check_shapes(query, key, value, mask)
        apart = "batch time (head feature) -> batch head time feature"
        query = rearrange(self.to_query(query), apart, head=self.num_heads)
        key = rearrange(self.to_key(key), apart, head=self.num_heads)
        value = rearrange(self.to_value(value), apart, head=self.num_heads)
        if need_weights:
            output, weights = scaled_dot_product_attention(query, key, value, mask)
        else:
            output, weights = functional.scaled_dot_product_attention(query, key, value, mask), None
        joined = rearrange(output, "batch head time feature -> batch time (head feature)")
        return self.to_output(joined), weights

    @torch.no_grad()
    def load_from_torch(self, module: nn.MultiheadAttention) -> None:
        """Take over the weights of a `torch.nn.MultiheadAttention`; from then on both give the same.

        Both take batches first only if the other was made with ``batch_first=True``, and its dropout, if any, is not
        taken over.

        Raises
        ------
        ValueError
            If it has other sizes or options than this layer.
        """
        embed_dim = self.to_query.in_features
        wanted = {"embed_dim": embed_dim, "num_heads": self.num_heads, "kdim": embed_dim, "vdim": embed_dim}
        wanted |= {"bias_k": None, "bias_v": None, "add_zero_attn": False}
        for name, value in wanted.items():
            if getattr(module, name) != value:
                raise ValueError(
                    f"The torch.nn.MultiheadAttention has {name}={getattr(module, name)!r}; this layer needs {value!r}."
                )
        projected = {"qk_dim": self.to_query.out_features, "value_dim": self.to_value.out_features}
        for name, size in projected.items():
            if size != embed_dim:
                raise ValueError(f"This layer has {name}={size}; torch's always has its embed_dim there, {embed_dim}.")
        if (module.in_proj_bias is None) != (self.to_query.bias is None):
            raise ValueError(
                f"The torch.nn.MultiheadAttention has bias={module.in_proj_bias is not None}; this layer needs "
                f"{self.to_query.bias is not None}."
            )
        layers = (self.to_query, self.to_key, self.to_value)
        for layer, rows in zip(layers, module.in_proj_weight.chunk(3), strict=True):
            layer.weight.copy_(rows)
        self.to_output.weight.copy_(module.out_proj.weight)
        if module.in_proj_bias is not None:
            for layer, rows in zip(layers, module.in_proj_bias.chunk(3), strict=True):
                layer.bias.copy_(rows)
            self.to_output.bias.copy_(module.out_proj.bias)

    def _check_shapes(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
        embed_dim = self.to_query.in_features
        for name, given in (("query", query), ("key", key), ("value", value)):
            shape = tuple(given.shape)
            if given.ndim != 3:
                single = given.ndim == 2 and shape[1] == embed_dim
                advice = f" It looks like one sequence: make it a batch of one with {name}[None]." if single else ""
                raise ValueError(f"{name} has the shape {shape}; expected (batch, time, feature).{advice}")
            if shape[1] == 0:
                raise ValueError(f"{name} has the shape {shape}, which is no position at all; expected at least one.")
            if shape[2] != embed_dim:
                raise ValueError(f"Each position of {name} has {shape[2]} features; this layer takes {embed_dim}.")
            if len(given) != len(query):
                raise ValueError(f"query is a batch of {len(query)} and {name} one of {len(given)}; expected as many.")
        if key.shape[1] != value.shape[1]:
            raise ValueError(
                f"There are {key.shape[1]} keys and {value.shape[1]} values; expected a value for each key."
            )
        if mask is not None:
            _check_mask(mask, (len(query), self.num_heads, query.shape[1], key.shape[1]))


def _shared_size(name: str, size: int | None, embed_dim: int, num_heads: int) -> int:
    if size is None:
        name, size = "embed_dim", embed_dim
    check_whole_number(name, size)
    if size % num_heads != 0:
        below = size // num_heads * num_heads
        next_sizes = f"{below} and {below + num_heads}" if below else num_heads
        raise ValueError(
            f"{name} is {size}, which {num_heads} heads cannot share evenly; the next that they can: {next_sizes}."
        )
    return size


def _check_true_or_false(mask: Tensor) -> None:
    if mask.dtype != torch.bool:
        raise ValueError(
            f"The mask is of {mask.dtype}; expected True where a query may look and False where not. (Of zeros and "
            "ones: mask.bool().)"
        )


def _check_mask(mask: Tensor, shape: tuple[int, int, int, int]) -> None:
    _check_true_or_false(mask)
    sizes = tuple(mask.shape)
    fits = len(sizes) in (2, 4) and all(size in (1, full) for size, full in zip(sizes[::-1], shape[::-1], strict=False))
    if not fits:
        batch, _, queries, keys = shape
        advice = {
            (batch, keys): " One row for each sequence, as padding has it, goes in as mask[:, None, None].",
            (batch, queries, keys): " One for each sequence, the same for all heads, goes in as mask[:, None].",
        }.get(sizes, "")
        raise ValueError(
            f"The mask has the shape {sizes}; expected (query, key) = {shape[2:]}, or (batch, head, query, key) = "
            f"{shape} with 1 for an axis along which it is the same.{advice}"
        )
