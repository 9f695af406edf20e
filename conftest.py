"""Load the plugin for notebooks, by its hooks, since within a larger repository pytest allows no ``pytest_plugins``."""

from tools.nbval_plugin import pytest_addoption, pytest_collect_file, pytest_terminal_summary  # noqa: F401
