"""What a learner does in JupyterLab."""

import re
import secrets
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, Page, expect


def open_notebook(page: Page, lab, name: str) -> None:
    """Open a notebook in a workspace of its own, where no other stands open, and wait for its kernel."""
    workspace = f"{lab.url}/lab/workspaces/{secrets.token_hex(4)}"
    page.goto(f"{workspace}/tree/{name}?token={lab.token}")
    page.locator(".jp-Notebook").wait_for()
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()


def choose(page: Page, *entries: str) -> None:
    """Go through the menus."""
    for entry in entries:
        label = re.compile(rf"^{re.escape(entry)}$")
        page.locator(".lm-MenuBar-itemLabel, .lm-Menu-itemLabel").filter(has_text=label).click()


def run_all(page: Page, saved: Path) -> nbformat.NotebookNode:
    """Run all cells, beginning without outputs; wait for the last one's number; save, and return what was saved."""
    last_prompt = page.locator(".jp-CodeCell .jp-InputPrompt").last
    choose(page, "Edit", "Clear Outputs of All Cells")
    expect(last_prompt).to_have_text("[ ]:")
    choose(page, "Run", "Run All Cells")
    expect(last_prompt).to_have_text(re.compile(r"^\[\d+\]:$"), timeout=150_000)
    return save(page, saved)


def save(page: Page, saved: Path) -> nbformat.NotebookNode:
    """Save the notebook, and return what was saved: the file may still be being written when the page is content."""
    choose(page, "File", "Save Notebook")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    for _ in range(50):
        try:
            return nbformat.read(saved, as_version=4)
        except nbformat.reader.NotJSONError:
            page.wait_for_timeout(100)
    raise AssertionError(f"{saved} is no notebook, five seconds after it was saved")


def scroll_to(cell: Locator) -> None:
    """Scroll until a cell stays in view: those above it are drawn only on the way, and push it down again."""
    place = None
    while cell.bounding_box() != place:
        place = cell.bounding_box()
        cell.scroll_into_view_if_needed()
        cell.page.wait_for_timeout(300)
