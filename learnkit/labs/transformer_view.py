"""The view of a TransformerLab: some controls, two curves, and a heatmap for each head that changes while it learns."""

import threading
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipywidgets import HTML, Button, Layout, VBox
from jaxtyping import Float
from torch import Tensor

from learnkit.labs.controls import ChoiceControl, NumberControl
from learnkit.labs.digit_training import LEARNING_RATE, STEPS_BETWEEN_TESTS, TASKS
from learnkit.labs.live_curves import LiveCurves
from learnkit.labs.parameters import Choice
from learnkit.labs.training_view import STYLE as COMMON_STYLE
from learnkit.labs.training_view import boxed

if TYPE_CHECKING:
    from learnkit.labs.transformer_lab import TransformerLab

STYLE = COMMON_STYLE + Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
ZOOMS = (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)  # steps in the picture of the curves
NAMES = {"reverse": "say it backwards", "copy": "say it again", "sort": "say it in order"}


class TransformerView:
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

    def __init__(self, lab: "TransformerLab") -> None:
        self._lab = lab
        self._redrawing = threading.Lock()  # the thread redraws, and so does a press of Reset
        self._status, self._message, self._heads = HTML(), HTML(), HTML()
        self._loss, self._accuracy = LiveCurves("loss", "step"), LiveCurves("accuracy", "step")
        heads = {str(count): count for count in range(1, 9) if lab.values["embed_dim"] % count == 0}
        heads[str(lab.values["num_heads"])] = lab.values["num_heads"]
        changed = {name: partial(self._changed, name) for name in ("task", "num_heads", "learning_rate")}
        self._controls = {
            "task": ChoiceControl("task", Choice("reverse", {NAMES[task]: task for task in TASKS}), changed["task"]),
            "num_heads": ChoiceControl("heads", Choice(lab.values["num_heads"], heads), changed["num_heads"]),
            "learning_rate": NumberControl("learning rate", LEARNING_RATE, changed["learning_rate"], self._refuse),
        }
        bar = boxed(
            "learnkit-bar",
            self._button("Train", lab.train, "play", "primary"),
            self._button("Pause", lab.pause, "pause"),
            self._button("Reset", lab.reset, "undo"),
        )
        controls = boxed("learnkit-task", *(control.widget for control in self._controls.values()))
        curves = boxed(
            "learnkit-curves",
            VBox([HTML("<h4>loss of each step's digits</h4>"), self._loss.figure]),
            VBox([HTML("<h4>accuracy on 500 other sequences</h4>"), self._accuracy.figure]),
        )
        self.root = VBox([bar, self._status, self._message, controls, self._heads, curves])
        self._status.add_class("learnkit-status")
        self._message.add_class("learnkit-message")
        self.show_values()
        self.redraw()

    def _button(self, words: str, do: Any, icon: str, style: str = "") -> Button:
        button = Button(description=words, icon=icon, button_style=style, layout=Layout(width="auto"))
        button.on_click(lambda _: do())
        return button

    def _changed(self, name: str, value: Any) -> None:
        try:
            self._lab.change(**{name: value})
        except ValueError as error:
            self._refuse(str(error))

    def _refuse(self, words: str) -> None:
        self._lab.message = words
        self.show_values()
        self.redraw()

    def show_values(self) -> None:
        """Let the controls show the lab's values."""
        for name, control in self._controls.items():
            control.show(self._lab.values[name])

    def redraw(self) -> None:
        """Bring the page up to date."""
        with self._redrawing:
            lab, training = self._lab, self._lab.training
            words = f"{lab.status}: step {training.step:,} of {training.steps:,}"
            self._status.value = (
                f'<progress aria-label="of this training" max="1" value="{training.step / training.steps:.4f}">'
                f"</progress><p>{words}</p><p>accuracy <b>{training.accuracy:.3f}</b></p>"
            )
            self._message.value = f'<p role="status">{escape(lab.message)}</p>'
            self._heads.value = heads_html(
                training.digits[0].tolist(), training.seen.answer, training.expected, training.seen.weights
            )
            until = next((steps for steps in ZOOMS if steps >= training.step), training.step)
            self._loss.draw_steps(lab.losses, 1)
            self._loss.zoom(until, 0, 3)
            self._accuracy.draw_epochs(training.accuracies[1:], 1 / STEPS_BETWEEN_TESTS)
            self._accuracy.zoom(until, 0, 1.03)


def heads_html(
    digits: list[int], answer: list[int], expected: list[int], weights: Float[Tensor, "block head query key"]
) -> str:
    """The example, what is said to it, and a heatmap for each head; the darker, the more it looks there."""
    right = sum(says == should for says, should in zip(answer, expected, strict=True))
    said = " ".join(_said(says, should) for says, should in zip(answer, expected, strict=True))
    top = (
        f'<div class="learnkit-example"><p>in <b>{" ".join(map(str, digits))}</b></p><p>should say '
        f"<b>{' '.join(map(str, expected))}</b></p><p>says <b>{said}</b> ({right} of {len(digits)})</p></div>"
    )
    head = "".join(f'<th scope="col">{digit}</th>' for digit in digits)
    tables = []
    for block, heads in enumerate(weights.tolist()):
        for number, rows in enumerate(heads):
            name = f"head {number}" if len(weights) == 1 else f"block {block}, head {number}"
            body = "".join(
                f'<tr><th scope="row">{digit} → {_said(says, should)}</th>{"".join(map(_cell, row))}</tr>'
                for digit, says, should, row in zip(digits, answer, expected, rows, strict=True)
            )
            tables.append(f"<table><caption>{name}</caption><tr><td></td>{head}</tr>{body}</table>")
    return (
        f"{top}<p>Each row is a position, with what comes in there and what is said there; each column one that is "
        f'looked at.</p><div class="learnkit-heads">{"".join(tables)}</div>'
    )


def _cell(weight: float) -> str:
    return f'<td style="--s:{weight:.2f}" title="{weight:.2f}"></td>'


def _said(digit: int, expected: int) -> str:
    return str(digit) if digit == expected else f'<del title="wrong: {expected} was expected">{digit}</del>'
