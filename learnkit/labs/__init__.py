"""Pictures that answer while you move something; each is shown by naming it at the end of a cell."""

from learnkit.labs.draw_lab import DrawLab
from learnkit.labs.threshold_lab import ThresholdLab

__all__ = ["DrawLab", "ThresholdLab"]
