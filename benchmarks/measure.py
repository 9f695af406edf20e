"""Time several ways of doing the same thing, turn by turn, so that what disturbs the machine disturbs all of them."""

import random
import time
from collections.abc import Callable
from statistics import median


def interleaved(ways: dict[str, Callable[[], object]], rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Seconds of each way in each round; the order within a round is random."""
    seconds = {name: [] for name in ways}
    shuffle = random.Random(0).shuffle
    for turn in range(-warm_up, rounds):
        order = list(ways)
        shuffle(order)
        for name in order:
            start = time.perf_counter()
            ways[name]()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def print_table(title: str, seconds: dict[str, list[float]], base: str, unit: str, scale: float = 1.0) -> None:
    """A row for each way: its median, and the median over the rounds of its ratio to the base."""
    print(f"\n{title}\n{'':48}{unit:>10}{'ratio':>9}")
    for name, values in sorted(seconds.items(), key=lambda item: median(item[1])):
        ratio = median(value / other for value, other in zip(values, seconds[base], strict=True))
        print(f"{name:48}{median(values) * scale:10.3f}{ratio:9.3f}", flush=True)
    print(f"(ratio to: {base})")
