"""The packages that the course needs: .venv in a checkout, and the Python that runs this everywhere else."""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from learnkit.cli import places, process
from learnkit.cli.command import Command, CourseError, say
from learnkit.cli.files import check_writable, read_dict

INSTALL = "Install everything that the course needs into .venv; `lab` and `test` do it by themselves."
INSTALL_MORE = (
    "Nothing is installed if the Python that you start this with has learnkit from this folder already, as in a conda "
    "environment made from environment.yml."
)
CPU = "take PyTorch without CUDA, which saves about 5 GB of disk on Linux"
DOCTOR = "Say why no GPU is used, an import fails or labs stay empty, and what to do about it."

INSTALLING = "Installing into {venv}. PyTorch is large; a first time takes some minutes."
ALL_INSTALLED = "Everything is installed. Start the course with: {program} lab"
NOT_INSTALLED = "Nothing is installed yet. Install it with: {program} install"
INSTALL_FAILED = (
    "The installation was not finished; the reason is above. If it is the network or a full disk, fix that and start "
    "again: what has been installed is kept. If a package is not available for Python {version}, start this with "
    "another Python. On a Mac with an Intel processor no Python helps: PyTorch ended its support for them at 2.2, and "
    "the course needs 2.5."
)
IMPORTS_FAILED = (
    "Everything was installed, and {python} still cannot import what the course needs: {reason}\n"
    "To find the reason and a remedy, run: {program} doctor\n"
    "If it names none, look for `target` or `prefix` in a pip.conf, which send packages elsewhere ({python} -m pip "
    "config list shows them); then delete {venv} and start again."
)
NO_VENV_MODULE = (
    "This Python ({python}) cannot make a virtual environment, since its module ensurepip is missing. On Debian and "
    "Ubuntu it is a package of its own: sudo apt install python3-venv. Without root rights, uv brings a Python along: "
    "uv venv --seed .venv"
)
VENV_FAILED = (
    "Python could not make the virtual environment {venv}; what it said is above. A path with {separator!r} in it, a "
    "full disk or a link that leads nowhere can be the reason. Fix that and start again."
)
FOREIGN_VENV = (
    "{venv} is there, was not made by this course, and its Python does not start, so nothing can be installed into it. "
    "Nothing in it was changed. Rename or delete it and start again, and a new one is made."
)

DISTRIBUTION = "learnkit-course"  # the one called learnkit on the package index is somebody else's
IMPORTS = {  # what shows, by being found, that an extra is there
    "lab": ("torch", "torchvision", "jupyterlab", "anywidget"),
    "cluster": ("distributed",),
    "dev": ("pytest", "nbval", "xdist", "hypothesis"),
}
FIND = (
    "import sys; from importlib.util import find_spec; print(sys.version); "
    "sys.exit(any(find_spec(name) is None for name in sys.argv[1:]))"
)
IMPORT = "import sys; from importlib import import_module; [import_module(name) for name in sys.argv[1:]]"


# ---------------------------------------------------------------- the commands


def install_command(arguments: argparse.Namespace) -> int:
    install({"lab"}, cpu=arguments.cpu)
    say(ALL_INSTALLED.format(program=places.PROGRAM))
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    if not course_python().exists():
        raise CourseError(NOT_INSTALLED.format(program=places.PROGRAM))
    return process.run([str(course_python()), "-m", "learnkit.doctor"])


# ---------------------------------------------------------------- which Python


