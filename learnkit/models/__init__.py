"""The networks of the course: nn.Modules and nothing else."""

from learnkit.models.fully_connected import FullyConnected

__all__ = ["FullyConnected"]
