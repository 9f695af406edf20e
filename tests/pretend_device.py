"""A GPU in plain Python, for machines that have none: import this module, and torch has a device called "pretend".

Its tensors lie in main memory, and torch takes them for those of another device. It is as strict as the strictest GPU:
what lies on it cannot be mixed with what lies on the CPU, there is no float64 (as on a Mac's GPU), and whenever Python
needs a value, or the shape of a result depends on values, the program waits for the device. Each such wait is recorded.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree
from torch.utils import backend_registration

if torch.cuda.is_available() or torch.xpu.is_available() or torch.backends.mps.is_available():
    pytest.skip("this machine has a real GPU, beside which torch takes no other device", allow_module_level=True)
if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
    pytest.skip("this PyTorch has no devices written in Python", allow_module_level=True)

_module = SimpleNamespace(  # what torch asks of a device
    is_available=lambda: bool(_recorded), _is_in_bad_fork=lambda: False, manual_seed_all=lambda seed: None
)
backend_registration._setup_privateuseone_for_python_backend("pretend", _module)

DEVICE = torch.device("pretend", 0)
# Their results have a shape that depends on values, so a GPU has to finish before the program can go on.
WAITS = {"nonzero", "_unique2", "unique_consecutive", "unique_dim", "bincount", "masked_select", "_local_scalar_dense"}

_library = torch.library.Library("_", "IMPL")
_recorded: list[Counter[str]] = []


class PretendTensor(torch.Tensor):
    """What torch sees; ``numbers`` is the tensor in main memory."""

    numbers: torch.Tensor

    def __new__(cls, numbers: torch.Tensor) -> "PretendTensor":
        if numbers.dtype in (torch.float64, torch.complex128):
            raise TypeError(f"The pretended device has no {numbers.dtype}, as a Mac's GPU has none.")
        layout = {"strides": numbers.stride(), "storage_offset": numbers.storage_offset(), "dtype": numbers.dtype}
        tensor = cls._make_wrapper_subclass(cls, numbers.shape, **layout, device=DEVICE)
        tensor.numbers = numbers
        return tensor

    __torch_function__ = torch._C._disabled_torch_function_impl

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __repr__(self) -> str:
        return f"PretendTensor({self.numbers})"

    @classmethod
    def __torch_dispatch__(cls, operator: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        return _compute(operator, *arguments, **(options or {}))


@contextmanager
def available() -> Iterator[Counter[str]]:
    """In the ``with`` block the device is available, and it is counted how often each function of learnkit waits."""
    waits: Counter[str] = Counter()
    _recorded.append(waits)
    try:
        with torch.autograd.set_multithreading_enabled(False):  # its threads are begun once, for the devices there are
            yield waits
    finally:
        _recorded.remove(waits)


def _record() -> None:
    """Count this wait for the innermost function of learnkit that is running, if there is one."""
    frame = sys._getframe()
    while frame is not None and not _is_named_function_of_learnkit(frame):
        frame = frame.f_back
    if frame is not None:
        for waits in _recorded:
            waits[f"{frame.f_globals['__name__'].removeprefix('learnkit.')}.{frame.f_code.co_name}"] += 1


def _compute(operator: Any, *arguments: Any, **options: Any) -> Any:
    """Every operation on the device: compute with the tensors in main memory."""
    name = operator.name().removeprefix("aten::").partition(".")[0]
    tensors = [each for each in pytree.tree_leaves((arguments, options)) if isinstance(each, torch.Tensor)]
    on_cpu = [each for each in tensors if not isinstance(each, PretendTensor)]
    is_copy = name in ("copy_", "_to_copy")
    if not is_copy and any(each.ndim for each in on_cpu) and len(on_cpu) < len(tensors):
        raise RuntimeError(f"{name}: expected all tensors to be on the pretended device, and one is on the CPU.")
    to_cpu = is_copy and torch.device(options.get("device") or arguments[0].device).type == "cpu"
    by_mask = name == "index" and any(each.dtype == torch.bool for each in tensors[1:])
    if to_cpu or by_mask or name in WAITS:
        _record()
    if "device" in options:
        options["device"] = "cpu"
    result = operator(*pytree.tree_map(_numbers, arguments), **pytree.tree_map(_numbers, options))
    if to_cpu:
        return result if name == "_to_copy" else arguments[0]
    changed = {id(_numbers(each)): each for each in tensors}  # in place
    return pytree.tree_map_only(
        torch.Tensor, lambda each: changed[id(each)] if id(each) in changed else PretendTensor(each), result
    )


def _is_named_function_of_learnkit(frame: FrameType) -> bool:
    is_named = not frame.f_code.co_name.startswith("<")  # such as a list's comprehension, which newer Pythons have not
    return is_named and frame.f_globals.get("__name__", "").startswith("learnkit.")


def _numbers(value: Any) -> Any:
    return value.numbers if isinstance(value, PretendTensor) else value


_library.fallback(_compute, "PrivateUse1")  # what begins a tensor on the device; the rest goes through its class
