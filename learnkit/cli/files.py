"""Files of the course's folder."""

import hashlib
import json
import tempfile
from pathlib import Path

from learnkit.cli import places
from learnkit.cli.command import CourseError

READ_ONLY_CHECKOUT = (
    "{folder} cannot be written to, so that neither .venv (the packages) nor my/ (your copies of the notebooks) can be "
    "made in it. Copy the folder to a place of your own and start there. What can be done here is to read the "
    "notebooks, and, with a Python that has learnkit, to run: python course.py test --fast"
)
READ_ONLY_FOLDER = (
    "{folder} cannot be written to, so that my/ (your copies of the notebooks) cannot be made in it. Change to a "
    "folder of your own and start there."
)


def check_writable() -> None:
    """Raise a CourseError if no file can be made in the course's folder."""
    try:
        tempfile.TemporaryFile(dir=places.FOLDER).close()
    except OSError as error:
        text = READ_ONLY_CHECKOUT if places.IS_CHECKOUT else READ_ONLY_FOLDER
        raise CourseError(text.format(folder=places.FOLDER)) from error


def read_dict(path: Path) -> dict:
    """What a JSON file holds, if it can be read and is a dictionary; else an empty one."""
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return contents if isinstance(contents, dict) else {}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
