"""What a learner does in JupyterLab, and what is wrong with a page."""

import re
import secrets
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from learnkit.cli import process

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
STANDING_OUT = """output => {
  const room = output.getBoundingClientRect()
  return [...output.querySelectorAll(".learnkit-lab *")].filter((part) => {
    const box = part.getBoundingClientRect()
    return box.width > 1 && (box.left < room.left - 1 || box.right > room.right + 1)
  }).map((part) => part.outerHTML.slice(0, 100))
}"""


def write_notebook(lab, name: str, cells: Sequence[str]) -> str:
    """Put a notebook with these cells into the lab's folder, and return its name."""
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel}
    )
    nbformat.write(notebook, lab.folder / name)
    return name


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


def choose_theme(page: Page, theme: str) -> None:
    """Light or Dark, and wait until it is there."""
    choose(page, "Settings", "Theme", f"JupyterLab {theme}")
    expect(page.locator(f"body[data-jp-theme-name='JupyterLab {theme}']")).to_be_attached()
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)


def standing_out(output: Locator) -> list[str]:
    """What of a lab stands out of its cell's output, to the left or to the right."""
    return output.evaluate(STANDING_OUT)


def no_violations(page: Page) -> None:
    """Nothing in the outputs that would keep a person from reading or using them, as far as axe-core can tell."""
    if not AXE.exists():
        if process.is_ci():
            pytest.fail("axe-core is not installed, and in CI its check may not be left out.")
        pytest.skip("needs axe-core: npm install --prefix tests/browser --no-save axe-core")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    violations = page.evaluate("axe.run('.jp-OutputArea').then(result => result.violations)")
    assert [(found["id"], found["nodes"][0]["html"]) for found in violations if found["impact"] != "minor"] == []


def scroll_to(cell: Locator) -> None:
    """Scroll until a cell stays in view: those above it are drawn only on the way, and push it down again."""
    place = None
    while cell.bounding_box() != place:
        place = cell.bounding_box()
        cell.scroll_into_view_if_needed()
        cell.page.wait_for_timeout(300)
