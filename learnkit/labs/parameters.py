"""What a lab lets one choose: the kinds of parameters, their ranges, and how each is read and said. No widgets here."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from learnkit.errors import unknown

LARGEST_WIDTH = 2048
MOST_LAYERS = 6


@dataclass(frozen=True)
class Whole:
    """A whole number from ``minimum`` to ``maximum``."""

    default: int
    minimum: int = 1
    maximum: int = LARGEST_WIDTH

    @property
    def stops(self) -> list[int]:
        """Where a slider stops: at every number if they are few; else at 1, 2, 3, 4, 6, 8, 12, 16, 24 …"""
        if self.maximum - self.minimum <= 10:
            return list(range(self.minimum, self.maximum + 1))
        powers = [2**exponent for exponent in range(1, self.maximum.bit_length() + 1)]
        stops = {self.minimum, self.maximum, 1, *powers, *(power * 3 // 2 for power in powers)}
        return sorted(stop for stop in stops if self.minimum <= stop <= self.maximum)

    def nearest_stop(self, value: int) -> int:
        """In proportion; one is added, since there may be a 0."""
        return min(self.stops, key=lambda stop: abs(math.log((stop + 1) / (value + 1))))

    def checked(self, name: str, value: object) -> int:
        try:
            number = int(value) if isinstance(value, str) else value
            if isinstance(number, int) and not isinstance(number, bool) and self.minimum <= number <= self.maximum:
                return number
        except ValueError:
            pass
        raise ValueError(
            f"{in_words(name)} is {value!r}; expected a whole number from {self.minimum} to {self.maximum:,}."
        )

    def said(self, value: int) -> str:
        return str(value)


@dataclass(frozen=True)
class Positive:
    """Any number above 0; a slider goes from ``low`` to ``high``, three steps for each power of ten."""

    default: float
    low: int | float
    high: int | float

    @property
    def stops(self) -> list[float]:
        """Where a slider stops: 0.001, 0.002, 0.005, 0.01 …"""
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        stops = [float(f"{digit}e{exponent}") for exponent in exponents for digit in (1, 2, 5)]
        return [stop for stop in stops if self.low <= stop <= self.high]

    def nearest_stop(self, value: float) -> float:
        """In proportion."""
        return min(self.stops, key=lambda stop: abs(math.log(stop / value)))

    def checked(self, name: str, value: object) -> float:
        try:
            number = float(value)
            if not isinstance(value, bool) and 0 < number < math.inf:  # which is false for NaN too
                return number
        except (TypeError, ValueError):
            pass
        raise ValueError(f"{in_words(name)} is {value!r}; expected a number above 0, such as {self.default:g}.")

    def said(self, value: float) -> str:
        short, exact = f"{value:g}", f"{value:.15g}"
        return short if float(short) == float(exact) else exact


@dataclass(frozen=True)
class Choice:
    """One of several values, each with the name under which it is shown."""

    default: Any
    options: Mapping[str, Any]

    @classmethod
    def of(cls, *names: str) -> "Choice":
        """Of values that are shown as they are; the first is the default."""
        return cls(names[0], {name: name for name in names})

    def checked(self, name: str, value: object) -> Any:
        if value in self.options.values():
            return value
        raise unknown(in_words(name), value, [str(option) for option in self.options.values()])

    def said(self, value: Any) -> str:
        return next(shown for shown, option in self.options.items() if option == value)


@dataclass(frozen=True)
class Widths:
    """The widths of up to six hidden layers, as a tuple: one number for each layer that there is."""

    default: tuple[int, ...]
    each: Whole = field(default_factory=lambda: Whole(128))

    def checked(self, name: str, value: object) -> tuple[int, ...]:
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            raise ValueError(
                f"{in_words(name)} is {value!r}; expected a width for each hidden layer, such as (128, 256)."
            )
        if len(value) > MOST_LAYERS:
            raise ValueError(f"{in_words(name)} has {len(value)} layers; this lab shows up to {MOST_LAYERS}.")
        return tuple(self.each.checked(f"width {number}", width) for number, width in enumerate(value, start=1))

    def said(self, value: tuple[int, ...]) -> str:
        return "·".join(map(str, value)) or "no hidden layer"


# What all of them have: a default; checked(name, value), which gives the value as it will be used (a text is read as a
# number where one is wanted) or raises a ValueError; said(value), the value as it is shown.
Parameter = Whole | Positive | Choice | Widths


def in_words(name: str) -> str:
    """A parameter's name as a person says it: ``learning_rate`` is the learning rate."""
    return name.replace("_", " ")
