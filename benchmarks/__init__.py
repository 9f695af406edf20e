"""How fast, beside others, in the same run: ``python course.py bench [training metrics attention studies labs …]``."""
