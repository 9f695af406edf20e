"""Running other programs: in what environment, and how keys and signals reach them."""

import os
import signal
import subprocess

from learnkit.cli import places


def is_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("true", "1")


def environment() -> dict[str, str]:
    """UTF-8 whatever the system's own encoding, JupyterLab without its pop-up about news, and its kernels from here.

    A kernel called python3 in the learner's home would otherwise be preferred to the one of this environment.
    """
    settings = os.pathsep.join(filter(None, [str(places.JUPYTER), os.environ.get("JUPYTER_CONFIG_PATH")]))
    return {
        **os.environ,
        "PYTHONUTF8": "1",
        "JUPYTER_CONFIG_PATH": settings,
        "JUPYTER_PREFER_ENV_PATH": "1",
    }


def only_into_venv() -> dict[str, str]:
    """The environment in which pip installs into .venv and looks for what is installed nowhere else."""
    elsewhere = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH", "PYTHONHOME")
    return {**{name: value for name, value in environment().items() if name not in elsewhere}, "PIP_USER": "0"}


def run(command: list[str], variables: dict[str, str] | None = None) -> int:
    """Run a command in the course's folder to its end, and return its exit status.

    A Ctrl-C is for the command, which hears it too. When this process alone is asked to end, the command is asked.
    """
    process = None

    def pass_on(number: int, _: object) -> None:
        if process:
            process.send_signal(number)

    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    heard = [number for number in signals if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores SIGHUP
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        process = subprocess.Popen(command, cwd=places.FOLDER, env=variables or environment())
        while True:
            try:
                code = process.wait()
                return code if code >= 0 else 128 - code  # as a shell says that a signal has ended it
            except KeyboardInterrupt:
                continue
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
