"""The errors that invalid arguments raise, worded the same everywhere."""

from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Integral
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# What torch says: on a GPU of any kind; on the CPU, under Linux and macOS; and on the CPU under Windows.
OUT_OF_MEMORY = ("out of memory", "allocate memory", "not enough memory")


def unknown(what: str, given: object, known: Iterable[str]) -> ValueError:
    """The error for a name that is not one of the known ones; it lists those, and suggests the closest.

    Parameters
    ----------
    what
        What the name stands for, such as ``"activation"``.
    given
        What was passed.
    known
        The valid names.

    Returns
    -------
    ValueError
        To be raised by the caller.
    """
    known = list(known)
    near = get_close_matches(str(given).lower(), known, n=1, cutoff=0.5)
    suggestion = f" Did you mean {near[0]!r}?" if near else ""
    return ValueError(f"There is no {what} called {given!r}.{suggestion} Known: {', '.join(map(repr, known))}.")


def check_whole_number(name: str, value: object, minimum: int = 1) -> None:
    """Raise a ValueError unless ``value`` is a whole number of at least ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ValueError(f"{name} is {value!r}; expected a whole number, {minimum} or more.")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the memory was too small; each kind of device says it in its own way."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(words in said for words in OUT_OF_MEMORY)


def can_check_values(values: "Tensor") -> bool:
    """Whether a model may look at the values it is given, and not only at their shape and dtype.

    On the CPU that costs next to nothing. On a GPU it would wait, in each forward pass, for all that was begun there.
    """
    return values.device.type == "cpu"
