"""Attention, seen while it is learnt: a tiny transformer says digits backwards, as they are, or in order. Day 5."""
