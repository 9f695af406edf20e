"""Run the benchmarks that are named, or all of them."""

import sys
from importlib import import_module

from benchmarks.measure import print_environment
from learnkit.errors import unknown

NAMES = ("training", "metrics", "attention", "recurrent", "studies", "labs", "imports", "busy", "gpu")

for name in sys.argv[1:]:
    if name not in NAMES:
        sys.exit(str(unknown("benchmark", name, NAMES)))
print_environment("torch", "numpy", "scikit-learn", "torchmetrics", "skorch", "lightning", "matplotlib", "jupyterlab")
for name in sys.argv[1:] or NAMES[:-1]:  # not the last, which needs a GPU
    import_module(f"benchmarks.{name}").main()
