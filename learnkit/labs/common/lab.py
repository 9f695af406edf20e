"""A lab in the kernel: one anywidget, whose settings are traits."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import anywidget
import traitlets
from matplotlib.figure import Figure

from learnkit.labs.common.display import Display, close_earlier
from learnkit.labs.common.link import Link
from learnkit.labs.common.runner import Runner, Steps, explained
from learnkit.labs.common.state import State, StateThatTrains
from learnkit.labs.common.validation import InvalidSetting, in_words


class Lab(anywidget.AnyWidget):
    """A widget that is shown by naming it at the end of a cell: live while there is a kernel, and then as a picture.

    Its settings are traits: setting one moves its control, and ``observe`` and ``ipywidgets.link`` work as with any
    widget. To make a lab closes those that an earlier run of its cell made.
    """

    actions: ClassVar[tuple[str, ...]] = ()  # the methods that the page's buttons call

    constants = traitlets.Dict().tag(sync=True)

    _display: Display | None = None

    def __init__(self, state: State) -> None:
        self.state = state
        self._refused: dict[str, str] = {}
        self._message = ""
        self._link = Link(lambda *frame: self.send(*frame), self._frame, self._obey, lambda: self._is_busy)
        fields = {name: {"label": in_words(name), **field.describe()} for name, field in state.fields.items()}
        super().__init__(constants={"fields": fields, **state.constants})
        if taken := [name for name in fields if self.has_trait(name)]:
            raise ValueError(f"A setting of a lab cannot be called {taken[0]!r}, which is a trait of every widget.")
        self.add_traits(**{name: traitlets.Any(value) for name, value in state.settings.items()})
        self._register_validator(self._validated, tuple(state.settings))
        self.observe(self._changed_from_python, list(state.settings))
        self.on_msg(lambda _, message, buffers: self._link.receive(message))
        close_earlier(self)

    @abstractmethod
    def figure(self) -> Figure:
        """The present state as a picture."""

    # ------------------------------------------------------------ settings

    def change(self, **values: Any) -> None:
        """Take other values. If one cannot be taken, none is."""
        self._take(values)
        self._show()

    def _take(self, values: Mapping[str, Any]) -> None:
        with self._link.lock:
            self.state.change(**values)
        self._follow()

    def _follow(self) -> None:
        """Let the traits be what the state's settings are."""
        for name, value in self.state.settings.items():
            setattr(self, name, value)

    def _validated(self, _: Any, proposal: Any) -> Any:
        """What a trait takes: what the state has already, or what its field makes of it."""
        name, value = proposal["trait"].name, proposal["value"]
        is_taken = self.state.settings[name] == value
        return value if is_taken else self.state.fields[name].validate(name, value)

    def _changed_from_python(self, change: Any) -> None:
        if change.new != self.state.settings[change.name]:
            self.change(**{change.name: change.new})

    # ------------------------------------------------------------ the page

    def _obey(self, values: Mapping[str, Any], press: list[Any] | None) -> None:
        """Do what a person wants. If that cannot be, say why beside the control, or in the lab's message."""
        self._refused, self._message = {}, ""
        try:
            if values:
                self.change(**values)
            if press and press[0] in self.actions:
                getattr(self, press[0])(*press[1:])
        except InvalidSetting as error:
            self._refused = {error.setting: str(error)}
        except (OSError, RuntimeError, ValueError) as error:
            self._message = str(error)

    @property
    def _is_busy(self) -> bool:
        """Whether a thread lets the link tick again and again."""
        return False

    def _show(self) -> None:
        """Show what has changed, as soon as that can be."""
        self._renew_picture()
        self._link.show_soon()

    def _frame(self) -> tuple[dict[str, Any], list[bytes]]:
        content, buffers = self.state.frame()
        settings, message = self.state.settings, self._message or content.get("message", "")
        values = {name: field.for_page(settings[name]) for name, field in self.state.fields.items()}
        return {**content, "values": values, "refused": self._refused, "message": message}, buffers

    # ------------------------------------------------------------ how it comes onto the page, and leaves it

    def _ipython_display_(self) -> None:
        if self.comm is None:  # it was closed
            self.layout.open()
            self.open()
        if self._display is None:
            self._display = Display(self, lambda: self.figure(), self._tell)
        self._display.show()

    def _renew_picture(self) -> None:
        if self._display is not None:
            self._display.renew()

    def _tell(self, error: Exception) -> None:
        self._message = explained(error)
        self._link.show(urgent=True)

    def close(self) -> None:
        """Take the lab off the page. To name it in a cell shows it again."""
        shown, self._display = self._display, None
        if shown is not None:
            shown.close()
        super().close()
        self.layout.close()
        self.__dict__.pop("_repr_mimebundle_", None)  # which ipywidgets sets to None, for good


class LabThatTrains(Lab):
    """A lab that trains in the background: no cell has to be running, and others can run beside it."""

    state: StateThatTrains

    def __init__(self, state: StateThatTrains) -> None:
        self._runner = Runner(lambda: self._link.tick(), self._come_to_rest, self._wait_for_turn, self._stop_with)
        super().__init__(state)

    def wait(self) -> None:
        """Return when the training has ended or paused. If this is interrupted, so is the training."""
        try:
            self._runner.wait()
        except KeyboardInterrupt:
            self.pause()
            raise

    def pause(self) -> None:
        """Stop after the present step."""
        self._runner.stop()

    def close(self) -> None:
        """Stop training, and take the lab off the page. To name it in a cell shows it again."""
        if hasattr(self, "_runner"):  # or else it could not be made, and is collected
            self.pause()
        super().close()

    @property
    def _is_busy(self) -> bool:
        return self._runner.is_busy

    def _start(self, steps: Steps) -> None:
        self.state.message = ""
        self._runner.start(steps)

    # What the thread calls.

    def _come_to_rest(self) -> None:
        self.state.rest()
        self._link.show(urgent=True)
        self._renew_picture()

    def _wait_for_turn(self) -> None:
        self.state.status = "waiting"
        self._link.show(urgent=True)

    def _stop_with(self, error: Exception) -> None:
        self.state.fail(error)
