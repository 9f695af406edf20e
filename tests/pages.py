"""A lab's page without a browser: it hears what the kernel sends, and says what a page says."""

import json
import time
from collections.abc import Callable
from typing import Any

from learnkit.labs.common.lab import Lab


class Page:
    """Shows a lab, as link.js does; ``frame`` is all that the kernel has told it."""

    def __init__(self, lab: Lab, name: str = "page") -> None:
        self._lab = lab
        self._name = name
        self._sent = 0
        self.frame: dict[str, Any] = {}
        self.arrays: list[bytes] = []
        self.messages: list[dict[str, Any]] = []
        self.sizes: list[int] = []  # of each message, in bytes
        lab.send = self._receive
        self._say({"hello": True})

    def change(self, **values: Any) -> None:
        self._sent += 1
        self._say({"page": self._name, "number": self._sent, "change": values, "press": None})

    def press(self, *press: Any, **values: Any) -> None:
        self._sent += 1
        self._say({"page": self._name, "number": self._sent, "change": values, "press": list(press)})

    def draw(self) -> None:
        """Tell the kernel that all frames up to the last were drawn."""
        self._say({"drawn": self.messages[-1]["number"]})

    def _say(self, content: dict[str, Any]) -> None:
        self._lab._handle_custom_msg(json.loads(json.dumps(content, allow_nan=False)), [])

    def _receive(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        text = json.dumps(content, allow_nan=False)
        self.sizes.append(len(text) + sum(map(len, buffers)))
        self.messages.append(json.loads(text))
        self.frame |= self.messages[-1]["new"]
        self.arrays = buffers


def until(is_so: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never came to be so"
        time.sleep(0.002)
