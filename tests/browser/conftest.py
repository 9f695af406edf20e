"""A real JupyterLab on loopback, and a real Chromium that looks at it."""

import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from learnkit.cli import places, process

SCREENSHOTS = Path(__file__).parent / "screenshots"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        if process.is_ci():
            pytest.fail(f"None of {', '.join(names)} is installed, and in CI the browser tests may not be skipped.")
        pytest.skip(f"needs one of {', '.join(names)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: where it answers, and the folder that it shows."""

    url: str
    token: str
    folder: Path


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab as `course.py lab` starts it, on copies in a folder of its own and with nobody's settings."""
    folder = tmp_path_factory.mktemp("我的 notebooks")
    for notebook in places.NOTEBOOKS.glob("*.ipynb"):
        shutil.copy(notebook, folder)
    with jupyterlab(tmp_path_factory.mktemp("jupyter"), folder) as running:
        yield running


@contextmanager
def jupyterlab(home: Path, folder: Path) -> Iterator[Lab]:
    """JupyterLab with its settings in one folder, showing another."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    settings = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, env={**process.environment(), **settings}, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_it_answers(f"{url}/api?token={token}", server, home / "log")
        yield Lab(url, token, folder)
    finally:
        server.terminate()
        server.wait(timeout=30)


def wait_until_it_answers(url: str, server: subprocess.Popen, log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    pytest.fail(f"JupyterLab did not answer at {url}:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The folder of pictures that a person can look at afterwards."""
    SCREENSHOTS.mkdir(exist_ok=True)
    return SCREENSHOTS


@pytest.fixture
def page(chromium: Browser, screenshots: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of an own browser profile; what it looked like at the end is kept as a screenshot."""
    context = chromium.new_context(viewport={"width": 1000, "height": 1400})
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    page.screenshot(path=screenshots / f"{request.node.name}.png")
    context.close()
