"""Attention: each position of a sequence gathers information from the others. Day 5."""

import math

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from learnkit.errors import can_check_values, check_whole_number
from learnkit.models import init


def scaled_dot_product_attention(
    query: Float[Tensor, "... query qk_feature"],
    key: Float[Tensor, "... key qk_feature"],
    value: Float[Tensor, "... key value_feature"],
    mask: Bool[Tensor, "..."] | None = None,
) -> tuple[Float[Tensor, "... query value_feature"], Float[Tensor, "... query key"]]:
    """Means of the values, weighted by how well each key matches each query.

    ``softmax(Q Kᵀ / √d) V``, where *d* is the number of features of a query.

    Parameters
    ----------
    query, key, value
        A value for each key; queries and keys have equally many features.
    mask
        True where a query may attend to a key, broadcast to ``(..., query, key)``. This is the convention of
        `torch.nn.functional.scaled_dot_product_attention`; in `torch.nn.MultiheadAttention` True means *blocked*.
        `causal_mask` and `padding_mask` make the two common masks; ``&`` combines them.

    Returns
    -------
    output
        A weighted mean of the values for each query.
    weights
        Each row sums to 1. A query that may attend to no key has weights and output of zero.

    Raises
    ------
    ValueError
        If the mask is not boolean.

    References
    ----------
    Vaswani et al.: Attention is all you need, arXiv:1706.03762, section 3.2.1.
    """
    # Dividing the queries divides the scores, of which there are many more.
    scores = query / math.sqrt(query.shape[-1]) @ key.mT
    if mask is None:
        weights = scores.softmax(dim=-1)
        return weights @ value, weights
    _check_boolean(mask)
    # The softmax turns minus infinity into 0. A row of nothing else would become 0/0, so such rows are not masked here.
    attends = mask.any(dim=-1, keepdim=True)
    blocked = torch.zeros_like(mask, dtype=scores.dtype).masked_fill_(~mask & attends, -math.inf)
    scores += blocked
    weights = scores.softmax(dim=-1)
    # The mask is small, and to look at it first spares the many weights a multiplication that is rarely needed.
    if not can_check_values(mask) or not attends.all():
        weights = weights * attends
    return weights @ value, weights


def causal_mask(length: int, device: str | torch.device | None = None) -> Bool[Tensor, "query key"]:
    """A mask that lets each position attend to itself and to those before it, not to those after it.

    Raises
    ------
    ValueError
        If ``length`` is not a whole number of at least 1.
    """
    check_whole_number("length", length)
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def padding_mask(lengths: Int64[Tensor, " batch"], max_length: int) -> Bool[Tensor, "batch 1 1 key"]:
    """A mask that hides the padding at the end of sequences.

    Parameters
    ----------
    lengths
        The length of each sequence without its padding.
    max_length
        The length of all sequences with their padding.

    Raises
    ------
    ValueError
        If a length is below 0 or above ``max_length``. Lengths on a GPU are not looked at, which would wait for it.
    """
    check_whole_number("max_length", max_length)
    if can_check_values(lengths) and ((lengths < 0) | (lengths > max_length)).any():
        raise ValueError(f"The lengths are {lengths.tolist()}; expected 0 to {max_length}, which is max_length.")
    return (torch.arange(max_length, device=lengths.device) < lengths[:, None])[:, None, None, :]


