"""Notebooks are checked by more than nbval's letters, wherever the tests are started from."""

import sys

# Where nbval is switched off, since it takes seconds to import, so is what stands on it.
pytest_plugins = [] if "no:nbval" in sys.argv else ["tools.nbval_plugin"]
