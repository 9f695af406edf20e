"""The time to import learnkit's modules below plots and labs, compared with torch alone; each in a new process."""

import subprocess
import sys

from benchmarks.measure import interleaved, print_table

MODULES = "from learnkit import checkpoint, data, doctor, errors, metrics, models, training"


def main() -> None:
    def start(program: str) -> None:
        subprocess.run([sys.executable, "-c", program], check=True)

    ways = {"import torch": lambda: start("import torch"), "learnkit's lower modules": lambda: start(MODULES)}
    print_table("Imports", interleaved(ways, rounds=15, warm_up=2), "import torch", "s")
