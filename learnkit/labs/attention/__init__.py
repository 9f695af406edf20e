"""A sentence, and how each of its words gathers from the others, number by number. Day 5."""
