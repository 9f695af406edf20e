"""Attention: each position of a sequence gathers from the others what it is looking for. Day 5."""

import math

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

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

    Returns
    -------
    output
        A mean of values for each query.
    weights
        Each row sums to 1. A query that may look nowhere gets zeros, as weights and as output.

    References
    ----------
    Vaswani et al.: Attention is all you need, arXiv:1706.03762, section 3.2.1.
    """
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    if mask is None:
        weights = scores.softmax(dim=-1)
    else:
        # Minus infinity becomes 0 under softmax; a row of nothing else would become 0/0.
        weights = scores.masked_fill(~mask, -math.inf).softmax(dim=-1).masked_fill(~mask, 0)
    return weights @ value, weights


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
        Features of all heads' queries together, and of their keys; by default ``embed_dim``. (Not to be confused with
        ``kdim`` of `torch.nn.MultiheadAttention`, which is the size of the inputs that keys are made of.)
    value_dim
        Features of all heads' values together; by default ``embed_dim``.
    bias
        Whether the four matrices have one.
    seed
        Of the random numbers that the four begin with, as in `torch.nn.Linear`, from a generator of their own.

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
        seed: int = 0,
    ) -> None:
        super().__init__()
        qk_dim = embed_dim if qk_dim is None else qk_dim
        value_dim = embed_dim if value_dim is None else value_dim
        check_whole_number("num_heads", num_heads)
        for name, size in (("embed_dim", embed_dim), ("qk_dim", qk_dim), ("value_dim", value_dim)):
            check_whole_number(name, size)
            if name != "embed_dim" and size % num_heads != 0:
                raise ValueError(
                    f"{name} is {size}, which {num_heads} heads cannot share evenly; the nearest that they can is "
                    f"{max(1, round(size / num_heads)) * num_heads}. (By default it is embed_dim.)"
                )
        self.num_heads = num_heads
        generator = torch.Generator().manual_seed(seed)
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
    ) -> tuple[Float[Tensor, "batch query embed"], Float[Tensor, "batch head query key"]]:
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

        Returns
        -------
        output
            As many positions as ``query`` has.
        weights
            For each head; rows are queries and sum to 1 (to 0, if the mask lets a query look nowhere).

        Raises
        ------
        ValueError
            If the shapes do not fit this layer or each other, or the mask is not of True and False.
        """
        key = query if key is None else key
        value = key if value is None else value
        self._check_shapes(query, key, value, mask)
        heads = "batch time (head feature) -> batch head time feature"
        output, weights = scaled_dot_product_attention(
            rearrange(self.to_query(query), heads, head=self.num_heads),
            rearrange(self.to_key(key), heads, head=self.num_heads),
            rearrange(self.to_value(value), heads, head=self.num_heads),
            mask,
        )
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
        for layer, rows in zip(
            (self.to_query, self.to_key, self.to_value), module.in_proj_weight.chunk(3), strict=True
        ):
            layer.weight.copy_(rows)
        self.to_output.weight.copy_(module.out_proj.weight)
        if module.in_proj_bias is not None:
            layers = (self.to_query, self.to_key, self.to_value)
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


def _check_mask(mask: Tensor, shape: tuple[int, int, int, int]) -> None:
    if mask.dtype != torch.bool:
        raise ValueError(f"The mask is of {mask.dtype}; expected True where a query may look, else False.")
    sizes = tuple(mask.shape)
    fits = len(sizes) in (2, 4) and all(size in (1, full) for size, full in zip(sizes[::-1], shape[::-1], strict=False))
    if not fits:
        raise ValueError(
            f"The mask has the shape {sizes}; expected (query, key) = {shape[2:]}, or (batch, head, query, key) = "
            f"{shape} with 1 for an axis along which it is the same."
        )
