"""What a learner does in JupyterLab, and checks of the page that the learner sees."""

import re
import time
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from learnkit.cli.process import is_ci
from tools.jupyterlab import choose

AXE = Path(__file__).parent.parent.parent / "node_modules" / "axe-core" / "axe.min.js"
OVERFLOWING = """output => {
  const edges = output.getBoundingClientRect()
  return [...output.querySelectorAll(".lk-lab *")].filter((part) => {
    const box = part.getBoundingClientRect()
    return box.width > 1 && (box.left < edges.left - 1 || box.right > edges.right + 1)
  }).map((part) => part.outerHTML.slice(0, 100))
}"""


def run_all(page: Page, saved: Path) -> nbformat.NotebookNode:
    """Clear all outputs, run all cells, wait until the last one has its number, save, and return what was saved."""
    last_prompt = page.locator(".jp-CodeCell .jp-InputPrompt").last
    choose(page, "Edit", "Clear Outputs of All Cells")
    expect(last_prompt).to_have_text("[ ]:")
    choose(page, "Run", "Run All Cells")
    expect(last_prompt).to_have_text(re.compile(r"^\[\d+\]:$"), timeout=300_000)
    return save(page, saved)


def save(page: Page, saved: Path) -> nbformat.NotebookNode:
    """Save the notebook and return what was saved.

    An output that arrives just after it was saved has to be saved, too; and the page may call the notebook saved while
    the file is still being written."""
    saving_ends = time.monotonic() + 90
    while True:
        choose(page, "File", "Save Notebook")
        try:
            expect(page.locator(".jp-mod-dirty")).to_have_count(0, timeout=3_000)
            break
        except AssertionError:
            if time.monotonic() > saving_ends:
                raise
    for _ in range(50):
        try:
            return nbformat.read(saved, as_version=4)
        except nbformat.reader.NotJSONError:
            page.wait_for_timeout(100)
    raise AssertionError(f"{saved} was not a valid notebook five seconds after it was saved.")


def choose_theme(page: Page, theme: str) -> None:
    """Choose the theme Light or Dark, and wait until it is applied."""
    choose(page, "Settings", "Theme", f"JupyterLab {theme}")
    expect(page.locator(f"body[data-jp-theme-name='JupyterLab {theme}']")).to_be_attached()
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)


def overflowing(output: Locator) -> list[str]:
    """The parts of a lab that reach beyond its cell's output, to the left or to the right."""
    return output.evaluate(OVERFLOWING)


def no_violations(page: Page) -> None:
    """Assert that axe-core finds nothing in the outputs that would keep a person from reading or using them."""
    if not AXE.exists():
        if is_ci():
            pytest.fail("axe-core is not installed, and in CI its check must not be skipped.")
        pytest.skip("needs axe-core: npm ci --ignore-scripts")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    violations = page.evaluate("axe.run('.jp-OutputArea').then(result => result.violations)")
    assert [(found["id"], found["nodes"][0]["html"]) for found in violations if found["impact"] != "minor"] == []


def scroll_to(cell: Locator) -> None:
    """Scroll until a cell stays in view: cells above it are drawn only on the way, and push it down again."""
    place = None
    while cell.bounding_box() != place:
        place = cell.bounding_box()
        cell.scroll_into_view_if_needed()
        cell.page.wait_for_timeout(300)
