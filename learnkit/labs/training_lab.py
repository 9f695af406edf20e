"""The lab of Days 1, 2 and 4: move a slider, and a real network trains."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from torch import nn

from learnkit import plots
from learnkit.data import LabelledImages
from learnkit.errors import unknown
from learnkit.labs.expectation import Expectation
from learnkit.labs.lab import LabThatTrains
from learnkit.labs.parameters import Parameter
from learnkit.labs.showing import Shown
from learnkit.labs.training_run import Pin, table_of
from learnkit.labs.training_setup import TrainingSetup, explained
from learnkit.labs.training_view import STYLE, TrainingView
from learnkit.training import Training

SECONDS_BETWEEN_REDRAWS = 1 / 25
MOST_PINS = 8


class TrainingLab(LabThatTrains):
    """Sliders for a network and its training: when one is moved, the network trains anew and its curves grow.

    Shown by naming it in a cell. It trains in the background: no cell has to be running, and others can run beside it.
    The curves are of the training images and of the validation images. The test images are looked at only when `look`
    is called or its button pressed, and the looks are counted.

    Parameters
    ----------
    data
        What to train on, with validation images held out. By default MNIST with 10,000 held out.
    model
        Is called with the values of its parameters and with ``seed``, and returns a net. By default a
        `learnkit.models.FullyConnected` with up to six hidden layers.
    parameters
        Of the model: what can be chosen, by name; see `learnkit.labs.Whole`, `Positive` and `Choice`.
    **initial
        Values to begin with instead of the defaults: of the model's parameters, and ``optimizer``, ``learning_rate``,
        ``batch_size``, ``epochs``, ``seed``, ``device``, and ``train_on`` (``"train"``, or ``"all"`` for all images but
        the test images, as the notes did).

    Attributes
    ----------
    run
        The newest training: its setting, its losses, its epochs.
    values
        What the controls show.
    looks
        How often the test images were looked at.

    Raises
    ------
    ValueError
        If no validation images are held out, or for a value that cannot be chosen.
    """

    def __init__(
        self,
        data: LabelledImages | None = None,
        model: Callable[..., nn.Module] | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        **initial: Any,
    ) -> None:
        self.setup = TrainingSetup(data, model, parameters, initial)
        self.values = dict(self.setup.initial)
        self.pins: list[Pin] = []
        self.looks = 0
        self.expectation: Expectation | None = None
        self.run = self.setup.build(dict(self.values))  # a copy: what the controls show goes on
        self._wanted = self._built = 0  # the number of the run that is wanted, and of the one that is there
        super().__init__()

    # ------------------------------------------------------------ what the next cell can use

    @property
    def model(self) -> nn.Module:
        """The net of the newest run."""
        return self.run.training.model

    @property
    def training(self) -> Training:
        """The training of the newest run."""
        return self.run.training

    @property
    def runs(self) -> pd.DataFrame:
        """A row for each pinned run: its setting, and what came out of it.

        ``split`` says of which images loss, accuracy, and the macro averages of precision, recall and F1 are:
        ``"validation"``, or ``"train"`` where the held-out images had been trained on, too.
        """
        return pd.DataFrame([pin.row for pin in self.pins], index=range(1, len(self.pins) + 1))

    def figure(self) -> Figure:
        """The present state as a picture."""
        return plots.run_summary(
            self.run.losses,
            self.run.training.steps_per_epoch,
            self.run.table,
            self.run.confusion_matrix,
            self.setup.data.classes,
            title=f"{self.run.label}: {self.progress}",
            others={pin.label: table_of(pin.epochs) for pin in self.pins},
        )

    # ------------------------------------------------------------ what the controls do

    def change(self, **values: Any) -> None:
        """Take other values, and train with them from the beginning. If one cannot be taken, none is."""
        self._take(self.setup.checked(values))
        self.expectation = None
        self._start(new=True)

    def train(self) -> None:
        """Go on; or begin again, if the training is over."""
        self._start()

    def step(self) -> None:
        """Make one step, and pause."""
        self._start(steps=1)

    def reset(self) -> None:
        """Back to a net that has not been trained yet."""
        self.expectation = None
        self._start(new=True, steps=0)

    def pin(self) -> None:
        """Keep the present run's curves, and its row in `runs`."""
        if len(self.pins) == MOST_PINS:
            raise ValueError(f"{MOST_PINS} runs are pinned, which is all there is room for. Unpin them first.")
        if not self.run.training.step:
            raise ValueError("Nothing has been trained yet that could be pinned. Press Train first.")
        self.pins.append(Pin(self.run))
        self._redraw()

    def unpin(self) -> None:
        """Let go of all pinned runs."""
        self.pins.clear()
        self._redraw()

    def look(self) -> float:
        """The accuracy on the test images. Pauses the training, and counts how often one has looked."""
        self.pause()
        self._runner.wait()
        accuracy = self.run.look_at_test_images()
        self.looks += 1
        self.message = f"Accuracy on {len(self.setup.data.test_labels):,} test images: {accuracy:.3f}. " + (
            "You have looked once. From now on choose nothing by it."
            if self.looks == 1
            else f"You have looked {self.looks} times: a test set that one chooses by is a validation set."
        )
        self._redraw()
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
        plain = name.strip("()").replace(", ", ",")
        if plain not in self.setup.presets:
            raise unknown("preset", name, self.setup.presets)
        self.pause()
        self._runner.wait()
        self._take(self.setup.presets[plain])
        self.expectation, self.message = None, ""
        if not self.run.epochs:
            self._start(new=True)
            return
        self.expectation = Expectation(plain, self.run.epochs[-1].accuracy)
        if expect is not None:
            self.expect(expect)
        self._redraw()

    def expect(self, answer: str) -> None:
        """Answer the question that `preset` asks; the training starts, and at its end the lab comes back to it."""
        if self.expectation is None:
            raise ValueError("There is nothing to expect yet: choose a preset first.")
        self.expectation = replace(self.expectation, answer=answer)
        self._start(new=True)

    # ------------------------------------------------------------ what the thread does

    def _start(self, *, new: bool = False, steps: int | float = math.inf) -> None:
        self.message = ""
        if new or self.run.is_over or self.status == "stopped" or self.run.values != self.values:
            self._wanted += 1
        self._runner.start(partial(self._train, self._wanted, dict(self.values), steps))

    def _train(self, wanted: int, values: dict[str, Any], steps: int | float) -> Iterator[None]:
        if wanted != self._built:
            self.run = self.setup.build(values)
            self._built = wanted
        run, redraw_at = self.run, 0.0
        last = run.training.step + steps
        self.status = "training"
        try:
            if steps == 0:
                self.status = "ready"
                return
            for _ in run:
                if time.perf_counter() >= redraw_at:
                    self._redraw()
                    redraw_at = time.perf_counter() + SECONDS_BETWEEN_REDRAWS
                yield
                self.status = "training"  # it may have waited
                if run.training.step >= last and not run.has_to_look:
                    break
        finally:
            if self.status != "ready":
                self.status = "ended" if run.is_over else "paused"

    def _come_to_rest(self) -> None:
        expectation = self.expectation
        if self.status == "ended" and expectation is not None and expectation.answer:
            self.message = expectation.verdict(self.run.epochs[-1].accuracy)
            self.expectation = None
        super()._come_to_rest()

    def _explained(self, error: Exception) -> str:
        return explained(error, self.values)

    def _take(self, values: dict[str, Any]) -> None:
        self.values |= values
        self._show_values()

    # ------------------------------------------------------------ what is on the page

    @property
    def progress(self) -> str:
        """Where the newest run stands, in words."""
        run = self.run
        step, steps, per_epoch = run.training.step, len(run.training), run.training.steps_per_epoch
        epoch, epochs = min(step // per_epoch + 1, run.training.epochs), run.training.epochs
        words = f"epoch {epoch} of {epochs}, step {step:,} of {steps:,}"
        if self.status == "training" and step:
            words += f", {run.seconds_left:.0f} s left"
        return words

    def __repr__(self) -> str:
        return f"TrainingLab({self.run.label}; {self.status}: {self.progress})"

    def _make_page(self) -> Shown:
        self._view = TrainingView(self)
        return Shown(self._view.root, STYLE)