class MultiHeadAttention(nn.Module):
    """Several attention heads in parallel, each with its own projections.

    Three linear layers project the inputs to queries, keys and values, whose features are split among the heads. Each
    head attends independently; a fourth linear layer projects their concatenated outputs.

    Parameters
    ----------
    embed_dim
        Features of each position, in the inputs and the output.
    num_heads
        Number of heads, among which ``qk_dim`` and ``value_dim`` are split.
    qk_dim
        Features of the queries, and of the keys, of all heads together; by default ``embed_dim``.
    value_dim
        Features of the values of all heads together; by default ``embed_dim``. Both are sizes after the projection;
        ``kdim`` and ``vdim`` of `torch.nn.MultiheadAttention` are sizes before it.
    bias
        Whether the four linear layers have a bias.
    seed
        For the initial weights, drawn as in `torch.nn.Linear` but from the module's own generator; or a generator to
        draw them from.

    Raises
    ------
    ValueError
        For a size that is not a whole number of at least 1, or is not divisible by ``num_heads``.

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
        qk_dim = _divisible_size("qk_dim", qk_dim, embed_dim, num_heads)
        value_dim = _divisible_size("value_dim", value_dim, embed_dim, num_heads)
        self.num_heads = num_heads
        generator = init.generator(seed)
        self.to_query = init.linear(embed_dim, qk_dim, generator, bias=bias)
        self.to_key = init.linear(embed_dim, qk_dim, generator, bias=bias)
        self.to_value = init.linear(embed_dim, value_dim, generator, bias=bias)
        self.to_output = init.linear(value_dim, embed_dim, generator, bias=bias)

    def forward(
        self,
        query: Float[Tensor, "batch query embed"],
        key: Float[Tensor, "batch key embed"] | None = None,
        value: Float[Tensor, "batch key embed"] | None = None,
        mask: Bool[Tensor, "..."] | None = None,
        *,
        need_weights: bool = True,
    ) -> tuple[Float[Tensor, "batch query embed"], Float[Tensor, "batch head query key"] | None]:
        """The output at each query, and the attention weights.

        Parameters
        ----------
        query
            The positions that attend.
        key
            The positions that are attended to; by default ``query``, which is self-attention.
        value
            What the values are computed from; by default ``key``.
        mask
            True where a query may attend to a key: ``(query, key)``, or ``(batch, head, query, key)`` with 1 for an
            axis along which it is the same. In `torch.nn.MultiheadAttention` True means *blocked*.
        need_weights
            Whether to return the weights. Without them torch's fused kernel is used, which never stores them all at
            once, so it takes less memory and less time.

        Returns
        -------
        output
            One position for each of ``query``.
        weights
            Those of each head; a row belongs to a query and sums to 1, or to 0 if the mask lets the query attend to
            no key, so that its output is the bias of the last layer. None if ``need_weights`` is False.

        Raises
        ------
        ValueError
            If the shapes do not fit this layer or each other, or the mask is not boolean.
        """
        key = query if key is None else key
        value = key if value is None else value
        self._check_shapes(query, key, value, mask)
        split_heads = "batch time (head feature) -> batch head time feature"
        query = rearrange(self.to_query(query), split_heads, head=self.num_heads)
        key = rearrange(self.to_key(key), split_heads, head=self.num_heads)
        value = rearrange(self.to_value(value), split_heads, head=self.num_heads)
        if need_weights:
            output, weights = scaled_dot_product_attention(query, key, value, mask)
        else:
            output, weights = functional.scaled_dot_product_attention(query, key, value, mask), None
        joined = rearrange(output, "batch head time feature -> batch time (head feature)")
        return self.to_output(joined), weights

    @torch.no_grad()
    def load_from_torch(self, module: nn.MultiheadAttention) -> None:
        """Copy the weights of a `torch.nn.MultiheadAttention`, so that both return the same.

        The order of the axes is the same only if that was created with ``batch_first=True``. Its dropout is not copied.

        Raises
        ------
        ValueError
            If its sizes or options differ from those of this layer.
        """
        embed_dim = self.to_query.in_features
        expected: dict[str, object] = {"embed_dim": embed_dim, "num_heads": self.num_heads}
        expected |= {"kdim": embed_dim, "vdim": embed_dim, "bias_k": None, "bias_v": None, "add_zero_attn": False}
        for name, value in expected.items():
            if getattr(module, name) != value:
                raise ValueError(
                    f"The torch.nn.MultiheadAttention has {name}={getattr(module, name)!r}; expected {value!r}."
                )
        projected = {"qk_dim": self.to_query.out_features, "value_dim": self.to_value.out_features}
        for name, size in projected.items():
            if size != embed_dim:
                raise ValueError(f"This layer has {name}={size}; in torch it always equals embed_dim, {embed_dim}.")
        if (module.in_proj_bias is None) != (self.to_query.bias is None):
            raise ValueError(
                f"The torch.nn.MultiheadAttention has bias={module.in_proj_bias is not None}; expected "
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
                raise ValueError(f"{name} has the shape {shape}, which has no positions; expected at least one.")
            if shape[2] != embed_dim:
                raise ValueError(f"Each position of {name} has {shape[2]} features; this layer expects {embed_dim}.")
            if len(given) != len(query):
                raise ValueError(f"query is a batch of {len(query)} and {name} of {len(given)}; expected equally many.")
        if key.shape[1] != value.shape[1]:
            raise ValueError(
                f"There are {key.shape[1]} keys and {value.shape[1]} values; expected a value for each key."
            )
        if mask is not None:
            _check_mask(mask, (len(query), self.num_heads, query.shape[1], key.shape[1]))


def _divisible_size(name: str, size: int | None, embed_dim: int, num_heads: int) -> int:
    if size is None:
        name, size = "embed_dim", embed_dim
    check_whole_number(name, size)
    if size % num_heads != 0:
        below = size // num_heads * num_heads
        nearest = f"{below} and {below + num_heads}" if below else num_heads
        raise ValueError(
            f"{name} is {size}, which is not divisible by num_heads={num_heads}; the nearest sizes are: {nearest}."
        )
    return size


def _check_boolean(mask: Tensor) -> None:
    if mask.dtype != torch.bool:
        raise ValueError(
            f"The mask has the dtype {mask.dtype}; expected torch.bool, True where a query may attend. If it holds "
            "ones and zeros, pass mask.bool()."
        )


def _check_mask(mask: Tensor, shape: tuple[int, int, int, int]) -> None:
    _check_boolean(mask)
    sizes = tuple(mask.shape)
    fits = len(sizes) in (2, 4) and all(size in (1, full) for size, full in zip(sizes[::-1], shape[::-1], strict=False))
    if not fits:
        batch, _, queries, keys = shape
        advice = {
            (batch, keys): " If it has one row for each sequence, as for padding, pass mask[:, None, None].",
            (batch, queries, keys): " If it is one for each sequence, the same for all heads, pass mask[:, None].",
        }.get(sizes, "")
        raise ValueError(
            f"The mask has the shape {sizes}; expected (query, key) = {shape[2:]}, or (batch, head, query, key) = "
            f"{shape} with 1 for an axis along which it is the same.{advice}"
        )
