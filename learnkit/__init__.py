"""learnkit: the library under a hands-on introduction to neural networks.

Its modules, from the lowest layer to the highest; a module imports only from those above it in this list:

errors
    The errors that invalid arguments raise.
cli
    What `python course.py` and `learnkit` do, with the standard library alone.
devices
    What there is to compute on, and why it is not a GPU.
doctor
    What is wrong with this machine, and the command that fixes it.
threads
    How many threads of the CPU a net is trained with.
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
run
    A training to its end, with a row of results for each epoch.
study
    Many trainings, one table, and what can be concluded from it.
plots
    Data in, figure out.
exercises
    Checks for what the learner writes.
labs
    Interactive pictures that change while you move a slider; the only module that imports widgets.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "checkpoint",
    "cli",
    "data",
    "devices",
    "doctor",
    "errors",
    "exercises",
    "labs",
    "metrics",
    "models",
    "plots",
    "run",
    "study",
    "threads",
    "training",
]

if TYPE_CHECKING:
    from learnkit import (
        checkpoint,
        cli,
        data,
        devices,
        doctor,
        errors,
        exercises,
        labs,
        metrics,
        models,
        plots,
        run,
        study,
        threads,
        training,
    )
else:

    def __getattr__(name: str) -> ModuleType:
        # A module is imported when it is first used: `import learnkit` loads neither torch nor matplotlib, and the
        # doctor works where torch cannot be imported.
        if name in __all__:
            return import_module(f"learnkit.{name}")
        raise AttributeError(f"learnkit has no module called {name!r}; its modules are {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*__all__]
