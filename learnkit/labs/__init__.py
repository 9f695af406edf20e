"""Pictures that answer while you move something; each is shown by naming it at the end of a cell."""

from learnkit.labs.attention_lab import AttentionLab
from learnkit.labs.draw_lab import DrawLab
from learnkit.labs.parameters import Choice, Positive, Whole
from learnkit.labs.threshold_lab import ThresholdLab
from learnkit.labs.training_lab import TrainingLab
from learnkit.labs.transformer_lab import TransformerLab

__all__ = ["AttentionLab", "Choice", "DrawLab", "Positive", "ThresholdLab", "TrainingLab", "TransformerLab", "Whole"]
