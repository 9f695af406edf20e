"""Where the course is, and where the learner's copies go.

In a checkout both are the folder that course.py is in. The `learnkit` of an installed package has its notebooks within
the package, and makes its copies in the folder where it is started.
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
IS_CHECKOUT = (PACKAGE.parent / "course.py").is_file() and (PACKAGE.parent / "notebooks").is_dir()
FOLDER = PACKAGE.parent if IS_CHECKOUT else Path.cwd()
NOTEBOOKS = FOLDER / "notebooks" if IS_CHECKOUT else PACKAGE / "notebooks"
MY = FOLDER / "my"
VENV = FOLDER / ".venv"
JUPYTER = PACKAGE / "cli" / "jupyter"
PROGRAM = "python course.py" if IS_CHECKOUT else "learnkit"
