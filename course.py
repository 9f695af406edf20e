#!/usr/bin/env python3
"""The one way in, the same on Linux, macOS and Windows:

    python course.py lab               start JupyterLab on Day 1, on copies of the notebooks in my/
    python course.py lab day3          the same, on another day
    python course.py reset day1        a fresh copy; the one you changed is kept beside it
    python course.py test              all tests; with --fast those without notebooks and browser
    python course.py doctor            why there is no GPU, or why an import fails

    python course.py install           only install (lab and test do it by themselves); --cpu without CUDA's 5 GB
    python course.py notebooks         run all notebooks and save them with their outputs
    python course.py studies           repeat the long trainings whose tables are kept in learnkit/stored
    python course.py mutants           break the library on purpose, place by place, and see which test notices
    python course.py bench             compare speeds with other libraries

Everything is installed into .venv beside this file, unless the Python that you start this with has learnkit already, as
in a conda environment made from environment.yml. What follows `lab` or `test` is handed on to JupyterLab or pytest.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
NOTEBOOKS = HERE / "notebooks"
MY = HERE / "my"
OLDEST_PYTHON = (3, 10)
ONE_SETTING = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "2"}  # in which what is kept in the repository is made


class Refusal(Exception):
    """What cannot be done, in words for the person who asked for it."""


# ---------------------------------------------------------------- the environment


def course_python() -> Path:
    """The Python that has learnkit, or will have it: the one that runs this, if it does; else that of .venv."""
    if is_installed_for_this_python():
        return Path(sys.executable)
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_installed_for_this_python() -> bool:
    """Whether the Python that runs this has learnkit from this folder, without .venv, of which `install` takes care."""
    if Path(sys.prefix).resolve() == VENV:
        return False
    try:
        origin = json.loads(metadata.distribution("learnkit").read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        return False
    return origin.get("url") == HERE.as_uri()


def install(extras: set[str], *, cpu: bool = False, constrained: bool = False) -> None:
    """Bring what the extras need into .venv, if it is not there yet. Without network, if it is."""
    if is_installed_for_this_python():
        return
    state = fingerprint(constrained)
    installed = read_json(VENV / "learnkit.json")
    if installed.get("state") == state and extras <= set(installed["extras"]):
        return
    check_writable()
    python = str(course_python())
    if not has_pip(python):
        make_venv()
    say(f"Installing into {VENV}. PyTorch is large; a first time takes some minutes.")
    wanted = f"{HERE}[{','.join(sorted(extras))}]"
    constraints = ["--constraint", str(HERE / "constraints.txt")] if constrained else []
    if cpu:
        run([python, "-m", "pip", "install", "--disable-pip-version-check", "uv"])
        command = [python, "-m", "uv", "pip", "install", "--python", python, "--torch-backend", "cpu"]
    else:
        # Whoever watches wants to see it move; a log need not hold a line for each package.
        loudness = [] if sys.stdout.isatty() else ["--quiet"]
        command = [python, "-m", "pip", "install", "--disable-pip-version-check", *loudness]
    if run([*command, *constraints, "--editable", wanted], check=False) != 0:
        raise Refusal(
            "The installation did not come to its end; above stands why. Without a network, or with a full disk, mend "
            "that and start again: what is there already is kept. If a package is not to be had for Python "
            f"{sys.version_info.major}.{sys.version_info.minor}, start this with another Python."
        )
    (VENV / "learnkit.json").write_text(json.dumps({"state": state, "extras": sorted(extras)}))


def has_pip(python: str) -> bool:
    """False, too, for a .venv that was left half made."""
    try:
        return subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def make_venv() -> None:
    if run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=False) != 0:
        raise Refusal(
            "This Python cannot make a virtual environment. On Debian and Ubuntu its part for that is a package of its "
            "own: sudo apt install python3-venv. Without root rights, uv brings a Python along: uv venv --seed .venv"
        )


def fingerprint(constrained: bool) -> str:
    """What the installation depends on: if any of it changes, or the folder moves, it is made again."""
    parts = [str(HERE), (HERE / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.")[0]]
    if constrained:
        parts.append((HERE / "constraints.txt").read_text(encoding="utf-8"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def check_writable() -> None:
    try:
        tempfile.TemporaryFile(dir=HERE).close()
    except OSError as error:
        raise Refusal(
            f"{HERE} cannot be written to, so that neither .venv (the packages) nor my/ (your copies of the notebooks) "
            "can be made in it. Copy the folder to a place of your own and start there. What can be done here is to "
            "read the notebooks, and, with a Python that has learnkit, to run: python course.py test --fast"
        ) from error


def environment() -> dict[str, str]:
    """UTF-8 everywhere, whatever the system's own encoding, and JupyterLab without its pop-up about news."""
    settings = os.pathsep.join(filter(None, [str(HERE / "jupyter"), os.environ.get("JUPYTER_CONFIG_PATH")]))
    return {**os.environ, "PYTHONUTF8": "1", "JUPYTER_CONFIG_PATH": settings}


def run(command: list[str], *, check: bool = True, **more: str) -> int:
    """Run a command in this folder to its end. A Ctrl-C is for the command, which hears it too."""
    process = subprocess.Popen(command, cwd=HERE, env={**environment(), **more})
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            continue
    if check and code != 0:
        raise SystemExit(code)
    return code


