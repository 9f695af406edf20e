"""Day 5 as a learner sees it: the notebook, the chain with the numbers made by hand, a net that learns, an exercise."""

import re

import pytest
from learner import run_all, scroll_to
from playwright.sync_api import expect

from tools.jupyterlab import open_notebook

NAME = "day5_attention.ipynb"


@pytest.mark.slow
def test_a_learner_runs_all_of_day_5_cools_the_chain_and_trains_four_heads(page, lab, screenshots):
    open_notebook(page, lab, NAME)
    notebook = run_all(page, lab.folder / NAME)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    assert [output for output in outputs if output.output_type == "error"] == []
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 13  # three of them of the labs

    # The chain has the numbers of the notebook; cold, 猫 looks at 追 and 跑 alone.
    cell = page.locator(".jp-CodeCell", has_text="chain = labs.AttentionLab").last
    scroll_to(cell)
    chain = cell.locator(".lk-attention")
    weights = chain.locator(".weights [role=gridcell]")
    expect(weights).to_have_count(16)
    expect(chain.get_by_role("gridcell", name="weights, 猫, 追: 0.37")).to_be_visible()
    temperature = chain.get_by_role("slider", name="temperature", exact=True)
    temperature.focus()
    page.keyboard.press("Home")
    expect(chain.get_by_role("gridcell", name="weights, 猫, 追: 0.50")).to_be_visible()
    cell.screenshot(path=screenshots / "day5_chain.png")

    # The net of the lab has learned; with four heads it begins anew.
    cell = page.locator(".jp-CodeCell", has_text="learner = labs.TransformerLab").last
    scroll_to(cell)
    expect(cell.locator(".lk-example")).to_contain_text("says 9 5 1 4 1 3 (6 of 6)")
    cell.get_by_label("heads").select_option("4")
    expect(cell.locator(".lk-heads table")).to_have_count(4)
    expect(cell.locator(".lk-state")).to_contain_text(re.compile(r"step [1-9]"))
    cell.get_by_role("button", name="Pause").click()
    cell.screenshot(path=screenshots / "day5_learner.png")

    # An exercise that is open asks.
    cell = page.locator(".jp-CodeCell", has_text="my_attend").last
    scroll_to(cell)
    expect(cell.locator(".jp-OutputArea")).to_contain_text("First, predict: Three keys are the same vector")
