"""A transformer's block, and a transformer small enough to watch while it learns. Day 5."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from learnkit.errors import can_check_values, check_whole_number
from learnkit.models import init
from learnkit.models.attention import MultiHeadAttention


class TransformerBlock(nn.Module):
    """Attention between the positions, then a small feed-forward network at each position.

    Both are residual: their outputs are added to their inputs. Both receive their inputs normalised.

    Parameters
    ----------
    embed_dim
        Features of each position, in the inputs and the output.
    num_heads
        Number of attention heads.
    hidden_size
        Neurons in the hidden layer of the feed-forward network; by default four times ``embed_dim``.
    seed
        For the initial weights, or a generator to draw them from.

    Raises
    ------
    ValueError
        For a size that is not a whole number of at least 1, or an ``embed_dim`` that is not divisible by ``num_heads``.

    References
    ----------
    Vaswani et al.: Attention is all you need, arXiv:1706.03762. There, the normalisation comes after each addition;
    normalising first, as here, makes training more stable: Xiong et al., arXiv:2002.04745.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, *, hidden_size: int | None = None, seed: int | torch.Generator = 0
    ) -> None:
        super().__init__()
        generator = init.generator(seed)
        self.attention = MultiHeadAttention(embed_dim, num_heads, seed=generator)
        hidden_size = 4 * embed_dim if hidden_size is None else hidden_size
        check_whole_number("hidden_size", hidden_size)
        self.feed_forward = nn.Sequential(
            init.linear(embed_dim, hidden_size, generator),
            nn.ReLU(),
            init.linear(hidden_size, embed_dim, generator),
        )
        self.norm_before_attention = nn.LayerNorm(embed_dim)
        self.norm_before_feed_forward = nn.LayerNorm(embed_dim)

    def forward(
        self,
        x: Float[Tensor, "batch time embed"],
        mask: Bool[Tensor, "..."] | None = None,
        *,
        need_weights: bool = True,
    ) -> tuple[Float[Tensor, "batch time embed"], Float[Tensor, "batch head time time"] | None]:
        """The positions after the block, and the attention's weights; mask and weights as in `MultiHeadAttention`."""
        attended, weights = self.attention(self.norm_before_attention(x), mask=mask, need_weights=need_weights)
        x = x + attended
        x = x + self.feed_forward(self.norm_before_feed_forward(x))
        return x, weights


class TinyTransformer(nn.Module):
    """For each position of a sequence, logits for the token to put there instead.

    A transformer encoder, large enough to learn to reverse, copy or sort a few digits within a minute on a laptop.

    Parameters
    ----------
    vocab_size
        Number of different tokens: 10 for digits.
    max_length
        The largest number of tokens in a sequence. Each position has a learned vector, which is added to that of the
        token, since attention alone does not distinguish positions.
    embed_dim, num_heads
        Those of each block, as in `TransformerBlock`.
    num_blocks
        Number of blocks, in sequence.
    seed
        For the initial weights.

    Raises
    ------
    ValueError
        For a size that is not a whole number of at least 1, or an ``embed_dim`` that is not divisible by ``num_heads``.
    """

    def __init__(
        self,
        vocab_size: int,
        max_length: int,
        *,
        embed_dim: int = 32,
        num_heads: int = 2,
        num_blocks: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        sizes = {"vocab_size": vocab_size, "max_length": max_length, "embed_dim": embed_dim, "num_blocks": num_blocks}
        for name, size in sizes.items():
            check_whole_number(name, size)
        generator = init.generator(seed)
        self.token = init.embedding(vocab_size, embed_dim, generator)
        self.position = init.embedding(max_length, embed_dim, generator)
        self.blocks = nn.ModuleList(TransformerBlock(embed_dim, num_heads, seed=generator) for _ in range(num_blocks))
        self.norm = nn.LayerNorm(embed_dim)
        self.to_logits = init.linear(embed_dim, vocab_size, generator)

    def forward(
        self, tokens: Int64[Tensor, "batch time"], mask: Bool[Tensor, "..."] | None = None, *, need_weights: bool = True
    ) -> tuple[Float[Tensor, "batch time vocab"], list[Float[Tensor, "batch head time time"]] | None]:
        """The logits, and the weights of each block; mask and weights as in `MultiHeadAttention`.

        The weights can be passed to `learnkit.plots.attention_heatmap`.

        Raises
        ------
        ValueError
            If the tokens are not whole numbers from 0 to ``vocab_size - 1``, in sequences of 1 to ``max_length``. On a
            GPU their values are not looked at, which would wait for it at each call.
        """
        self._check(tokens)
        x = self.token(tokens) + self.position.weight[: tokens.shape[1]]
        all_weights = []
        for block in self.blocks:
            x, weights = block(x, mask, need_weights=need_weights)
            all_weights.append(weights)
        return self.to_logits(self.norm(x)), all_weights if need_weights else None

    def _check(self, tokens: Tensor) -> None:
        shape, max_length, vocab_size = tuple(tokens.shape), self.position.num_embeddings, self.token.num_embeddings
        if tokens.ndim != 2:
            advice = " If it is one sequence, make it a batch of one with tokens[None]." if tokens.ndim == 1 else ""
            raise ValueError(f"The tokens have the shape {shape}; expected (batch, time).{advice}")
        if not 1 <= shape[1] <= max_length:
            raise ValueError(f"The sequences are {shape[1]} tokens long; this net expects 1 to {max_length}.")
        if tokens.dtype != torch.int64:
            raise ValueError(f"The tokens have the dtype {tokens.dtype}; expected torch.int64: pass tokens.long().")
        if tokens.numel() and can_check_values(tokens):
            low, high = (int(token) for token in tokens.aminmax())
            if low < 0 or high >= vocab_size:
                raise ValueError(f"The tokens go from {low} to {high}; this net expects 0 to {vocab_size - 1}.")
