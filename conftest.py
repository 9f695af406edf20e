"""Notebooks are checked by more than nbval's letters, wherever the tests are started from."""

pytest_plugins = ["tests.nbval_honest"]
