"""Pictures that answer while you move something; each is shown by naming it at the end of a cell."""

from learnkit.labs.threshold_lab import ThresholdLab

__all__ = ["ThresholdLab"]
