"""What a lab shows, and what can be changed in it; without widgets, so that a test drives it without a browser."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from learnkit.labs.common.runner import explained
from learnkit.labs.common.validation import Field, validated

Settings = Mapping[str, Any]  # a value for each field; they never change, others take their place


class State(ABC):
    """Settings, and what follows from them.

    Parameters
    ----------
    fields
        What can be chosen, by name.
    **values
        Those to begin with instead of the fields' defaults.
    """

    def __init__(self, fields: Mapping[str, Field], **values: Any) -> None:
        self.fields = fields
        self.settings: Settings = {name: field.default for name, field in fields.items()}
        self.settings = self.with_changes({**self.settings, **values})

    def with_changes(self, values: Mapping[str, Any]) -> Settings:
        """The present settings with some other values, or an error if one of them cannot be taken."""
        return MappingProxyType({**self.settings, **validated(self.fields, values)})

    def change(self, **values: Any) -> None:
        """Take other values. If one cannot be taken, none is."""
        self.settings = self.with_changes(values)

    def format(self, name: str, settings: Settings) -> str:
        """A setting in a few words."""
        return self.fields[name].format(settings[name])

    @property
    def constants(self) -> dict[str, Any]:
        """What the page is told once."""
        return {}

    @abstractmethod
    def frame(self) -> tuple[dict[str, Any], list[bytes]]:
        """All that the page shows: as JSON by names, of which those that have changed are sent; and as numbers."""


ON_CPU = ("Trained on the CPU, with 1 thread.", "Trained on the CPU, with {threads} threads.")
ON_DEVICE = "Trained on {device}."


def computed_on(device: str, threads: int) -> str:
    """Where a net is trained, and on a CPU with how many threads, which the size of the net decides."""
    return ON_CPU[threads > 1].format(threads=threads) if device == "cpu" else ON_DEVICE.format(device=device)


class StateThatTrains(State):
    """With a training that can be paused at each step.

    Attributes
    ----------
    status
        ``"ready"``, ``"training"``, ``"waiting"`` (for another lab), ``"paused"``, ``"ended"`` or ``"stopped"`` (by an
        error).
    message
        What there is to say.
    """

    def __init__(self, fields: Mapping[str, Field], **values: Any) -> None:
        super().__init__(fields, **values)
        self.status, self.message = "ready", ""

    def rest(self) -> None:
        """There is nothing more to do."""

    def fail(self, error: Exception) -> None:
        """Say what has stopped the training."""
        self.status, self.message = "stopped", explained(error)
