"""Run the benchmarks that are named, or all of them."""

import sys
from importlib import import_module

from benchmarks.measure import print_environment

print_environment("torch", "numpy", "scikit-learn", "torchmetrics", "skorch", "lightning", "matplotlib", "jupyterlab")
for name in sys.argv[1:] or ("training", "metrics", "attention", "recurrent", "studies", "labs", "imports"):
    import_module(f"benchmarks.{name}").main()
