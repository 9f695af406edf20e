"""The errors that invalid arguments raise, worded the same everywhere."""

from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Integral


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
