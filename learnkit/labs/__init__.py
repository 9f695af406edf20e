"""Pictures that answer while you move something; each is shown by naming it at the end of a cell.

A folder for each lab: `state.py` knows and computes, `view.js` shows, `lab.py` connects the two. What at least two labs
use is in `common`.
"""

from learnkit.labs.attention.lab import AttentionLab
from learnkit.labs.common.validation import Choice, Integer, Positive
from learnkit.labs.draw.lab import DrawLab
from learnkit.labs.threshold.lab import ThresholdLab
from learnkit.labs.training.lab import TrainingLab
from learnkit.labs.transformer.lab import TransformerLab

__all__ = ["AttentionLab", "Choice", "DrawLab", "Integer", "Positive", "ThresholdLab", "TrainingLab", "TransformerLab"]
