"""How many threads of the CPU a net is trained with.

Threads that share an operation wait for the last of them, and they wait busily. For a small net that gains little on a
quiet machine; where another program keeps a core occupied, it makes training several times slower, while one thread
loses next to nothing (``course.py bench busy`` measures both). The number also decides in which order numbers are
added, and with it the last digits of a training. So it depends on the size of the work alone, never on how busy the
machine is: the same call gets the same number each time.

An explicit setting takes precedence: ``OMP_NUM_THREADS`` or ``MKL_NUM_THREADS``, the ``threads`` of
`learnkit.training.Training` and `learnkit.study.study`, or ``torch.set_num_threads``. (A number that was set before
learnkit was imported, torch's default number, and 1 after `use_one` cannot be told apart from no setting at all: pass
these as ``threads``.)
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

LARGE = 2_000_000_000  # weights × images in a step; Day 1's net has 27 million with batches of 200
_ALL = torch.get_num_threads()  # what torch takes unless told otherwise
_defaults = {_ALL}  # another number than these was set by the user
_in_use: list[int] = []  # the numbers of the `using` blocks that have begun and not ended, of all threads of Python
_SET_OUTSIDE = any(name in os.environ for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"))


def use_one() -> None:
    """Compute with one thread from here on, as suits nets as small as this course's; an explicit setting is kept."""
    if number_set_by_user() is None:
        _defaults.add(1)
        torch.set_num_threads(1)


def number_for(model: nn.Module, batch_size: int) -> int:
    """The number of threads for training a model: one for a small net, all for one some hundred times larger.

    Parameters
    ----------
    model
        Each of its weights is multiplied with each image at least once forward and twice backward.
    batch_size
        Images in a step.

    Returns
    -------
    int
        What the user has set, if anything was set.
    """
    if (number := number_set_by_user()) is not None:
        return number
    weights = sum(parameter.numel() for parameter in model.parameters())
    return _ALL if weights * batch_size >= LARGE else 1


@contextmanager
def using(number: int) -> Iterator[None]:
    """Compute with that many threads within a ``with`` block, and with as many as before after it.

    PyTorch keeps a number for each thread of Python, so blocks may overlap in several of these. A new one begins with
    the number that was set last, in whichever thread; that number is not taken for the user's.
    """
    before = torch.get_num_threads()
    _in_use.append(number)
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _in_use.remove(number)


def number_set_by_user() -> int | None:
    """The number that the user has chosen, by the environment or by torch; None if the size of a net decides."""
    number = torch.get_num_threads()
    if _SET_OUTSIDE:
        return number
    return None if number in _defaults or number in _in_use else number
