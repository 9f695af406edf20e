"""Attention at work: a transformer's block, and a transformer small enough to watch while it learns. Day 5."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from learnkit.errors import check_whole_number
from learnkit.models import initial
from learnkit.models.attention import MultiHeadAttention


class TransformerBlock(nn.Module):
    """Look around, then think: attention between the positions, then a small network at each position alone.

    Both add to what is there instead of replacing it, and both get it normalised.

    Parameters
    ----------
    embed_dim
        Features of each position, in the inputs and in the output.
    num_heads
        Of the attention.
    hidden_dim
        Neurons of the small network; by default four times ``embed_dim``.
    seed
        Of the random numbers to begin with, or a generator to draw them from.

    References
    ----------
    Vaswani et al.: Attention is all you need, arXiv:1706.03762. There, the normalisation comes after each addition; to
    have it first, as here, makes training steadier: Xiong et al., arXiv:2002.04745.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, *, hidden_dim: int | None = None, seed: int | torch.Generator = 0
    ) -> None:
        super().__init__()
        generator = initial.generator(seed)
        self.attention = MultiHeadAttention(embed_dim, num_heads, seed=generator)
        hidden_dim = 4 * embed_dim if hidden_dim is None else hidden_dim
        check_whole_number("hidden_dim", hidden_dim)
        self.feed_forward = nn.Sequential(
            initial.linear(embed_dim, hidden_dim, generator),
            nn.ReLU(),
            initial.linear(hidden_dim, embed_dim, generator),
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
        found, weights = self.attention(self.norm_before_attention(x), mask=mask, need_weights=need_weights)
        x = x + found
        x = x + self.feed_forward(self.norm_before_feed_forward(x))
        return x, weights


class TinyTransformer(nn.Module):
    """For each token of a sequence, logits for the token that should stand there instead.

    A transformer's encoder: big enough to learn to reverse, copy or sort some digits in a minute on a laptop.

    Parameters
    ----------
    vocabulary
        How many different tokens there are: 10 for digits.
    longest
        Tokens in the longest sequence that it can take: each position has a learned vector, which is added to that of
        the token, since attention alone does not know of positions.
    embed_dim, num_heads
        Of each block, as in `TransformerBlock`.
    num_blocks
        How many, one after the other.
    seed
        Of the random numbers to begin with.

    Raises
    ------
    ValueError
        For a size that is not a whole number of at least 1, or an ``embed_dim`` that the heads cannot share evenly.
    """

    def __init__(
        self,
        vocabulary: int,
        longest: int,
        *,
        embed_dim: int = 32,
        num_heads: int = 2,
        num_blocks: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        sizes = {"vocabulary": vocabulary, "longest": longest, "embed_dim": embed_dim, "num_blocks": num_blocks}
        for name, size in sizes.items():
            check_whole_number(name, size)
        generator = initial.generator(seed)
        self.token = initial.embedding(vocabulary, embed_dim, generator)
        self.position = initial.embedding(longest, embed_dim, generator)
        self.blocks = nn.ModuleList(TransformerBlock(embed_dim, num_heads, seed=generator) for _ in range(num_blocks))
        self.norm = nn.LayerNorm(embed_dim)
        self.to_logits = initial.linear(embed_dim, vocabulary, generator)

    def forward(
        self, tokens: Int64[Tensor, "batch time"], mask: Bool[Tensor, "..."] | None = None, *, need_weights: bool = True
    ) -> tuple[Float[Tensor, "batch time vocabulary"], list[Float[Tensor, "batch head time time"]] | None]:
        """The logits, and the weights of each block; mask and weights as in `MultiHeadAttention`.

        `learnkit.plots.attention_heatmap` takes the weights as they are.

        Raises
        ------
        ValueError
            If the tokens are not whole numbers from 0 to ``vocabulary - 1``, in sequences of 1 to ``longest``.
        """
        self._check(tokens)
        x = self.token(tokens) + self.position.weight[: tokens.shape[1]]
        all_weights = []
        for block in self.blocks:
            x, weights = block(x, mask, need_weights=need_weights)
            all_weights.append(weights)
        return self.to_logits(self.norm(x)), all_weights if need_weights else None

    def _check(self, tokens: Tensor) -> None:
        shape, longest, vocabulary = tuple(tokens.shape), self.position.num_embeddings, self.token.num_embeddings
        if tokens.ndim != 2:
            advice = " Make one sequence a batch of one with tokens[None]." if tokens.ndim == 1 else ""
            raise ValueError(f"The tokens have the shape {shape}; expected (batch, time).{advice}")
        if not 1 <= shape[1] <= longest:
            raise ValueError(f"The sequences are {shape[1]} tokens long; this net takes 1 to {longest}.")
        if tokens.dtype != torch.int64:
            raise ValueError(f"The tokens are of {tokens.dtype}; expected torch.int64: tokens.long().")
        if tokens.numel() and not 0 <= tokens.min() <= tokens.max() < vocabulary:
            raise ValueError(
                f"The tokens go from {tokens.min()} to {tokens.max()}; this net knows 0 to {vocabulary - 1}."
            )
