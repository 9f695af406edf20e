"""What `python course.py` and, from an installed package, `learnkit` can do, with the standard library alone.

A command is a function and a line in the `COMMANDS` of its module.
"""
