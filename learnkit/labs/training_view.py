"""The view of a TrainingLab: controls on one side, pictures that grow on the other."""

import threading
from functools import partial
from html import escape
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ipywidgets import HTML, Box, Button, Dropdown, Layout, VBox, Widget

from learnkit import doctor
from learnkit.labs import training_html
from learnkit.labs.controls import control_for
from learnkit.labs.expectation import ANSWERS
from learnkit.labs.live_curves import PALE, LiveCurves, smoothed
from learnkit.labs.training_run import Run

if TYPE_CHECKING:
    from learnkit.labs.training_lab import TrainingLab

STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
ZOOMS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # epochs in the picture, which zooms out as the curve grows
HIGHEST_LOSS = 10
STEEP = 0.05  # of the picture's width is left out of account when the height is chosen: there the loss falls from 2.3
POINTS_OF_A_PIN = 100


class TrainingView:
    """Shows a lab's state and hands on what a person does; decides nothing.

    Parameters
    ----------
    lab
        Whose state is shown.

    Attributes
    ----------
    root
        The widget that holds all others.
    """

    def __init__(self, lab: "TrainingLab") -> None:
        self._lab = lab
        self._redrawing = threading.Lock()  # the thread redraws, and so does a press of Pin
        self._drawn_run: Run | None = None
        self._drawn_epochs = -1
        self._drawn_pins = -1
        self._status = HTML()
        self._message = HTML()
        answers = [self._button(answer, partial(lab.expect, answer)) for answer in ANSWERS]
        self._question = boxed("learnkit-question", HTML(), *answers)
        self._net, self._confusion, self._mistakes, self._pinned = HTML(), HTML(), HTML(), HTML()
        self._legend, self._accuracy_legend = HTML(), HTML()
        self._last_epoch = boxed("learnkit-epoch", self._confusion, self._mistakes)
        self._loss, self._accuracy = LiveCurves("loss"), LiveCurves("accuracy")
        self._controls = {
            name: control_for(name, parameter, partial(self._changed, name), self._refuse)
            for name, parameter in lab.setup.parameters.items()
        }
        self.root = VBox(
            [
                self._bar(),
                self._status,
                boxed("learnkit-message", self._message, self._question),
                boxed("learnkit-columns", self._left(), self._right()),
                self._pinned,
            ]
        )
        for widget, name in ((self._status, "status"), (self._pinned, "pins"), (self._net, "network")):
            widget.add_class(f"learnkit-{name}")
        self.show_values()
        self.redraw()

    # ------------------------------------------------------------ what is on the page

    def _bar(self) -> Box:
        lab = self._lab
        buttons = [
            self._button("Train", lab.train, "play", "primary"),
            self._button("Pause", lab.pause, "pause"),
            self._button("Step", lab.step, "step-forward"),
            self._button("Reset", lab.reset, "undo"),
            self._button("Pin", lab.pin, "thumb-tack"),
            self._button("Unpin all", lab.unpin),
            self._button("Look at the test set", lab.look, "eye"),
        ]
        return boxed("learnkit-bar", *buttons)

    def _button(self, words: str, do: Any, icon: str = "", style: str = "") -> Button:
        button = Button(description=words, icon=icon, button_style=style, layout=Layout(width="auto"))
        button.on_click(lambda _: self._try(do))
        return button

    def _left(self) -> Box:
        of_model = [self._controls[name].widget for name in self._lab.setup.of_model]
        of_training = [
            control.widget for name, control in self._controls.items() if name not in self._lab.setup.of_model
        ]
        if (diagnosis := doctor.why_no_gpu()) is not None:
            of_training.append(boxed("learnkit-hint", HTML(escape(diagnosis.sentence))))
        network = [_titled("The network", *of_model)]
        if self._lab.setup.presets:
            self._presets = Dropdown(
                options=["choose one …", *self._lab.setup.presets],
                description="experiment",
                layout=Layout(width="auto"),
            )
            self._presets.style.description_width = "96px"
            self._presets.observe(self._preset_chosen, "value")
            network.insert(0, _titled("From the notes", self._presets))
        groups = VBox(network)
        groups.add_class("learnkit-groups")
        return boxed("learnkit-controls", groups, _titled("The training", *of_training))

    def _right(self) -> Box:
        loss = VBox([self._legend, self._loss.figure])
        curves = boxed("learnkit-curves", loss, VBox([self._accuracy_legend, self._accuracy.figure]))
        return boxed("learnkit-pictures", self._net, curves, self._last_epoch)

    # ------------------------------------------------------------ what a person does

    def _changed(self, name: str, value: Any) -> None:
        self._try(partial(self._lab.change, **{name: value}))

    def _preset_chosen(self, change: dict[str, Any]) -> None:
        if change["new"] in self._lab.setup.presets:
            self._try(partial(self._lab.preset, change["new"]))
            self._presets.value = self._presets.options[0]

    def _try(self, do: Any) -> None:
        """Do it; what the lab has against it is said on the page."""
        try:
            do()
        except (ValueError, RuntimeError) as error:
            self._refuse(str(error))
        self.redraw()

    def _refuse(self, words: str) -> None:
        self._lab.message = words
        self.redraw()

    # ------------------------------------------------------------ how it is drawn

    def show_values(self) -> None:
        """Let the controls show the lab's values."""
        for name, control in self._controls.items():
            control.show(self._lab.values[name])

    def redraw(self) -> None:
        """Bring the page up to date; send only what has changed."""
        with self._redrawing:
            lab, run = self._lab, self._lab.run
            is_new = run is not self._drawn_run
            self._draw_curves(run)
            self._status.value = training_html.status(f"{lab.status}: {lab.progress}", run)
            self._message.value = f'<p role="status">{escape(lab.message)}</p>'
            self._draw_question()
            if is_new:
                self._net.value = training_html.network(run.training.model) + training_html.computed_on(run)
                self._legend.value, self._accuracy_legend.value = training_html.legends(run)
            if is_new or len(run.epochs) != self._drawn_epochs:
                self._draw_last_epoch(run)
            if len(lab.pins) != self._drawn_pins:
                self._draw_pins()
            self._drawn_run, self._drawn_epochs, self._drawn_pins = run, len(run.epochs), len(lab.pins)

    def _draw_curves(self, run: Run) -> None:
        losses, per_epoch = run.losses, run.training.steps_per_epoch
        self._loss.draw_steps(losses, per_epoch)
        accuracies = [epoch.accuracy for epoch in run.epochs]
        if len(run.epochs) != self._drawn_epochs or run is not self._drawn_run:
            self._loss.draw_epochs([epoch.loss for epoch in run.epochs])
            self._accuracy.draw_epochs(accuracies)
        gone = len(losses) / per_epoch
        until = min(next((epochs for epochs in ZOOMS if epochs >= gone), gone), run.training.epochs)
        self._loss.zoom(until, 0, _highest(losses, per_epoch, until))
        lowest = min([*accuracies, *(epoch.accuracy for pin in self._lab.pins for epoch in pin.epochs)], default=0)
        self._accuracy.zoom(until, floor(10 * lowest) / 10, 1)

    def _draw_last_epoch(self, run: Run) -> None:
        if run.evaluation is None and self._drawn_run is not None:
            self._last_epoch.add_class("learnkit-of-before")  # pale until the new run has something to show
            return
        images, _ = run.training.data.split("validation")
        classes = self._lab.setup.data.classes
        self._confusion.value = training_html.confusion(run.confusion_matrix, classes)
        self._mistakes.value = f"<h4>still wrong</h4>{training_html.mistakes(run.evaluation, images, classes)}"
        self._last_epoch.remove_class("learnkit-of-before")

    def _draw_question(self) -> None:
        expectation = self._lab.expectation
        is_open = expectation is not None and not expectation.answer
        if is_open:
            self._question.children[0].value = (
                f"<b>{escape(expectation.preset)}</b>: what do you expect, compared with the run before "
                f"(accuracy {expectation.accuracy_before:.3f})?"
            )
        self._question.layout.display = "" if is_open else "none"
        self._message.layout.display = "none" if is_open else ""

    def _draw_pins(self) -> None:
        pins = self._lab.pins
        losses = [(smoothed(pin.losses, POINTS_OF_A_PIN), pin.steps_per_epoch) for pin in pins]
        self._loss.draw_pins([(steps / per_epoch, means) for (steps, means), per_epoch in losses])
        accuracies = [np.array([epoch.accuracy for epoch in pin.epochs]) for pin in pins]
        self._accuracy.draw_pins([(np.arange(1, len(values) + 1), values) for values in accuracies])
        self._pinned.value = training_html.pinned(self._lab.runs, [pin.label for pin in pins], PALE)


def _highest(losses: np.ndarray, per_epoch: int, until: int | float) -> int | float:
    """How high the picture of the loss must be, in round numbers: so that what comes after the steep beginning fills
    it, once the first epoch is over."""
    steep = round(STEEP * until * per_epoch) if until > 1 else 0
    highest = losses[steep:].max(initial=0)
    if steep == 0:
        highest = max(highest, 2.5)
    grain = 0.1 if highest < 1 else 0.5
    return min(round(grain * ceil(highest / grain), 1), HIGHEST_LOSS) or 1.0


def boxed(name: str, *widgets: Widget) -> Box:
    """Widgets in a box whose CSS class is this name."""
    box = Box(widgets)
    box.add_class(name)
    return box


def _titled(title: str, *widgets: Widget) -> VBox:
    box = VBox([HTML(f"<h4>{title}</h4>"), *widgets])
    box.add_class("learnkit-group")
    return box
