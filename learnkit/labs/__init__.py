"""What moves: sliders beside a network that trains. Shown by naming a lab in a cell of a notebook."""

from learnkit.labs.parameters import Choice, Positive, Whole
from learnkit.labs.training_lab import TrainingLab

__all__ = ["Choice", "Positive", "TrainingLab", "Whole"]
