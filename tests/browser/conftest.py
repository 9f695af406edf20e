"""Fixtures for the browser tests: a JupyterLab with copies of the notebooks, and a page of Chromium for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from learnkit.cli.process import is_ci
from tools.jupyterlab import CHROMIUM_NAMES, JupyterLab, find_chromium, launch_chromium, start_jupyterlab
from tools.notebook_definitions import NOTEBOOKS

PATIENCE = 90_000  # milliseconds until a condition must hold, on a machine that is busy with other things
expect.set_options(timeout=PATIENCE)
SCREENSHOTS = Path(__file__).parent / "screenshots"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        names = ", ".join(CHROMIUM_NAMES)
        if is_ci():
            pytest.fail(f"None of {names} is installed, and in CI the browser tests must not be skipped.")
        pytest.skip(f"needs one of {names}")
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright, program)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    """JupyterLab as `course.py lab` starts it, on copies of the notebooks in a folder of its own."""
    folder = tmp_path_factory.mktemp("我的 notebooks")
    for notebook in NOTEBOOKS.glob("*.ipynb"):
        shutil.copy(notebook, folder)
    with start_jupyterlab(tmp_path_factory.mktemp("jupyter"), folder) as running:
        yield running


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The folder of screenshots that a person can look at afterwards."""
    SCREENSHOTS.mkdir(exist_ok=True)
    return SCREENSHOTS


@pytest.fixture
def page(chromium: Browser, screenshots: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page with a browser profile of its own; a screenshot of it is kept at the end of the test."""
    context = chromium.new_context(viewport={"width": 1000, "height": 1400})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    page.screenshot(path=screenshots / f"{request.node.name}.png")
    for dialog in page.locator(".jp-Dialog").all_inner_texts():
        print(f"JupyterLab showed a dialog at the end of the test: {dialog}")  # which pytest shows if the test failed
    context.close()
