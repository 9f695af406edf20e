"""Run the benchmarks that are named, or all of them."""

import sys
from importlib import import_module

from benchmarks.measure import environment
from learnkit.errors import unknown

QUICK = ("training", "metrics", "attention", "recurrent", "studies", "labs", "imports", "busy")
NAMES = (*QUICK, "accuracy", "gpu")  # the last two take an hour, and a GPU

for name in sys.argv[1:]:
    if name not in NAMES:
        sys.exit(str(unknown("benchmark", name, NAMES)))
packages = ("torch", "numpy", "scikit-learn", "torchmetrics", "skorch", "lightning", "matplotlib", "jupyterlab")
print(environment(*packages), flush=True)
for name in sys.argv[1:] or QUICK:
    import_module(f"benchmarks.{name}").main()
