"""Data in, matplotlib Figure out; nothing global is touched."""

from learnkit.plots.attention import attention_heatmap
from learnkit.plots.confusion import confusion_heatmap
from learnkit.plots.curves import learning_curves, run_summary, step_losses
from learnkit.plots.images import image_grid, worst_mistakes

__all__ = [
    "attention_heatmap",
    "confusion_heatmap",
    "image_grid",
    "learning_curves",
    "run_summary",
    "step_losses",
    "worst_mistakes",
]
