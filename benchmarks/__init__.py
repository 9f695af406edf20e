"""Speed, mostly beside that of other libraries in the same run: ``python course.py bench [training metrics …]``."""
