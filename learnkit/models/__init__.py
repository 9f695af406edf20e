"""The networks of the course: nn.Modules and nothing else."""

from learnkit.models.attention import MultiHeadAttention, scaled_dot_product_attention
from learnkit.models.fully_connected import FullyConnected
from learnkit.models.recurrent import ElmanRNN

__all__ = ["ElmanRNN", "FullyConnected", "MultiHeadAttention", "scaled_dot_product_attention"]
