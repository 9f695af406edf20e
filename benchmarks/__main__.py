"""Run the benchmarks that are named, or all of them."""

import sys
from importlib import import_module

for name in sys.argv[1:] or ("training", "metrics", "attention", "recurrent", "studies", "labs", "imports"):
    import_module(f"benchmarks.{name}").main()
