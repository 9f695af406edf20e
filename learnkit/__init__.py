"""learnkit: the library under a hands-on introduction to neural networks.

Its rooms, from the ground up; a room knows only those above it in this list:

errors
    How bad input is answered.
cli
    What `python course.py` and `learnkit` do, with the standard library alone.
doctor
    What is wrong with this machine, and the command that mends it.
data
    MNIST as tensors.
metrics
    Accuracy, precision, recall and F1, all from one confusion matrix.
models
    The networks of the course.
checkpoint
    The state of a training as a file.
training
    Training as an iterator.
study
    Many trainings, one table, and what can be concluded from it.
plots
    Data in, figure out.
exercises
    Checks for what the learner writes.
labs
    Pictures that answer while you move something; the only room that imports widgets.
"""

from importlib import import_module

__version__ = "0.1.0"

_ROOMS = (
    "checkpoint",
    "cli",
    "data",
    "doctor",
    "errors",
    "exercises",
    "labs",
    "metrics",
    "models",
    "plots",
    "study",
    "training",
)


def __getattr__(name: str):
    # A room is imported when it is first entered: `import learnkit` loads neither torch nor matplotlib, and the doctor
    # can speak where torch cannot be imported.
    if name in _ROOMS:
        return import_module(f"learnkit.{name}")
    raise AttributeError(f"learnkit has no room called {name!r}; it has {', '.join(_ROOMS)}")


def __dir__() -> list[str]:
    return [*_ROOMS]
