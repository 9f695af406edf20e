"""The state of a training as a file."""

import os
from pathlib import Path
from typing import Any

import torch

from learnkit.errors import check_whole_number


def write(state: dict[str, Any], path: Path) -> None:
    """Write a state, beside the file first and then in its place, so that an interruption leaves the old file whole."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    torch.save(state, unfinished)
    os.replace(unfinished, path)


def read(path: Path) -> object:
    """Read what `write` wrote: tensors and numbers only, so that a file from a stranger cannot run code.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is cut short or no checkpoint.
    """
    size = path.stat().st_size
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its unpickler or zip reader stumbles over
        raise ValueError(
            f"{path} ({size:,} bytes) is no checkpoint, or one that was cut short. Expected a file that Training.save "
            "wrote; take an older one, or train afresh."
        ) from error


def check_fits(state: object, own: dict[str, Any]) -> None:
    """Raise a ValueError that says in what a state differs from the own one of the training it shall be loaded into."""
    if not isinstance(state, dict) or not own.keys() <= state.keys():
        raise ValueError(
            f"It is {_described(state)}, and no state of a training; expected what state_dict() returns, with "
            f"{', '.join(own)}."
        )
    given, expected = ({name: tuple(tensor.shape) for name, tensor in s["model"].items()} for s in (state, own))
    if given != expected:
        raise ValueError(
            f"It is of another net, which has {_described_shapes(given)}; this one has {_described_shapes(expected)}."
        )
    check_whole_number("Its step", state["step"], minimum=0)
    for name, value in own["settings"].items():
        if state["settings"][name] != value:
            raise ValueError(
                f"It was made with {name} = {state['settings'][name]!r}, and this training has {value!r}; make the "
                "training with the same settings and load again."
            )


def _described(state: object) -> str:
    return f"a dict with {', '.join(map(str, state)) or 'nothing'}" if isinstance(state, dict) else type(state).__name__


def _described_shapes(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {' × '.join(map(str, shape))}" for name, shape in shapes.items())
