"""The widgets for one parameter each, of which the number that is shown is always the number that is meant."""

from collections.abc import Callable
from functools import partial
from typing import Any

from ipywidgets import Dropdown, HBox, Layout, SelectionSlider, Text, VBox

from learnkit.labs.parameters import MOST_LAYERS, Choice, Parameter, Positive, Whole, Widths, in_words

Changed = Callable[[Any], None]  # is told the new value
Refused = Callable[[str], None]  # is told why what was typed is no value

LABEL_WIDTH = "96px"


class NumberControl:
    """A slider that stops at some numbers, and a field that takes any.

    Parameters
    ----------
    label
        What the number is.
    parameter
        Its range.
    changed, refused
        Are told of what a person does, and never of what `show` does. After a refusal the old value is shown again.
    """

    def __init__(self, label: str, parameter: Whole | Positive, changed: Changed, refused: Refused) -> None:
        self._label = label
        self._parameter = parameter
        self._changed = changed
        self._refused = refused
        self._is_being_set = False
        self._slider = SelectionSlider(
            options=[(parameter.said(stop), stop) for stop in parameter.stops],
            description=label,
            readout=False,
            style={"description_width": LABEL_WIDTH},
            layout=Layout(flex="1 1 auto", width="auto", min_width="0"),
        )
        self._field = Text(continuous_update=False, layout=Layout(width="64px", flex="none"))
        self.show(parameter.default)
        self._slider.observe(self._told, "value")
        self._field.observe(self._told, "value")
        self.widget = HBox([self._slider, self._field])
        self.widget.add_class("learnkit-row")

    def show(self, value: int | float) -> None:
        """Show a value: the field as it is, the slider at the nearest stop."""
        self._value = value
        self._is_being_set = True
        try:
            self._slider.value = self._parameter.nearest_stop(value)
            self._field.value = self._parameter.said(value)
        finally:
            self._is_being_set = False

    def _told(self, change: dict[str, Any]) -> None:
        if self._is_being_set:
            return
        try:
            value = self._parameter.checked(self._label, change["new"])
        except ValueError as error:
            self.show(self._value)
            self._refused(str(error))
        else:
            self.show(value)
            self._changed(value)


class ChoiceControl:
    """A list to choose from."""

    def __init__(self, label: str, parameter: Choice, changed: Changed) -> None:
        self._parameter = parameter
        self._changed = changed
        self._is_being_set = False
        # Of names: if one of the values were None, ipywidgets would take it for "nothing chosen".
        self.widget = Dropdown(
            options=list(parameter.options),
            description=label,
            style={"description_width": LABEL_WIDTH},
            layout=Layout(width="auto"),
        )
        self.show(parameter.default)
        self.widget.observe(self._told, "value")

    def show(self, value: Any) -> None:
        """Show a value, without a word to `changed`."""
        self._is_being_set = True
        try:
            self.widget.value = self._parameter.said(value)
        finally:
            self._is_being_set = False

    def _told(self, change: dict[str, Any]) -> None:
        if not self._is_being_set:
            self._changed(self._parameter.options[change["new"]])


class WidthsControl:
    """A slider for the number of hidden layers, and one for the width of each that there is.

    A layer that comes back has the width that it had when it went.
    """

    def __init__(self, parameter: Widths, changed: Changed, refused: Refused) -> None:
        self._changed = changed
        self._value = parameter.default
        self._widths = [parameter.each.default] * MOST_LAYERS
        self._count = NumberControl("hidden layers", Whole(1, 0, MOST_LAYERS), self._count_changed, refused)
        self._each = [
            NumberControl(f"width {number + 1}", parameter.each, partial(self._width_changed, number), refused)
            for number in range(MOST_LAYERS)
        ]
        self.widget = VBox([self._count.widget, *(control.widget for control in self._each)])
        self.show(parameter.default)

    def show(self, value: tuple[int, ...]) -> None:
        """Show as many sliders as there are layers."""
        self._value = value
        self._widths[: len(value)] = value
        self._count.show(len(value))
        for number, control in enumerate(self._each):
            control.widget.layout.display = "" if number < len(value) else "none"
            control.show(self._widths[number])

    def _count_changed(self, count: int) -> None:
        self.show(tuple(self._widths[:count]))
        self._changed(self._value)

    def _width_changed(self, number: int, width: int) -> None:
        self._widths[number] = width
        self.show(tuple(self._widths[: len(self._value)]))
        self._changed(self._value)


def control_for(
    name: str, parameter: Parameter, changed: Changed, refused: Refused
) -> NumberControl | ChoiceControl | WidthsControl:
    """The control that fits a parameter's kind."""
    if isinstance(parameter, Choice):
        return ChoiceControl(in_words(name), parameter, changed)
    if isinstance(parameter, Widths):
        return WidthsControl(parameter, changed, refused)
    return NumberControl(in_words(name), parameter, changed, refused)
