"""What is wrong with this machine, and the command that fixes it.

``python -m learnkit.doctor`` prints all findings. Nothing here imports torch until a function needs it, so the doctor
works where torch cannot be imported.
"""

import json
import platform
import sys
from collections.abc import Iterator
from importlib import import_module, metadata

from learnkit.devices import Diagnosis, choose_device, why_no_gpu

REINSTALL_TORCH = f'"{sys.executable}" -m pip install --force-reinstall torch torchvision'

DISTRIBUTION = "learnkit-course"  # as it is installed; what the package index calls learnkit is somebody else's
STRANGER = (
    "The package learnkit {version} from the package index is installed. It is somebody else's and not this course, "
    "which is called {ours}, and both write into the folder learnkit of this Python."
)
POLICY = (
    "The Jupyter server at {url} sends a content policy under which the labs stay empty: it does not permit blob: as a "
    "source of scripts, from which Jupyter loads the widgets of the anywidget package. Add blob: to {directive} where "
    "the policy is set, which is now: {policy}"
)


def explain_import_error(error: Exception) -> Diagnosis:
    """Why an import failed, judging by the error that it raised."""
    if "torchvision::nms" in str(error):
        return Diagnosis(
            f"torch and torchvision were not built for each other ({_build('torch')} beside {_build('torchvision')}), "
            "so torchvision cannot be imported; install both together, from the same package index.",
            REINSTALL_TORCH,
        )
    if isinstance(error, ModuleNotFoundError) and error.name:
        return Diagnosis(
            f"The package {error.name} is not installed for {sys.executable}.",
            f'"{sys.executable}" -m pip install {error.name.partition(".")[0]}',
        )
    return Diagnosis(f"The import failed with this error: {error}", REINSTALL_TORCH)


def find_stranger() -> Diagnosis | None:
    """What to do about the `learnkit` of the package index, which is not ours; None if it is not installed."""
    try:
        stranger = metadata.distribution("learnkit")
    except metadata.PackageNotFoundError:
        return None
    if stranger.read_text("direct_url.json"):  # from a folder or an address: this course, before it was renamed
        return None
    return Diagnosis(
        STRANGER.format(version=stranger.version, ours=DISTRIBUTION),
        f'"{sys.executable}" -m pip uninstall --yes learnkit\n'
        f'"{sys.executable}" -m pip install --force-reinstall --no-deps {_origin()}',
    )


def _origin() -> str:
    """Where this course was installed from, as pip takes it."""
    try:
        origin = json.loads(metadata.distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        origin = {}
    editable = "--editable " if origin.get("dir_info", {}).get("editable") else ""
    return f'{editable}"{origin.get("url", "PATH OR ADDRESS OF THE COURSE")}"'


def forbidding_policies() -> Iterator[Diagnosis]:
    """What to do about each running Jupyter server with a content policy that keeps widgets out of its pages.

    A policy that somebody between the server and the browser adds, such as a proxy, is not seen here.
    """
    try:
        import requests
        from jupyter_server.serverapp import list_running_servers
    except ImportError:  # learnkit is installed without its extra "lab"
        return
    session = requests.Session()
    session.trust_env = False  # no proxy
    for server in list_running_servers():
        try:
            answer = session.get(f"{server['url']}login", allow_redirects=False, timeout=5)
        except OSError:  # it answers no more, or not over HTTP
            continue
        for policy in answer.headers.get("Content-Security-Policy", "").split(","):
            if directive := directive_without_blob(policy):
                yield Diagnosis(POLICY.format(url=server["url"], directive=directive, policy=policy.strip()))


def directive_without_blob(policy: str) -> str | None:
    """The directive of a content policy that forbids scripts from ``blob:``; None if they are permitted.

    The rules are those of the W3C's Content Security Policy Level 3, section 6.8 (https://www.w3.org/TR/CSP3/).
    """
    parts = [part.split() for part in policy.lower().split(";")]
    for directive in ("script-src-elem", "script-src", "default-src"):  # the first that there is decides
        for part in parts:
            if part[:1] == [directive]:
                return None if "blob:" in part else directive
    return None


def _build(package: str) -> str:
    """A package and its version with its build, such as ``torch 2.13.0+cpu``, without importing it."""
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"no {package}"


def examine() -> str:
    """All findings about this machine, as text."""
    lines = [f"This is Python {platform.python_version()} on {platform.system()}, {sys.executable}."]
    if stranger := find_stranger():
        lines.append(str(stranger))
    for package in ("torch", "torchvision"):
        lines.append(f"There is {_build(package)}.")
        try:
            import_module(package)
        except (ImportError, RuntimeError, OSError) as error:
            return "\n".join([*lines, str(explain_import_error(error))])
    lines.append(f"Networks are trained on: {choose_device()}")
    if diagnosis := why_no_gpu():
        lines.append(str(diagnosis))
    lines += map(str, forbidding_policies())
    return "\n".join(lines)


if __name__ == "__main__":
    print(examine())
