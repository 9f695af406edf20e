"""What can be chosen in a lab: the kinds of settings, their ranges, and how a value is read and shown.

A value is validated here, once, wherever it comes from: a slider, a field that was typed into, or Python.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from learnkit.errors import unknown

LARGEST_WIDTH = 2048


class InvalidSetting(ValueError):
    """A value that cannot be taken. ``setting`` is the name of what it was meant for."""

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(message)
        self.setting = setting


class Field(ABC):
    """What one setting may be; ``default`` is the value to begin with."""

    default: Any

    @abstractmethod
    def validate(self, name: str, value: Any) -> Any:
        """The value as it will be used (a text is read, where it can be), or an `InvalidSetting`."""

    def format(self, value: Any) -> str:
        """The value in a few words."""
        return str(value)

    def for_page(self, value: Any) -> Any:
        """The value as the page gets it, as JSON has it."""
        return value

    def describe(self) -> dict[str, Any]:
        """What the page must know to make a control for it."""
        return {}


def validated(fields: Mapping[str, Field], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they will be used.

    Raises
    ------
    InvalidSetting
        If one of them cannot be taken.
    ValueError
        If there is no such setting.
    """
    for name in values:
        if name not in fields:
            raise unknown("setting of this lab", name, fields)
    return {name: fields[name].validate(name, value) for name, value in values.items()}


@dataclass(frozen=True)
class Number(Field):
    """A number from ``minimum`` to ``maximum``; a slider stops at the ticks."""

    default: int | float
    minimum: int | float = -math.inf
    maximum: int | float = math.inf
    ticks: Sequence[int | float] = ()

    def validate(self, name: str, value: object) -> float:
        number = _read(value, float)
        if number is not None and math.isfinite(number) and self.minimum <= number <= self.maximum:
            return float(number)
        limits = f" from {self.minimum:g} to {self.maximum:g}" if math.isfinite(self.maximum - self.minimum) else ""
        raise InvalidSetting(name, f"{in_words(name)} is {value!r}; expected a number{limits}.")

    def format(self, value: int | float) -> str:
        short, exact = f"{value:g}", f"{value:.15g}"
        return short if float(short) == float(exact) else exact

    def describe(self) -> dict[str, Any]:
        return {"kind": "number", "ticks": list(self.ticks)}


@dataclass(frozen=True)
class Positive(Number):
    """Any number above 0; a slider goes from ``minimum`` to ``maximum``, in three steps for each power of ten."""

    minimum: int | float = 1e-4
    maximum: int | float = 10

    def validate(self, name: str, value: object) -> float:
        number = _read(value, float)
        if number is not None and 0 < number < math.inf:  # which is false for NaN too
            return float(number)
        raise InvalidSetting(
            name, f"{in_words(name)} is {value!r}; expected a number above 0, such as {self.format(self.default)}."
        )

    def describe(self) -> dict[str, Any]:
        exponents = range(math.floor(math.log10(self.minimum)), math.ceil(math.log10(self.maximum)) + 1)
        ticks = [float(f"{digit}e{exponent}") for exponent in exponents for digit in (1, 2, 5)]
        return {"kind": "number", "ticks": [tick for tick in ticks if self.minimum <= tick <= self.maximum]}


@dataclass(frozen=True)
class Integer(Field):
    """A whole number from ``minimum`` to ``maximum``."""

    default: int
    minimum: int = 1
    maximum: int = LARGEST_WIDTH

    @property
    def ticks(self) -> list[int]:
        """Where a slider stops: at every number if they are few; else at 1, 2, 3, 4, 6, 8, 12, 16, 24 …"""
        if self.maximum - self.minimum <= 10:
            return list(range(self.minimum, self.maximum + 1))
        powers = [2**exponent for exponent in range(1, self.maximum.bit_length() + 1)]
        ticks = {self.minimum, self.maximum, 1, *powers, *(power * 3 // 2 for power in powers)}
        return sorted(tick for tick in ticks if self.minimum <= tick <= self.maximum)

    def validate(self, name: str, value: object) -> int:
        number = _read(value, int)
        if number is not None and number == int(number) and self.minimum <= number <= self.maximum:
            return int(number)
        raise InvalidSetting(
            name,
            f"{in_words(name)} is {value!r}; expected a whole number from {self.minimum} to {self.maximum:,}.",
        )

    def describe(self) -> dict[str, Any]:
        return {"kind": "number", "ticks": self.ticks}


@dataclass(frozen=True)
class Choice(Field):
    """One of several values, each with the name under which it is shown."""

    default: Any
    options: Mapping[str, Any]

    @classmethod
    def of(cls, *names: str) -> "Choice":
        """Of values that are shown as they are; the first is the default."""
        return cls(names[0], {name: name for name in names})

    def validate(self, name: str, value: Any) -> Any:
        """One of the values; a name under which one is shown is taken for it."""
        if any(option is value or option == value for option in self.options.values()):
            return value
        if isinstance(value, str) and value in self.options:
            return self.options[value]
        known = [str(option) for option in self.options.values()]
        raise InvalidSetting(name, str(unknown(in_words(name), value, known)))

    def format(self, value: Any) -> str:
        return next(name for name, option in self.options.items() if option is value or option == value)

    def for_page(self, value: Any) -> str:
        return self.format(value)

    def describe(self) -> dict[str, Any]:
        return {"kind": "choice", "options": list(self.options)}


def _read(value: object, kind: type[int] | type[float]) -> Any:
    """A number, or a text that is read as one; None for all else."""
    if isinstance(value, str):
        try:
            return kind(value)
        except ValueError:
            return None
    is_number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_number and (kind is float or isinstance(value, int) or hasattr(value, "__index__")) else None


def in_words(name: str) -> str:
    """A setting's name as a person says it: ``learning_rate`` is the learning rate."""
    return name.replace("_", " ")
