"""Move a slider, and a real network trains. Days 1, 2 and 4."""
