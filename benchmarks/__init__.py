"""Speed compared with other libraries, in the same run: ``python course.py bench [training metrics attention …]``."""
