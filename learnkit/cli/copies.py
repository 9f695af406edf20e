"""The learner's copies of the notebooks in my/, and JupyterLab on them."""

import argparse
import json
import re
import shutil
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from learnkit.cli import environment, places, process
from learnkit.cli.command import Command, CourseError, say
from learnkit.cli.files import check_writable, digest, read_dict
from learnkit.errors import unknown

LAB = "Start JupyterLab on a day's notebook, in your own copies of the notebooks."
LAB_OTHERS = "[-h] [NOTEBOOK] [JupyterLab's options]"
LAB_MORE = (
    "A notebook is named by its day (day2, or 2), by its name, or by the path of your copy; without a name it is "
    "Day 1. Other options are passed on to JupyterLab, for example: {program} lab day2 --no-browser --port 9000"
)
COPY = "Copy the notebooks into my/, without starting JupyterLab."
COPY_MORE = "A copy that you have changed is never written over; a newer notebook is put beside it."
RESET = "Make a fresh copy of a day's notebook; the one that you have changed is kept beside it."
DAY = "the day, for example: day1"

NEWER = "There is a newer {name}: it is now my/{target}. Your own copy, which you have changed, was not touched."
COPIED = "Your copies of the notebooks are in {folder}."
KEPT = "Your changed copy was renamed to my/{name}."
FRESH = "There is a new copy of the notebook: my/{name}."
NO_DAY = "`{program} reset` needs a day, and none was given. For example: {program} reset day1"
TWO_NOTEBOOKS = "`{program} lab` opens one notebook, and was given {first!r} and {second!r}. Give it one of them."
NO_JUPYTERLAB = (
    "JupyterLab is not installed for {python}. Install it together with what the labs need: "
    '"{python}" -m pip install {packages}'
)


# ---------------------------------------------------------------- the commands


def lab(arguments: argparse.Namespace) -> int:
    word, rest = split_off_the_notebook(arguments.rest)
    own = own_notebook(word)
    notebook = own or places.MY / notebook_of(word).name
    environment.install({"lab"})
    python = str(environment.course_python())
    if not places.IS_CHECKOUT and find_spec("jupyterlab") is None:
        raise CourseError(NO_JUPYTERLAB.format(python=python, packages=" ".join(packages_of_the_labs())))
    copy_notebooks()
    # The root is set against another one in the learner's own settings, in which JupyterLab would refuse to start;
    # the address is handed to the browser itself, since some browsers may not open a file in a hidden folder.
    ours = [f"--ServerApp.root_dir={places.MY}", "--ServerApp.use_redirect_file=False"]
    return process.run([python, "-m", "jupyterlab", str(notebook), *ours, *rest])


def copy(arguments: argparse.Namespace) -> int:
    copy_notebooks()
    say(COPIED.format(folder=places.MY))
    return 0


def reset(arguments: argparse.Namespace) -> int:
    """A fresh copy of a day's notebook; the present one is kept under another name."""
    if arguments.day is None:
        raise CourseError(NO_DAY.format(program=places.PROGRAM))
    original = notebook_of(arguments.day)
    check_writable()
    places.MY.mkdir(exist_ok=True)
    mine, copied = places.MY / original.name, read_dict(places.MY / ".copied")
    if mine.exists() and digest(mine) != digest(original):
        kept = free_name(original.stem, "old")
        mine.rename(places.MY / kept)
        say(KEPT.format(name=kept))
    put(original, original.name, copied)
    say(FRESH.format(name=original.name))
    return 0


def packages_of_the_labs() -> list[str]:
    """What the extra `lab` asks for, each in quotation marks, as pip takes it in every shell."""
    requirements = metadata.requires(environment.DISTRIBUTION) or []
    return [f'"{line.partition(";")[0].strip()}"' for line in requirements if re.search(r"extra == .lab.", line)]


# ---------------------------------------------------------------- which notebook


def split_off_the_notebook(words: list[str]) -> tuple[str, list[str]]:
    """The word that names a notebook ("day1" if there is none), and the others, which are JupyterLab's.

    What follows an option is that option's value, as in ``--port 9000 day2``, unless it is called like a notebook, as
    in ``--no-browser day2``.
    """
    found: list[str] = []
    rest: list[str] = []
    before = ""
    for word in words:
        is_value = before.startswith("-") and "=" not in before
        names_a_notebook = re.match(r"day\d|.*\.ipynb$", word.lower()) is not None
        is_option = word.startswith("-")
        (found if not is_option and (names_a_notebook or not is_value) else rest).append(word)
        before = word
    if len(found) > 1:
        raise CourseError(TWO_NOTEBOOKS.format(program=places.PROGRAM, first=found[0], second=found[1]))
    return (found or ["day1"])[0], rest


def own_notebook(word: str) -> Path | None:
    """The notebook in my/ to which a word is the path, as from the folder of the person who typed it, or as in my/."""
    paths = [Path(word).resolve(), places.MY.resolve() / word]
    return next((path for path in paths if path.is_file() and places.MY.resolve() in path.parents), None)


def notebook_of(day: str) -> Path:
    """The notebook that ``day1``, ``1``, its whole name or a path to it means.

    Raises
    ------
    CourseError
        If there is none.
    """
    notebooks = {short_name(notebook): notebook for notebook in originals()}
    wanted = Path(day).name.lower()
    for name, notebook in notebooks.items():
        if wanted in (name, name.removeprefix("day"), notebook.stem.lower(), notebook.name.lower()):
            return notebook
    raise CourseError(str(unknown("notebook", day, notebooks)))


def short_name(notebook: Path) -> str:
    """``day1`` for a day's notebook; the name of another one, without its ending."""
    return notebook.stem.partition("_")[0] if notebook.stem.startswith("day") else notebook.stem


# ---------------------------------------------------------------- copies


def originals() -> list[Path]:
    return sorted(places.NOTEBOOKS.glob("*.ipynb"))


def copy_notebooks() -> None:
    """Copy each notebook into my/ once; a newer original replaces an unchanged copy and comes beside a changed one.

    my/.copied remembers, for every file that was put there, its content at that time.
    """
    check_writable()
    places.MY.mkdir(exist_ok=True)
    copied = read_dict(places.MY / ".copied")
    for original in originals():
        copies = [places.MY / original.name, *sorted(places.MY.glob(f"{original.stem}.new*.ipynb"))]
        if not copies[0].exists():
            put(original, original.name, copied)
        elif any(digest(original) in (copied.get(copy.name), digest(copy)) for copy in copies):
            continue
        else:
            unchanged = [copy.name for copy in copies if digest(copy) == copied.get(copy.name)]
            target = unchanged[0] if unchanged else free_name(original.stem, "new")
            put(original, target, copied)
            say(NEWER.format(name=original.name, target=target))


def put(original: Path, target: str, copied: dict[str, str]) -> None:
    shutil.copyfile(original, places.MY / target)
    copied[target] = digest(original)
    (places.MY / ".copied").write_text(json.dumps(copied, indent=1), encoding="utf-8")


def free_name(stem: str, word: str) -> str:
    names = [f"{stem}.{word}.ipynb", *(f"{stem}.{word}{number}.ipynb" for number in range(2, 1000))]
    return next(name for name in names if not (places.MY / name).exists())


COMMANDS = (
    Command("lab", lab, LAB, more=LAB_MORE, others=LAB_OTHERS),
    Command("copy", copy, COPY, more=COPY_MORE),
    Command("reset", reset, RESET, {"day": {"nargs": "?", "help": DAY}}),
)
