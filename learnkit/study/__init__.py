"""Many training runs in one table, and what can be concluded from it."""

from learnkit.study.comparison import Comparison, compare
from learnkit.study.trainings import STORED, StudyInterrupted, StudyStopped, stored, study

__all__ = ["STORED", "Comparison", "StudyInterrupted", "StudyStopped", "compare", "stored", "study"]