def course_python() -> Path:
    """The Python that has learnkit, or will have it: the one that runs this, if it does; else that of .venv."""
    if is_installed_for_this_python():
        return Path(sys.executable)
    return places.VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_installed_for_this_python() -> bool:
    """Whether the Python that runs this has learnkit, outside of a checkout's .venv, of which `install` takes care."""
    if not places.IS_CHECKOUT:
        return True
    if Path(sys.prefix).resolve() == places.VENV:
        return False
    try:
        origin = json.loads(metadata.distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        return False
    return origin.get("url") == places.FOLDER.as_uri()


def look(program: str, names: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str] | None:
    """What the course's Python answers to a small program; None if it does not start."""
    command = [str(course_python()), "-c", program, *names]
    try:
        return subprocess.run(
            command, cwd=places.FOLDER, env=process.only_into_venv(), capture_output=True, encoding="utf-8", check=False
        )
    except OSError:
        return None


# ---------------------------------------------------------------- installing


def install(extras: set[str], *, cpu: bool = False, constrained: bool = False) -> None:
    """Bring what the extras need into .venv, if it is not there yet. Without network, if it is.

    Raises
    ------
    CourseError
        If that is not possible.
    """
    if is_installed_for_this_python() or is_ready(extras, constrained):
        return
    check_writable()
    if not has_pip():
        make_venv()
    say(INSTALLING.format(venv=places.VENV))
    python = str(course_python())
    wanted = f"{places.FOLDER}[{','.join(sorted(extras))}]"
    constraints = ["--constraint", str(places.FOLDER / "constraints.txt")] if constrained else []
    # Whoever watches wants to see it move; a log need not hold a line for each package.
    loudness = [] if sys.stdout.isatty() else ["--quiet"]
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", *loudness]
    if cpu:
        run_installer([*pip, "uv"])
        pip = [python, "-m", "uv", "pip", "install", "--python", python, "--torch-backend", "cpu"]
    run_installer([*pip, *constraints, "--editable", wanted])
    tried = look(IMPORT, imports_of(extras))
    if tried is None or tried.returncode != 0:
        reason = "".join(tried.stderr.strip().splitlines()[-1:]) if tried else ""
        fields = {"python": python, "reason": reason, "program": places.PROGRAM, "venv": places.VENV}
        raise CourseError(IMPORTS_FAILED.format(**fields))
    write_record(state=fingerprint(constrained), extras=sorted(extras))


def write_record(**entries: object) -> None:
    """Add to what .venv records of itself."""
    path = places.VENV / "learnkit.json"
    path.write_text(json.dumps(read_dict(path) | entries), encoding="utf-8")


def run_installer(command: list[str]) -> None:
    if process.run(command, process.only_into_venv()) != 0:
        raise CourseError(INSTALL_FAILED.format(version=f"{sys.version_info.major}.{sys.version_info.minor}"))


def is_ready(extras: set[str], constrained: bool) -> bool:
    """Whether .venv has what the extras need, by what is recorded and by what its Python finds."""
    recorded = read_dict(places.VENV / "learnkit.json")
    suitable = {fingerprint(constrained=True), fingerprint(constrained)}  # exact versions suit whoever asks for any
    if not extras <= set(recorded.get("extras", ())) or recorded.get("state") not in suitable:
        return False
    found = look(FIND, imports_of(extras))
    return found is not None and found.returncode == 0


def imports_of(extras: set[str]) -> tuple[str, ...]:
    return tuple(name for extra in sorted(extras) for name in IMPORTS[extra])


def fingerprint(constrained: bool) -> str:
    """What the installation depends on: if any of it changes, or the folder moves, it is made again."""
    found = look(FIND)
    version = found.stdout if found else ""
    project = (places.FOLDER / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.")[0]
    parts = [str(places.FOLDER), version, project]
    if constrained:
        parts.append((places.FOLDER / "constraints.txt").read_text(encoding="utf-8"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def has_pip() -> bool:
    """False, too, for a .venv that was left half made."""
    tried = look(IMPORT, ("pip._internal.commands.install",))
    return tried is not None and tried.returncode == 0


def make_venv() -> None:
    """Make .venv, or give pip to one that has none. What somebody else has made is never deleted."""
    ours = not places.VENV.exists() or read_dict(places.VENV / "learnkit.json").get("made_by_course", False)
    if not ours:
        if look(FIND) is None:
            raise CourseError(FOREIGN_VENV.format(venv=places.VENV))
        command = [str(course_python()), "-m", "ensurepip"]
    elif find_spec("ensurepip") is None:
        raise CourseError(NO_VENV_MODULE.format(python=sys.executable))
    else:
        shutil.rmtree(places.VENV, ignore_errors=True)
        places.VENV.mkdir(exist_ok=True)
        write_record(made_by_course=True)  # at once, in case that this is interrupted
        command = [sys.executable, "-m", "venv", str(places.VENV)]
    if process.run(command, process.only_into_venv()) != 0:
        raise CourseError(VENV_FAILED.format(venv=places.VENV, separator=os.pathsep))


COMMANDS = (
    Command(
        "install",
        install_command,
        INSTALL,
        {"--cpu": {"action": "store_true", "help": CPU}},
        INSTALL_MORE,
        needs_checkout=True,
    ),
    Command("doctor", doctor, DOCTOR),
)
