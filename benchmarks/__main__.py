"""Run the benchmarks that are named, or all of them."""

import sys
from importlib import import_module

from learnkit.errors import unknown

NAMES = ("training", "metrics", "attention", "recurrent", "studies", "labs", "imports")

for name in sys.argv[1:]:
    if name not in NAMES:
        sys.exit(str(unknown("benchmark", name, NAMES)))
for name in sys.argv[1:] or NAMES:
    import_module(f"benchmarks.{name}").main()