# ---------------------------------------------------------------- the learner's copies


def copy_notebooks() -> None:
    """Copy each notebook into my/ once; a newer original replaces an unchanged copy and comes beside a changed one.

    my/.copied remembers, for every file that was put there, its content at that time.
    """
    check_writable()
    MY.mkdir(exist_ok=True)
    copied = read_json(MY / ".copied")
    for original in sorted(NOTEBOOKS.glob("*.ipynb")):
        copies = [MY / original.name, *sorted(MY.glob(f"{original.stem}.new*.ipynb"))]
        if not copies[0].exists():
            put(original, original.name, copied)
        elif any(digest(original) in (copied.get(copy.name), digest(copy)) for copy in copies):
            continue
        else:
            unchanged = [copy.name for copy in copies if digest(copy) == copied.get(copy.name)]
            target = unchanged[0] if unchanged else free_name(original.stem, "new")
            put(original, target, copied)
            say(f"There is a newer {original.name}: it is now my/{target}. What you changed is as you left it.")


def reset(day: str) -> None:
    """A fresh copy of a day's notebook; the present one is kept under another name."""
    original = notebook_of(day)
    check_writable()
    MY.mkdir(exist_ok=True)
    mine, copied = MY / original.name, read_json(MY / ".copied")
    if mine.exists() and digest(mine) != digest(original):
        kept = free_name(original.stem, "old")
        mine.rename(MY / kept)
        say(f"What you had is now my/{kept}")
    put(original, original.name, copied)
    say(f"my/{original.name} is fresh.")


def put(original: Path, target: str, copied: dict[str, str]) -> None:
    shutil.copyfile(original, MY / target)
    copied[target] = digest(original)
    (MY / ".copied").write_text(json.dumps(copied, indent=1))


def free_name(stem: str, word: str) -> str:
    names = [f"{stem}.{word}.ipynb", *(f"{stem}.{word}{number}.ipynb" for number in range(2, 1000))]
    return next(name for name in names if not (MY / name).exists())


def notebook_of(day: str) -> Path:
    """The notebook that ``day1``, ``1`` or its whole name means."""
    notebooks = sorted(NOTEBOOKS.glob("*.ipynb"))
    for notebook in notebooks:
        name = notebook.stem.partition("_")[0]
        if day in (name, name.removeprefix("day"), notebook.stem, notebook.name):
            return notebook
    known = ", ".join(notebook.stem.partition("_")[0] for notebook in notebooks)
    raise Refusal(f"There is no notebook called {day!r}. There are: {known}.")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


# ---------------------------------------------------------------- the commands


def lab(words: list[str]) -> int:
    day = words.pop(0) if words and not words[0].startswith("-") else "day1"
    notebook = notebook_of(day)
    install({"lab"})
    copy_notebooks()
    return run([str(course_python()), "-m", "jupyterlab", str(MY / notebook.name), *words], check=False)


def test(words: list[str]) -> int:
    fast = "--fast" in words
    install({"lab", "cluster", "dev"}, constrained=is_ci())
    rooms = ["tests", "--ignore=tests/browser"] if fast else ["tests", "notebooks", "--nbval", "--nbval-current-env"]
    options = [word for word in words if word != "--fast"]
    return run([str(course_python()), "-m", "pytest", *rooms, *options], check=False)


def notebooks(words: list[str]) -> int:
    install({"lab", "dev"}, constrained=True)
    return run([str(course_python()), "-m", "tools.save_notebooks", *words], check=False, **ONE_SETTING)


def studies(words: list[str]) -> int:
    install({"lab", "dev"}, constrained=True)
    return run([str(course_python()), "-m", "tools.save_studies", *words], check=False, **ONE_SETTING)


def mutants(words: list[str]) -> int:
    install({"lab", "dev"}, constrained=is_ci())
    return run([str(course_python()), "-m", "tools.mutants", *words], check=False)


def bench(words: list[str]) -> int:
    install({"lab", "dev"}, constrained=is_ci())
    return run([str(course_python()), "-m", "benchmarks", *words], check=False)


def doctor(words: list[str]) -> int:
    if not course_python().exists():
        raise Refusal("Nothing is installed yet. This does it: python course.py install")
    return run([str(course_python()), "-m", "learnkit.doctor"], check=False)


def main(words: list[str]) -> int:
    command, rest = (words[0], words[1:]) if words else ("help", [])
    if command in ("help", "-h", "--help"):
        print(__doc__)
        return 0
    if command == "install":
        install({"lab"}, cpu="--cpu" in rest)
        say("All is installed. Now: python course.py lab")
        return 0
    if command == "reset":
        if len(rest) != 1:
            raise Refusal("Say which day: python course.py reset day1")
        reset(rest[0])
        return 0
    functions = (lab, test, notebooks, studies, mutants, bench, doctor)
    commands = {function.__name__: function for function in functions}
    if command not in commands:
        raise Refusal(f"There is no command {command!r}. There are: install, reset, {', '.join(commands)}.")
    return commands[command](rest)


def is_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("true", "1")


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    try:
        if sys.version_info < OLDEST_PYTHON:
            raise Refusal(
                f"This course needs Python 3.10 or newer; this is {sys.version.split()[0]} ({sys.executable})."
            )
        sys.exit(main(sys.argv[1:]))
    except Refusal as refusal:
        sys.exit(f"\n{refusal}")
