"""The state of a training as a file."""

import os
from pathlib import Path
from typing import Any

import torch

from learnkit.errors import check_whole_number


def write(state: dict[str, Any], path: Path) -> None:
    """Write a state to a temporary file, then rename that, so that an interruption leaves the old file intact."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    torch.save(state, unfinished)
    os.replace(unfinished, path)


def read(path: Path) -> Any:
    """Read what `write` wrote: only tensors and plain values, so that an untrusted file cannot run code.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is truncated or not a checkpoint.
    """
    size = path.stat().st_size
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch's unpickler or zip reader fails with
        raise ValueError(
            f"{path} ({size:,} bytes) is not a checkpoint or is truncated. Expected a file written by Training.save; "
            "use an older one, or start the training again."
        ) from error


def check_fits(state: object, expected: dict[str, Any]) -> None:
    """Raise a ValueError unless a state fits the training that it is loaded into, saying where the two differ.

    Parameters
    ----------
    state
        What was given.
    expected
        The present state of that training.
    """
    if not isinstance(state, dict) or not expected.keys() <= state.keys():
        raise ValueError(
            f"It is {_described(state)}, not the state of a training; expected what state_dict() returns, with "
            f"{', '.join(expected)}."
        )
    given, wanted = ({name: tuple(tensor.shape) for name, tensor in s["model"].items()} for s in (state, expected))
    if given != wanted:
        raise ValueError(
            f"It is of another net, which has {_listed(given)}; this training's net has {_listed(wanted)}."
        )
    check_whole_number("Its step", state["step"], minimum=0)
    for name, value in expected["settings"].items():
        if state["settings"][name] != value:
            raise ValueError(
                f"It was made with {name} = {state['settings'][name]!r}, but this training has {value!r}; create the "
                "training with the same settings and load again."
            )


def _described(state: object) -> str:
    return f"a dict with {', '.join(map(str, state)) or 'nothing'}" if isinstance(state, dict) else type(state).__name__


def _listed(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {' × '.join(map(str, shape))}" for name, shape in shapes.items())
