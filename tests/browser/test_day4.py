"""Day 4 as a learner sees it: the slider over the rows of an image, and the board of sliders with a recurrent net.

They are the notebook's own cells; only its long training is a short one here.
"""

import re

import nbformat
import pytest
from learner import run_all, scroll_to
from playwright.sync_api import expect

from tools.jupyterlab import open_notebook
from tools.notebook_definitions import NOTEBOOKS

DAY = "day4_rnn_vectorised.ipynb"
NAME = "day4_short.ipynb"
CELLS = (
    "setup",
    "train-run",
    "knows-readout",
    "knows-probe",
    "bend-draw",
    "bend-def",
    "bend-after",
    "bend-sliders",
    "turn-sliders",
)
SHORT = """digits = data.load("mnist", validation=10_000)
net = models.ElmanRNN(28, 128, 10)
for _ in zip(range(200), training.Training(net, digits, optimizer="adam", learning_rate=2e-3, device="cpu")):
    pass"""


@pytest.mark.slow
def test_a_learner_moves_through_the_rows_of_an_image_and_trains_recurrent_nets(page, lab, screenshots):
    notebook = nbformat.read(NOTEBOOKS / DAY, as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    cells["train-run"].source = SHORT
    notebook.cells = [cells[name] for name in CELLS]
    nbformat.write(notebook, lab.folder / NAME)
    open_notebook(page, lab, NAME)
    saved = run_all(page, lab.folder / NAME)
    outputs = [output for cell in saved.cells for output in cell.outputs]
    assert [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"] == []

    # A key moves on by a row, and the picture is another; a click, and it is of the learner's own drawing.
    rows = page.locator(".jp-Cell", has_text="widgets.interact(").last
    scroll_to(rows)
    picture = rows.locator(".jp-OutputArea img")
    before = picture.get_attribute("src")
    rows.locator(".noUi-handle").nth(1).focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(rows.locator(".widget-readout").nth(1)).to_have_text("21")
    expect(picture).not_to_have_attribute("src", before)
    last = None
    while (before := picture.get_attribute("src")) != last:  # until all three are drawn
        last = before
        page.wait_for_timeout(1000)
    rows.get_by_label("my drawing").check()
    expect(picture).not_to_have_attribute("src", before)
    rows.screenshot(path=screenshots / "day4_rows.png")

    # The board: a key on the slider of the state's size, and another net trains to its end.
    board = page.locator(".jp-Cell", has_text="labs.TrainingLab(").last
    scroll_to(board)
    status = board.locator(".lk-state")
    expect(status).to_contain_text("ended")
    board.get_by_role("slider", name="hidden size", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    expect(status).to_contain_text("training: epoch")
    expect(board.locator(".lk-net")).to_contain_text("24")
    expect(status).to_contain_text("ended")
    expect(status).to_contain_text(re.compile(r"accuracy 0\.[5-9]"))
    board.screenshot(path=screenshots / "day4_board.png")
