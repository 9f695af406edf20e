"""What a learner does in JupyterLab."""

import re

from playwright.sync_api import Page, expect


def open_notebook(page: Page, lab, name: str) -> None:
    page.goto(f"{lab.url}/lab/tree/{name}?token={lab.token}")
    page.locator(".jp-Notebook").wait_for()
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()


def choose(page: Page, *entries: str) -> None:
    """Go through the menus."""
    for entry in entries:
        label = re.compile(rf"^{re.escape(entry)}$")
        page.locator(".lm-MenuBar-itemLabel, .lm-Menu-itemLabel").filter(has_text=label).click()


def run_all(page: Page) -> None:
    """Run all cells, and wait until the last one has run: its prompt is a star while it waits, then a number."""
    choose(page, "Run", "Run All Cells")
    last_prompt = page.locator(".jp-CodeCell .jp-InputPrompt").last
    expect(last_prompt).to_have_text("[*]:")
    expect(last_prompt).to_have_text(re.compile(r"^\[\d+\]:$"), timeout=150_000)
