"""The kernel's end of a lab: one anywidget, whose settings are traits, and its link to the page (see link.js)."""

import contextvars
import threading
import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import anywidget
import traitlets
from matplotlib.figure import Figure

from learnkit.labs.common.display import Display, close_earlier
from learnkit.labs.common.runner import Runner, Steps, explained
from learnkit.labs.common.settings import InvalidSetting, in_words
from learnkit.labs.common.state import State, StateThatTrains

SECONDS_BETWEEN_FRAMES = 1 / 30
# A page acknowledges every fourth frame, and fewer if it is near: each time, JupyterLab shows that the kernel is busy.
FAR, NEAR, SECONDS_TO_NEAR = 4, 12, 0.15
PATIENCE = 1.0  # seconds after which a frame is sent although none was acknowledged: nobody may be looking


class Lab(anywidget.AnyWidget):
    """A widget that is shown by naming it at the end of a cell: live while there is a kernel, and then as a picture.

    Its settings are traits: setting one moves its control, and ``observe`` and ``ipywidgets.link`` work as with any
    widget. To make a lab closes those that an earlier run of its cell made.

    A frame is what the page shows, in one message. A few may be under way, and no more are sent until the page has
    drawn some of them: nothing queues, the newest wins. What a person does is answered by a frame that says so.
    """

    actions: ClassVar[tuple[str, ...]] = ()  # the methods that the page's buttons call

    constants = traitlets.Dict().tag(sync=True)

    _display: Display | None = None

    def __init__(self, state: State) -> None:
        self.state = state
        self._lock = threading.RLock()  # JupyterLab's messages come on a thread of their own
        self._refused: dict[str, str] = {}
        self._message = ""
        self._sent: dict[str, Any] = {}  # what the page has
        self._heard: dict[str, int] = {}  # by page: its last message
        self._number = self._drawn = 0  # of the frames that were sent, and that were drawn
        self._due = self._sent_at = self._asked_at = 0.0
        self._every = FAR  # so many frames are to be acknowledged; twice as many may be under way
        self._is_behind = False  # the page shows less than there is
        self._must_answer = self._is_obeying = False
        self._page = contextvars.copy_context()  # of its last message
        fields = {name: {"label": in_words(name), **field.describe()} for name, field in state.fields.items()}
        super().__init__(constants={"fields": fields, **state.constants})
        if taken := [name for name in fields if self.has_trait(name)]:
            raise ValueError(f"A setting of a lab cannot be called {taken[0]!r}, which is a trait of every widget.")
        self.add_traits(**{name: traitlets.Any(value) for name, value in state.settings.items()})
        self._register_validator(self._validated, tuple(state.settings))
        self.observe(self._changed_from_python, list(state.settings))
        self.on_msg(self._receive)
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
        with self._lock:
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

    # ------------------------------------------------------------ what the page says

    def _receive(self, _: Any, message: dict[str, Any], buffers: Any) -> None:
        self._page = contextvars.copy_context()
        if "drawn" in message:
            self._drawn = max(self._drawn, message["drawn"])
            self._every = NEAR if time.monotonic() - self._asked_at < SECONDS_TO_NEAR else FAR
        elif "hello" in message:  # a page that has nothing yet
            with self._lock:
                self._sent, self._drawn = {}, self._number
            self._is_behind = True
        else:
            self._obey(message["change"], message["press"])
            self._heard[message["page"]] = message["number"]
            self._is_behind = self._must_answer = True
        if self._is_behind and not self._is_busy:
            self._send_frame(urgent=self._must_answer)

    def _obey(self, values: dict[str, Any], press: list[Any] | None) -> None:
        """Do what a person wants. If that cannot be, say why beside the control, or in the lab's message."""
        self._refused, self._message, self._is_obeying = {}, "", True
        try:
            if values:
                self.change(**values)
            if press and press[0] in self.actions:
                getattr(self, press[0])(*press[1:])
        except InvalidSetting as error:
            self._refused = {error.setting: str(error)}
        except (OSError, RuntimeError, ValueError) as error:
            self._message = str(error)
        finally:
            self._is_obeying = False

    # ------------------------------------------------------------ what the page is told

    @property
    def _is_busy(self) -> bool:
        """Whether a thread calls `_tick` again and again."""
        return False

    def _show(self) -> None:
        """Show what has changed, as soon as that can be."""
        self._renew_picture()
        if not (self._is_busy or self._is_obeying):
            self._send_frame(urgent=True)

    def _tick(self) -> None:
        now = time.monotonic()
        if self._must_answer or now >= self._due:
            self._due = max(now, self._due + SECONDS_BETWEEN_FRAMES)
            self._send_frame(urgent=self._must_answer)

    def _send_frame(self, *, urgent: bool) -> None:
        with self._lock:
            now = time.monotonic()
            is_full = self._number - self._drawn >= 2 * self._every and now - self._sent_at < PATIENCE
            self._is_behind = is_full and not urgent
            if self._is_behind:
                return
            self._must_answer = False
            self._number, self._sent_at = self._number + 1, now
            content, buffers = self.state.frame()
            content["values"] = {
                name: field.for_page(self.state.settings[name]) for name, field in self.state.fields.items()
            }
            content["refused"] = self._refused
            content["message"] = self._message or content.get("message", "")
            new = {
                name: value for name, value in content.items() if name not in self._sent or self._sent[name] != value
            }
            self._sent |= new
            asks = self._number % self._every == 0
            self._asked_at = now if asks else self._asked_at
            frame = {"number": self._number, "heard": self._heard, "asks": asks, "new": new}
            # ipykernel takes a page's words to the thread that spoke to it last. Without this context that would be
            # the main one, which is deaf while a cell runs.
            self._page.copy().run(self.send, frame, buffers)

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
        self._send_frame(urgent=True)

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
        self._runner = Runner(self._tick, self._come_to_rest, self._wait_for_turn, self._stop_with)
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
        self._send_frame(urgent=True)
        self._renew_picture()

    def _wait_for_turn(self) -> None:
        self.state.status = "waiting"
        self._send_frame(urgent=True)

    def _stop_with(self, error: Exception) -> None:
        self.state.fail(error)
