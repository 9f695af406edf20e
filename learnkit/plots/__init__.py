"""Data in, matplotlib Figure out; no global state is changed."""

from learnkit.plots.attention import attention_heatmap
from learnkit.plots.confusion import confusion_heatmap
from learnkit.plots.curves import learning_curves, run_summary, step_losses
from learnkit.plots.drawing import drawn_digits
from learnkit.plots.images import image_grid, worst_mistakes
from learnkit.plots.studies import metric_strip, study_curves, width_heatmap
from learnkit.plots.thresholds import threshold_curves

__all__ = [
    "attention_heatmap",
    "confusion_heatmap",
    "drawn_digits",
    "image_grid",
    "learning_curves",
    "metric_strip",
    "run_summary",
    "step_losses",
    "study_curves",
    "threshold_curves",
    "width_heatmap",
    "worst_mistakes",
]
