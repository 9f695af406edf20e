"""The networks of the course: nn.Modules and nothing else."""

from learnkit.models.attention import MultiHeadAttention, causal_mask, padding_mask, scaled_dot_product_attention
from learnkit.models.fully_connected import FullyConnected
from learnkit.models.recurrent import ElmanRNN
from learnkit.models.transformer import TinyTransformer, TransformerBlock

__all__ = [
    "ElmanRNN",
    "FullyConnected",
    "MultiHeadAttention",
    "TinyTransformer",
    "TransformerBlock",
    "causal_mask",
    "padding_mask",
    "scaled_dot_product_attention",
]
