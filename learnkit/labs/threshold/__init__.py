"""A threshold to drag: which mistakes a detector makes, and what they cost. Day 1."""
