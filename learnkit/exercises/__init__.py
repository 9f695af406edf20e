"""Checks for the "your turn" cells: say what you expect, then write a function."""
