"""What there is to compute on, and why it is not a GPU.

Nothing here imports torch until a function needs it, so the doctor works where torch cannot be imported.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from learnkit.errors import unknown

if TYPE_CHECKING:
    import torch

REINSTALL_TORCH_FOR_DRIVER = (  # uv asks the driver which CUDA it supports and installs the build of torch for it
    f'"{sys.executable}" -m pip install uv\n'
    f'"{sys.executable}" -m uv pip install --python "{sys.executable}" --torch-backend=auto --reinstall '
    "torch torchvision"
)
SECONDS_TO_ANSWER = 10  # for a program that is asked about the machine: a driver that hangs must not hang the course
UNASKED = ("cuda", "xpu")  # the GPUs that are used unless told otherwise; an AMD GPU's is called cuda as well
VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}  # by their numbers on the PCI bus

NO_MAC_GPU = "torch can use a Mac's GPU only with Apple silicon and a recent macOS; this Mac lacks one or both."
ONLY_IF_ASKED = (
    "torch can use this machine's GPU, {device}. The course does so only if asked, by device={device!r}: numbers may "
    "differ from those in the text, and people have reported trainings that went wrong there without an error."
)
BUILT_FOR_OTHERS = (
    "The torch installed here is built for {vendor}'s GPUs ({build}), and finds none that it can use. Is the driver "
    "for it installed?"
)
AMD_WITHOUT_ROCM = (
    "There is an AMD GPU in this machine. torch can use many of these under Linux, in a build for ROCm; the one "
    "installed here is another build."
)


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, in one sentence, and the command that fixes it (empty if no command can)."""

    sentence: str
    command: str = ""

    def __str__(self) -> str:
        return f"{self.sentence} This fixes it:\n{self.command}" if self.command else self.sentence


def choose_device(requested: "str | torch.device | None" = None) -> "torch.device":
    """The device to compute on: the one asked for, or else a GPU of NVIDIA, AMD or Intel, or else the CPU.

    Raises
    ------
    RuntimeError
        If a GPU is asked for and cannot be used; the message says why.
    ValueError
        If there is no device of that name.
    """
    import torch

    if requested is None:
        return torch.device(usable_devices()[0])
    try:
        device = torch.device(requested)
    except RuntimeError as error:
        raise unknown("device", requested, usable_devices()) from error
    if not _is_usable(device.type):
        raise RuntimeError(
            f"The device {str(requested)!r} was requested but cannot be used. {why_no_gpu() or ''}".rstrip()
        )
    if device.type in UNASKED and device.index is not None and device.index >= _count(device.type):
        last = f"{device.type}:{_count(device.type) - 1}"
        raise RuntimeError(
            f"The device {str(requested)!r} was requested, but the last GPU of this machine is {last!r}."
        )
    return device


def usable_devices() -> list[str]:
    """What torch can compute on here. The first is taken unless another is asked for; a Mac's GPU never comes first."""
    gpu = _accelerator()
    if gpu is None:
        return ["cpu"]
    count = _count(gpu) if gpu in UNASKED else 1
    gpus = [gpu] if count == 1 else [f"{gpu}:{number}" for number in range(count)]
    return [*gpus, "cpu"] if gpu in UNASKED else ["cpu", *gpus]


def describe_device(device: str) -> str:
    """A device with a word on what it is, for a list from which a person chooses."""
    import torch

    kind = device.partition(":")[0]
    if kind in UNASKED:
        return f"{device} ({getattr(torch, kind).get_device_name(device)})"
    return {"mps": "mps (this Mac's GPU; numbers may differ)"}.get(device, device)


def _accelerator() -> str | None:
    """The kind of this machine's GPU, if torch can use it."""
    import torch

    if not hasattr(torch, "accelerator"):  # before PyTorch 2.6
        return next((kind for kind in (*UNASKED, "mps") if _is_usable(kind)), None)
    found = torch.accelerator.current_accelerator()
    return found.type if found is not None and torch.accelerator.is_available() else None


def _is_usable(kind: str) -> bool:
    import torch

    if kind == "mps":
        return torch.backends.mps.is_available()
    return not hasattr(torch, kind) or getattr(torch, kind).is_available()


def _count(kind: str) -> int:
    import torch

    return getattr(torch, kind).device_count()


def why_no_gpu() -> Diagnosis | None:
    """Why no GPU is used on this machine, unless one is asked for; None if one is."""
    import torch

    first, *others = usable_devices()
    if first != "cpu":
        return None
    if others:
        return Diagnosis(ONLY_IF_ASKED.format(device=others[0]))
    if sys.platform == "darwin":
        return Diagnosis(NO_MAC_GPU)
    driver_cuda = driver_cuda_version()
    if driver_cuda is None and "NVIDIA" not in (cards := graphics_cards()):
        for vendor, name in (("AMD", "hip"), ("Intel", "xpu")):
            build = getattr(torch.version, name, None)
            if vendor in cards and build is not None:
                return Diagnosis(BUILT_FOR_OTHERS.format(vendor=vendor, build=f"{name} {build}"))
        if "AMD" in cards:
            return Diagnosis(AMD_WITHOUT_ROCM, REINSTALL_TORCH_FOR_DRIVER if sys.platform == "linux" else "")
        return Diagnosis("There is no NVIDIA GPU in this machine; the course runs on its CPU.")
    if driver_cuda is None:
        return Diagnosis(
            "There is an NVIDIA GPU in this machine but no working driver for it.",
            "sudo ubuntu-drivers install" if shutil.which("ubuntu-drivers") else "https://www.nvidia.com/drivers",
        )
    if torch.version.cuda is None:
        return Diagnosis(
            "There is an NVIDIA GPU with a driver, but the torch installed here is a build for CPUs.",
            REINSTALL_TORCH_FOR_DRIVER,
        )
    if _version(torch.version.cuda) > _version(driver_cuda):
        return Diagnosis(
            f"The torch installed here was built for CUDA {torch.version.cuda}, and this machine's driver goes up to "
            f"CUDA {driver_cuda}.",
            REINSTALL_TORCH_FOR_DRIVER,
        )
    return Diagnosis(
        f"There is an NVIDIA GPU, its driver supports CUDA {driver_cuda}, and torch was built for CUDA "
        f"{torch.version.cuda}, but torch cannot use the GPU. If the driver was updated, restart the machine."
    )


def driver_cuda_version() -> str | None:
    """The newest CUDA that the NVIDIA driver supports, such as ``"12.4"``; None without a working driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    found = re.search(r"CUDA Version:\s*([\d.]+)", _answer(program))
    return found[1] if found else None


def graphics_cards() -> set[str]:
    """Who made this machine's graphics cards, with or without a driver, of NVIDIA, AMD and Intel."""
    if sys.platform == "win32":
        names = _answer("powershell", "-NoProfile", "-Command", "(Get-CimInstance Win32_VideoController).Name")
        return {vendor for vendor in VENDORS.values() if vendor.lower() in names.lower()}
    return {
        VENDORS.get((device / "vendor").read_text().strip(), "another")
        for device in Path("/sys/bus/pci/devices").glob("*")
        if (device / "class").read_text().startswith("0x03")
    }


@cache
def _answer(*command: str) -> str:
    """What a program prints; nothing if it cannot be run or does not answer in time. It is asked once."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS_TO_ANSWER, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])
