"""A real JupyterLab on the loopback address and a real Chromium, for the browser tests and the benchmarks."""

import json
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, Page, Playwright

from learnkit.cli.process import environment

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy knows nothing of our 127.0.0.1
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class JupyterLab:
    """A running JupyterLab: the address at which it answers, and the folder that it shows."""

    url: str
    token: str
    folder: Path

    def request(self, place: str, method: str = "GET") -> Any:
        """What Jupyter's REST interface answers at a place such as ``"kernels"``."""
        request = urllib.request.Request(f"{self.url}/api/{place}?token={self.token}", method=method)
        with DIRECT.open(request, timeout=30) as answer:
            return json.loads(answer.read() or "null")


@contextmanager
def start_jupyterlab(settings: Path, folder: Path) -> Iterator[JupyterLab]:
    """JupyterLab as the course starts it, without the user's own settings.

    Parameters
    ----------
    settings
        The folder for its settings and its log.
    folder
        The folder that it shows.

    Raises
    ------
    RuntimeError
        If it does not answer within a minute; the message has the end of its log.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    folders = {f"JUPYTER_{kind}_DIR": str(settings / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    with (settings / "log").open("w") as log:
        server = subprocess.Popen(command, env={**environment(), **folders}, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(f"{url}/api?token={token}", server, settings / "log")
        yield JupyterLab(url, token, folder)
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait_until_ready(url: str, server: subprocess.Popen, log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            DIRECT.open(url, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not answer at {url}:\n{log.read_text()[-3000:]}")


def find_chromium() -> str | None:
    """The path of the system's Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def launch_chromium(playwright: Playwright, program: str | None) -> Browser:
    """A headless Chromium that contacts nobody by itself."""
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    return playwright.chromium.launch(executable_path=program, args=arguments)


def write_notebook(lab: JupyterLab, name: str, cells: Sequence[str]) -> str:
    """Write a notebook with these code cells into the folder of a JupyterLab, and return its name."""
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel}
    )
    nbformat.write(notebook, lab.folder / name)
    return name


def open_notebook(page: Page, lab: JupyterLab, name: str) -> None:
    """Open a notebook alone in a new workspace, and wait until its kernel is idle."""
    workspace = f"{lab.url}/lab/workspaces/{secrets.token_hex(4)}"
    page.goto(f"{workspace}/tree/{name}?token={lab.token}")
    page.locator(".jp-Notebook").wait_for()
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    wait_for_kernel(page, lab, name)


def wait_for_kernel(page: Page, lab: JupyterLab, name: str) -> None:
    """Wait until the page is connected to a notebook's kernel: it calls the kernel idle before there is one.

    Raises
    ------
    TimeoutError
        If that takes more than 90 seconds.
    """
    for _ in range(450):
        kernels = [session["kernel"] for session in lab.request("sessions") if session["path"] == name]
        if any(kernel["connections"] and kernel["execution_state"] == "idle" for kernel in kernels):
            return
        page.wait_for_timeout(200)
    raise TimeoutError(f"After 90 seconds, {name} has no kernel that is connected to the page and idle.")


def choose(page: Page, *entries: str) -> None:
    """Click through JupyterLab's menus, for instance ``choose(page, "File", "Save Notebook")``."""
    for entry in entries:
        label = re.compile(rf"^{re.escape(entry)}$")
        page.locator(".lm-MenuBar-itemLabel, .lm-Menu-itemLabel").filter(has_text=label).click()
