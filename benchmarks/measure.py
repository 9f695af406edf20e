"""Time several ways of doing the same thing in turns, so that whatever disturbs the machine disturbs all of them."""

import platform
import random
import re
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from statistics import median

import torch


def interleaved(ways: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """The seconds that each way takes in each round; the order within a round is random."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    shuffle = random.Random(0).shuffle
    for number in range(-warm_up, rounds):
        order = list(ways)
        shuffle(order)
        for name in order:
            start = time.perf_counter()
            ways[name]()
            if number >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def print_table(title: str, seconds: dict[str, list[float]], base: str, unit: str, scale: float = 1.0) -> None:
    """Print a row for each way: its median time, and the median over the rounds of its ratio to the base."""
    print(f"\n{title}\n{'':48}{unit:>10}{'ratio':>9}")
    for name, values in sorted(seconds.items(), key=lambda item: median(item[1])):
        ratio = median(value / other for value, other in zip(values, seconds[base], strict=True))
        print(f"{name:48}{median(values) * scale:10.3f}{ratio:9.3f}", flush=True)
    print(f"Medians of {len(seconds[base])} rounds; ratios to {base}.")


def environment(*packages: str) -> str:
    """What the results depend on: versions, the processor and the number of threads."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"Python {platform.python_version()}, {versions}; {processor()}, {torch.get_num_threads()} threads."


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    file = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", file.read_text(), re.MULTILINE) if file.exists() else []
    return names[0] if names else platform.processor() or platform.machine()
