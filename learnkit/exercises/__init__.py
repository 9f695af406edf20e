"""Checks for the "your turn" cells: predict the answer, then write a function."""
