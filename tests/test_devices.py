"""Which device is taken on which machine, and what is said where it is not a GPU. No such machine is needed."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from learnkit import devices
from learnkit.errors import is_out_of_memory

KINDS = ("cuda", "xpu", "mps")


@pytest.fixture
def machine(monkeypatch):
    """A machine whose GPU, graphics cards, driver and build of torch are chosen by the test."""

    def make(*, gpu=None, count=1, cards=("NVIDIA",), driver_cuda=None, built_for=(), platform="linux", old=False):
        for kind in KINDS:
            module = SimpleNamespace(
                is_available=lambda kind=kind: kind == gpu,
                device_count=lambda: count,
                get_device_name=lambda device: f"Fast Card {device}",
            )
            monkeypatch.setattr(torch, kind, module, raising=False)
        monkeypatch.setattr(torch.backends, "mps", torch.mps)
        accelerator = SimpleNamespace(
            is_available=lambda: gpu is not None, current_accelerator=lambda: torch.device(gpu or "cuda")
        )
        monkeypatch.setattr(torch, "accelerator", accelerator, raising=False)
        if old:
            monkeypatch.delattr(torch, "accelerator")
        for name in ("cuda", "hip", "xpu"):
            monkeypatch.setattr(torch.version, name, dict(built_for).get(name), raising=False)
        monkeypatch.setattr(devices, "graphics_cards", lambda: set(cards))
        monkeypatch.setattr(devices, "driver_cuda_version", lambda: driver_cuda)
        monkeypatch.setattr(sys, "platform", platform)

    return make


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("gpu", "usable"),
    [("cuda", ["cuda", "cpu"]), ("xpu", ["xpu", "cpu"]), ("mps", ["cpu", "mps"]), (None, ["cpu"])],
)
def test_a_gpu_is_taken_unasked_but_for_a_macs(machine, gpu, usable, old):
    machine(gpu=gpu, old=old)
    assert devices.usable_devices() == usable
    assert devices.choose_device() == torch.device(usable[0])
    for device in usable:
        assert devices.choose_device(device) == torch.device(device)
    assert (devices.why_no_gpu() is None) == (usable[0] != "cpu")


def test_a_macs_gpu_is_offered_with_a_word_on_what_may_happen(machine):
    machine(gpu="mps", platform="darwin")
    assert "The course does so only if asked, by device='mps'" in devices.why_no_gpu().sentence
    assert devices.describe_device("mps") == "mps (this Mac's GPU; numbers may differ)"
    with pytest.raises(RuntimeError, match="'cuda' was requested but cannot be used. .* by device='mps'"):
        devices.choose_device("cuda")


def test_of_several_gpus_each_can_be_chosen_by_its_name(machine):
    machine(gpu="cuda", count=2)
    assert devices.usable_devices() == ["cuda:0", "cuda:1", "cpu"]
    assert [devices.describe_device(device) for device in devices.usable_devices()] == [
        "cuda:0 (Fast Card cuda:0)",
        "cuda:1 (Fast Card cuda:1)",
        "cpu",
    ]
    assert devices.choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(
        RuntimeError, match="The device 'cuda:2' was requested, but the last GPU of this machine is 'cuda:1'"
    ):
        devices.choose_device("cuda:2")


@pytest.mark.parametrize(
    ("facts", "sentence", "command"),
    [
        ({"cards": (), "built_for": {"cuda": "13.0"}}, "There is no NVIDIA GPU in this machine", ""),
        ({"cards": ("Intel",)}, "There is no NVIDIA GPU in this machine", ""),
        ({"built_for": {"cuda": "13.0"}}, "no working driver", "nvidia.com/drivers"),
        ({"driver_cuda": "12.4"}, "the torch installed here is a build for CPUs", "--torch-backend=auto"),
        (
            {"driver_cuda": "12.4", "built_for": {"cuda": "13.0"}},
            "built for CUDA 13.0, and this machine's driver goes up to CUDA 12.4",
            "--torch-backend=auto",
        ),
        ({"driver_cuda": "13.1", "built_for": {"cuda": "13.0"}}, "but torch cannot use the GPU", ""),
        ({"driver_cuda": "12.10", "built_for": {"cuda": "12.9"}}, "but torch cannot use the GPU", ""),
        ({"platform": "darwin"}, "only with Apple silicon and a recent macOS", ""),
        ({"cards": ("AMD",), "built_for": {"cuda": "13.0"}}, "There is an AMD GPU", "--torch-backend=auto"),
        ({"cards": ("AMD",), "platform": "win32"}, "There is an AMD GPU", ""),
        ({"cards": ("AMD",), "built_for": {"hip": "6.4"}}, "built for AMD's GPUs (hip 6.4), and finds none", ""),
        ({"cards": ("Intel",), "built_for": {"xpu": "20250"}}, "built for Intel's GPUs (xpu 20250), and finds", ""),
    ],
)
def test_each_reason_for_a_missing_gpu_has_its_own_diagnosis(machine, monkeypatch, facts, sentence, command):
    machine(**facts)
    monkeypatch.setattr(devices.shutil, "which", lambda program: None)
    diagnosis = devices.why_no_gpu()
    assert sentence in diagnosis.sentence
    assert command in diagnosis.command
    assert bool(diagnosis.command) == bool(command)
    with pytest.raises(RuntimeError, match="The device 'cuda' was requested but cannot be used"):
        devices.choose_device("cuda")
    assert devices.choose_device().type == "cpu"


def test_on_ubuntu_a_command_installs_the_missing_driver(machine, monkeypatch):
    machine(built_for={"cuda": "13.0"})
    monkeypatch.setattr(devices.shutil, "which", lambda program: f"/usr/bin/{program}")
    assert devices.why_no_gpu().command == "sudo ubuntu-drivers install"


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("| NVIDIA-SMI 550.54   Driver Version: 550.54   CUDA Version: 12.4 |", "12.4"),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", None),
        ("something else", None),
    ],
)
def test_the_drivers_cuda_version_is_read_from_the_output_of_nvidia_smi_which_is_asked_once(
    monkeypatch, tmp_path, output, found
):
    asked = []

    def run(command, **options):
        asked.append((command, options["timeout"]))
        return SimpleNamespace(stdout=output)

    monkeypatch.setattr(devices.shutil, "which", lambda program: str(tmp_path / program))  # another in each test
    monkeypatch.setattr(devices.subprocess, "run", run)
    assert [devices.driver_cuda_version() for _ in range(3)] == [found] * 3
    assert asked == [((str(tmp_path / "nvidia-smi"),), devices.SECONDS_TO_ANSWER)]


def test_a_driver_that_hangs_counts_as_none(monkeypatch, tmp_path):
    def run(command, timeout, **options):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(devices.shutil, "which", lambda program: str(tmp_path / program))
    monkeypatch.setattr(devices.subprocess, "run", run)
    assert devices.driver_cuda_version() is None


@pytest.mark.skipif(sys.platform == "win32", reason="needs a program that can be started by its name")
def test_a_program_that_does_not_answer_is_stopped(monkeypatch):
    monkeypatch.setattr(devices, "SECONDS_TO_ANSWER", 0.2)
    assert devices._answer("sleep", "60") == ""
    assert devices._answer("a-program-that-does-not-exist") == ""


def test_no_nvidia_smi_means_no_driver(monkeypatch):
    monkeypatch.setattr(devices.shutil, "which", lambda program: None)
    assert devices.driver_cuda_version() is None


@pytest.mark.parametrize(
    ("vendor", "kind", "cards"),
    [
        ("0x10de", "0x030000", {"Intel", "NVIDIA"}),
        ("0x10de", "0x040300", {"Intel"}),  # only the card's sound
        ("0x1002", "0x030200", {"Intel", "AMD"}),
        ("0x1234", "0x030000", {"Intel", "another"}),
    ],
)
def test_graphics_cards_are_recognised_by_their_vendors_and_class(tmp_path, monkeypatch, vendor, kind, cards):
    for name, contents in {"first": ("0x8086", "0x030000"), "second": (vendor, kind)}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(f"{contents[0]}\n")
        (tmp_path / name / "class").write_text(f"{contents[1]}\n")
    monkeypatch.setattr(devices, "Path", lambda _: tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    assert devices.graphics_cards() == cards


def test_on_windows_the_graphics_cards_are_asked_for_by_name(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(devices, "_answer", lambda *command: "NVIDIA GeForce RTX 4060\r\nIntel(R) UHD Graphics\r\n")
    assert devices.graphics_cards() == {"NVIDIA", "Intel"}


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (MemoryError(), True),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("HIP out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("XPU out of memory. Tried to allocate 64.00 GiB"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8.55 GB, max allowed: 9.07 GB)"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes"), True),
        (RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"), False),
        (ValueError("epochs is 0; expected a whole number, 1 or more."), False),
    ],
)
def test_exhausted_memory_is_recognised_in_the_words_of_each_device(error, is_one):
    assert is_out_of_memory(error) == is_one
