"""TrainingLab as a widget: what its buttons do, and what the next cell can use."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from torch import nn

from learnkit import plots
from learnkit.data import LabelledImages
from learnkit.labs.common.esm import css, esm
from learnkit.labs.common.lab import LabThatTrains
from learnkit.labs.common.validation import Field
from learnkit.labs.training.frame import progress
from learnkit.labs.training.state import TrainingState
from learnkit.run import Run
from learnkit.training import Training

HERE = Path(__file__).parent


class TrainingLab(LabThatTrains):
    """Sliders for a network and its training: when one is moved, the network trains anew and its curves grow.

    Shown by naming it in a cell. It trains in the background: no cell has to be running, and others can run beside it.
    The curves are of the training images and of the validation images. The test images are looked at only when
    `evaluate_test` is called or its button pressed, and that is counted.

    Its settings are traits: ``lab.learning_rate = 0.3`` moves the slider and trains, and ``lab.observe`` and
    ``ipywidgets.link`` work as with any widget.

    Parameters
    ----------
    data
        What to train on, with validation images held out. By default MNIST with 10,000 held out.
    model
        Is called with the values of its parameters and with ``seed``, and returns a net. By default a
        `learnkit.models.FullyConnected` with up to six hidden layers.
    parameters
        Of the model: what can be chosen, by name; see `learnkit.labs.Integer`, `Positive` and `Choice`.
    optimizer, learning_rate, batch_size, epochs, seed, device
        To begin with; as for `learnkit.training.Training`. By default a batch has 200 images, or all if there are
        fewer.
    train_on
        ``"train"``, or ``"all"`` for all images but the test images, as the notes did.
    **of_model
        Values of the model's parameters to begin with instead of their defaults.

    Attributes
    ----------
    state
        The `TrainingState` that the lab shows.

    Raises
    ------
    ValueError
        If no validation images are held out, or for a value that cannot be chosen.
    """

    _esm = esm(HERE / "view.js")
    _css = css(HERE / "view.css")

    actions = ("train", "pause", "step", "reset", "pin", "unpin", "evaluate_test", "preset", "expect")
    state: TrainingState

    def __init__(
        self,
        data: LabelledImages | None = None,
        model: Callable[..., nn.Module] | None = None,
        parameters: Mapping[str, Field] | None = None,
        *,
        optimizer: str = "sgd",
        learning_rate: float = 0.01,
        batch_size: int | None = None,
        epochs: int = 20,
        train_on: str = "train",
        seed: int = 0,
        device: str | None = None,
        **of_model: Any,
    ) -> None:
        of_training = {
            "optimizer": optimizer,
            "learning_rate": learning_rate,
            "epochs": epochs,
            "train_on": train_on,
            "seed": seed,
        }
        given = {"batch_size": batch_size, "device": device}  # whose defaults depend on the data and on the machine
        of_training |= {name: value for name, value in given.items() if value is not None}
        super().__init__(TrainingState(data, model, parameters, **of_training, **of_model))

    # ------------------------------------------------------------ what the next cell can use

    @property
    def run(self) -> Run:
        """The newest training, with its losses and a row for each epoch."""
        return self.state.run

    @property
    def model(self) -> nn.Module:
        """The net of the newest run."""
        return self.state.run.training.model

    @property
    def training(self) -> Training:
        """The training of the newest run."""
        return self.state.run.training

    @property
    def runs(self) -> pd.DataFrame:
        """A row for each pinned run: its settings, and its latest results, as in `learnkit.run.Run`.

        The columns of the held-out images are called ``validation_…``, or ``seen_…`` where they had been trained on.
        """
        return self.state.runs

    def figure(self) -> Figure:
        """The present state as a picture."""
        run, state = self.run, self.state
        return plots.run_summary(
            run.losses,
            run.training.steps_per_epoch,
            pd.DataFrame(run.rows),
            None if run.evaluation is None else run.evaluation.confusion_matrix,
            state.data.classes,
            title=f"{state.label}: {progress(run, state.status)}",
            others={pin.label: pd.DataFrame(pin.rows) for pin in state.pins},
        )

    def __repr__(self) -> str:
        return f"TrainingLab({self.state.label}; {self.state.status}: {progress(self.run, self.state.status)})"

    # ------------------------------------------------------------ what the buttons do

    def change(self, **values: Any) -> None:
        """Take other values, and train with them from the beginning. If one cannot be taken, none is."""
        self._take(values)
        self.train()

    def train(self) -> None:
        """Go on; or begin again, if the training is over."""
        self._start(self.state.train())

    def step(self) -> None:
        """Make one step, and pause."""
        self._start(self.state.train(steps=1))

    def reset(self) -> None:
        """Back to a net that has not been trained yet."""
        self._start(self.state.reset())

    def pin(self) -> None:
        """Keep the present run's curves, and its row in `runs`."""
        self.state.pin()
        self._show()

    def unpin(self) -> None:
        """Let go of all pinned runs."""
        self.state.unpin()
        self._show()

    def evaluate_test(self) -> float:
        """The accuracy on the test images. Pauses the training, and counts how often one has looked."""
        self.pause()
        self._runner.wait()
        accuracy = self.state.evaluate_test()
        self._show()
        return accuracy

    def preset(self, name: str, expect: str | None = None) -> None:
        """Set the controls as in one of the notes' experiments, and ask how it will do before it runs.

        Parameters
        ----------
        name
            Such as ``"1,2048"``: the widths of the hidden layers, or a number of epochs.
        expect
            The answer, if it is known already: ``"better"``, ``"about the same"`` or ``"worse"`` than the run before.
            Without a run before there is nothing to ask, and the training starts.
        """
        self.pause()
        self._runner.wait()
        has_question = self.state.preset(name)
        self._follow()
        if not has_question:
            self.train()
        elif expect is not None:
            self.expect(expect)
        self._show()

    def expect(self, answer: str) -> None:
        """Answer the question that `preset` asks; the training starts, and at its end the lab comes back to it."""
        self.state.expect(answer)
        self.train()
