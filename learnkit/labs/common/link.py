"""The kernel's end of the link to the page. The page's end is link.js, which lists what is said."""

import contextvars
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

SECONDS_BETWEEN_FRAMES = 1 / 30
# A page acknowledges every fourth frame, and fewer if it is near: each time, JupyterLab shows that the kernel is busy.
FAR, NEAR, SECONDS_TO_NEAR = 4, 12, 0.15
PATIENCE = 1.0  # seconds after which a frame is sent although none was acknowledged: nobody may be looking
# So long a training stands aside once it has answered a person: the server and the browser now need the processor. On
# two cores it is a fifth of the time from the hand to the picture.
SECONDS_ASIDE = 0.02


class Link:
    """Sends frames: what the page shows, of which a message holds only what has changed.

    A few may be under way, and no more are sent until the page has drawn some of them: nothing queues, the newest wins.
    What a person does is answered by a frame that says so.

    Parameters
    ----------
    send
        Sends a message with buffers.
    frame
        All that the page shows: as JSON by names, and as numbers.
    obey
        Does what a person wants: takes values, and presses a button, whose action and details it gets.
    is_busy
        Whether a thread calls `tick` again and again.
    """

    def __init__(
        self,
        send: Callable[[dict[str, Any], list[bytes]], None],
        frame: Callable[[], tuple[dict[str, Any], list[bytes]]],
        obey: Callable[[Mapping[str, Any], list[Any] | None], None],
        is_busy: Callable[[], bool],
    ) -> None:
        self._send, self._frame, self._obey, self._is_busy = send, frame, obey, is_busy
        self.lock = threading.RLock()  # JupyterLab's messages come on a thread of their own
        self._sent: dict[str, Any] = {}  # what the page has
        self._heard: dict[str, int] = {}  # by page: its last message
        self._number = self._drawn = 0  # of the frames that were sent, and that were drawn
        self._due = self._sent_at = self._asked_at = 0.0
        self._every = FAR  # so many frames are to be acknowledged; twice as many may be under way
        self._is_behind = False  # the page shows less than there is
        self._is_obeying = self._must_answer = False
        self._page = contextvars.copy_context()  # of its last message

    def receive(self, message: dict[str, Any]) -> None:
        """Hear what the page says."""
        self._page = contextvars.copy_context()
        if "drawn" in message:
            self._drawn = max(self._drawn, message["drawn"])
            self._every = NEAR if time.monotonic() - self._asked_at < SECONDS_TO_NEAR else FAR
        elif "hello" in message:  # a page that has nothing yet
            with self.lock:
                self._sent, self._drawn = {}, self._number
            self._is_behind = True
        else:
            self._is_obeying = True
            try:
                self._obey(message["change"], message["press"])
            finally:
                self._is_obeying = False
            self._heard[message["page"]] = message["number"]
            self._is_behind = self._must_answer = True
        if self._is_behind and not self._is_busy():
            self.show(urgent=self._must_answer)

    def show_soon(self) -> None:
        """Show what has changed, as soon as that can be."""
        if not (self._is_busy() or self._is_obeying):
            self.show(urgent=True)

    def tick(self) -> None:
        """Show what has changed, if it is time to."""
        now, is_answer = time.monotonic(), self._must_answer
        if is_answer or now >= self._due:
            since = self._due if now - self._due < SECONDS_BETWEEN_FRAMES else now
            self._due = since + SECONDS_BETWEEN_FRAMES
            self.show(urgent=is_answer)
        if is_answer:
            time.sleep(SECONDS_ASIDE)

    def show(self, *, urgent: bool) -> None:
        """Show what has changed, unless too many frames are under way and this one is not urgent."""
        with self.lock:
            now = time.monotonic()
            is_full = self._number - self._drawn >= 2 * self._every and now - self._sent_at < PATIENCE
            self._is_behind = is_full and not urgent
            if self._is_behind:
                return
            self._must_answer = False
            self._number, self._sent_at = self._number + 1, now
            content, buffers = self._frame()
            new = {
                name: value for name, value in content.items() if name not in self._sent or self._sent[name] != value
            }
            self._sent |= new
            asks = self._number % self._every == 0
            self._asked_at = now if asks else self._asked_at
            message = {"number": self._number, "heard": self._heard, "asks": asks, "new": new}
            # ipykernel takes a page's words to the thread that spoke to it last. Without this context that would be
            # the main one, which is deaf while a cell runs.
            self._page.copy().run(self._send, message, buffers)
