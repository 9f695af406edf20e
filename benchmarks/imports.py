"""What it costs to import learnkit's lower rooms, beside torch alone; each in a Python of its own."""

import subprocess
import sys

from benchmarks.measure import interleaved, print_table

ROOMS = "from learnkit import checkpoint, data, doctor, errors, metrics, models, training"


def main() -> None:
    def start(program: str) -> None:
        subprocess.run([sys.executable, "-c", program], check=True)

    ways = {"import torch": lambda: start("import torch"), "learnkit's lower rooms": lambda: start(ROOMS)}
    print_table("Imports", interleaved(ways, rounds=15, warm_up=2), "import torch", "s")
