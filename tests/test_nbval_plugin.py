"""Notebooks that lie are caught, and those that only look a little different are not."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from tools.nbval_plugin import DIFFERENT, Allowed, code_digest, difference_of_pictures, differences_in_text
from tools.save_notebooks import normalise

ROOT = Path(__file__).parent.parent

BEGIN = """%matplotlib inline
import ipywidgets as widgets
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

def draw(title="loss", seeds=(0, 1), **options):
    figure = Figure(figsize=(5, 2.5))
    axes = figure.subplots()
    for seed in seeds:
        noise = np.random.default_rng(seed).normal(size=60).cumsum()
        axes.plot(noise, **options)
    axes.set(title=title, xlim=(0, 60), ylim=(-20, 20))
    return figure"""

# What is true, what somebody could have saved in its place, and the tags of the cell.
LIES = {
    "a digit of an accuracy": ('print(f"accuracy {0.917:.3f}")', 'print(f"accuracy {0.927:.3f}")', []),
    "a count": ("print(41, 'wrong')", "print(42, 'wrong')", []),
    "a word": ("print('the loss falls')", "print('the loss rises')", []),
    "a number in a tensor": ("np.array([[0.25, 0.5], [1.0, np.nan]])", "np.array([[0.25, 0.51], [1.0, np.nan]])", []),
    "a number that was none": ("print(float('nan'))", "print(0.0)", []),
    "a row of a table": ("pd.DataFrame({'a': [1.5, 2.5, 3.5]})", "pd.DataFrame({'a': [1.5, 2.5]})", []),
    "a column's name": ("pd.DataFrame({'recall': [0.5]})", "pd.DataFrame({'precision': [0.5]})", []),
    "a curve removed": ("draw()", "draw(seeds=(0,))", []),
    "an empty axes": ("draw()", "draw(seeds=())", []),
    "a title misspelt": ("draw('validation loss')", "draw('validation lass')", []),
    "the same picture of another seed": ("draw()", "draw(seeds=(0, 2))", []),
    "a picture of noise": ("draw()", "f = draw(()); f.figimage(np.random.rand(250, 500)); f", []),
    "a blank picture": ("draw()", "Figure(figsize=(5, 2.5))", []),
    "a picture too many": ("draw()", "display(draw()); draw()", []),
    "the message of an error": ("1 / 0", "raise ZeroDivisionError('by zero')", ["raises-exception"]),
    "a time of another order": ("print('3.1 seconds')", "print('310 seconds')", ["clock"]),
    "a slider's value": ("widgets.IntSlider(3, description='width')", "widgets.IntSlider(4, description='width')", []),
    "what a slider shows": (
        "widgets.interact(lambda width: print(2 * width, 'neurons'), width=(1, 9));",
        "widgets.interact(lambda width: print(3 * width, 'neurons'), width=(1, 9));",
        [],
    ),
    "a number beyond its tag": ("print(0.97)", "print(0.95)", ["atol=0.01: the spread over seeds"]),
}

# A slider that shows no number, with a field that does; and another that is hidden.
BOARD = """slider = widgets.SelectionSlider(options=[1, 2, 4], description='width', readout=False)
field = widgets.Text({value!r})
hidden = widgets.IntSlider({seed}, description='seed', layout={{'display': 'none'}})
widgets.VBox([widgets.HBox([slider, field]), hidden, widgets.HTML('')])"""
LIES["a number in the field beside a slider"] = (BOARD.format(value="3", seed=0), BOARD.format(value="4", seed=0), [])

# What may come out on another machine, and passes.
SMALL_CHANGES = {
    "a last digit": ("print(0.91700001)", "print(0.91700003)", []),
    "blanks": ("print('a  b')", "print('a b')", []),
    "a number within its tag": ("print(0.972)", "print(0.968)", ["atol=0.01: the spread over seeds"]),
    "a time": ("print('3.1 seconds')", "print('9 seconds')", ["clock"]),
    "a control that is not shown": (BOARD.format(value="3", seed=0), BOARD.format(value="3", seed=1), []),
    "a curve that moves within its tag": (
        "draw()",
        "f = draw(); [line.set_ydata(line.get_ydata() + 1) for line in f.axes[0].lines]; f",
        ["shift=8: as over threads"],
    ),
    "a font that is drawn a little differently": (
        "draw('validation loss')",
        "import matplotlib; matplotlib.rcParams['text.hinting'] = 'none'; draw('validation loss')",
        [],
    ),
}


def saved(table: dict[str, tuple[str, str, list[str]]], which: int, path: Path) -> None:
    """Write a notebook with the first code of each row, and the outputs of that, or of the second."""
    cells = [nbformat.v4.new_code_cell(BEGIN)]
    cells += [nbformat.v4.new_code_cell(row[which], metadata={"tags": row[2]}) for row in table.values()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="python3", allow_errors=True).execute()
    for cell, row in zip(cells[1:], table.values(), strict=True):
        cell.source = row[0]
    normalise(notebook, notebook)
    nbformat.write(notebook, path)


def check(*paths: Path, options: tuple[str, ...] = ("--nbval-current-env",)) -> tuple[dict[str, str], str]:
    """Run the plugin over notebooks: the outcome of every cell by ``file::Cell n``, and all that was printed."""
    plugins = ["-p", "tools.nbval_plugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-rA", "-q", "-o", "addopts=", "--nbval", *plugins, *options]
    command += [f"--rootdir={paths[0].parent}", "-c", "pyproject.toml"]
    text = subprocess.run([*command, *map(str, paths)], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    outcomes = re.findall(r"^(PASSED|FAILED|ERROR) \S*?(\w+\.ipynb::(?:Cell \d+|saved))", text, re.MULTILINE)
    return {cell: outcome for outcome, cell in outcomes}, text


@pytest.fixture(scope="module")
def checked(tmp_path_factory) -> tuple[dict[str, str], str]:
    folder = tmp_path_factory.mktemp("notebooks")
    saved(LIES, 0, folder / "true.ipynb")
    saved(LIES, 1, folder / "lies.ipynb")
    saved(SMALL_CHANGES, 1, folder / "elsewhere.ipynb")
    return check(*(folder / f"{name}.ipynb" for name in ("true", "lies", "elsewhere")))


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_caught_where_the_truth_passes(checked, lie):
    outcomes, text = checked
    cell = f"Cell {list(LIES).index(lie) + 1}"
    assert (outcomes[f"true.ipynb::{cell}"], outcomes[f"lies.ipynb::{cell}"]) == ("PASSED", "FAILED"), text


@pytest.mark.parametrize("change", SMALL_CHANGES)
def test_what_differs_on_another_machine_passes(checked, change):
    outcomes, text = checked
    assert outcomes[f"elsewhere.ipynb::Cell {list(SMALL_CHANGES).index(change) + 1}"] == "PASSED", text


def test_a_failure_shows_both_outputs_and_each_number_with_its_distance(checked):
    text = checked[1]
    assert "0.927 was saved, 0.917 came: 0.01 apart, allowed 0.000928" in text
    assert re.search(r"saved:\naccuracy 0.927\n\n+now:\naccuracy 0.917", text)
    assert "42 was saved, 41 came: 1 apart, and integers are to be the same" in text


def test_a_failed_pictures_files_lie_in_the_folder_that_the_message_names(checked):
    number = list(LIES).index("a title misspelt") + 1
    (folder,) = set(re.findall(rf"difference.png in (\S*lies/cell{number}/\S*)", checked[1]))
    assert sorted(path.name for path in Path(folder).iterdir()) == ["difference.png", "now.png", "saved.png"]


def test_what_differs_and_may_is_told_so_that_a_tolerance_can_be_set_by_it(checked):
    assert f"{said_of('a number within its tag')}: 0.968 was saved, 0.972 came\n" in checked[1]
    pixels = re.search(rf"{said_of('a curve that moves within its tag')}: (\d+) pixels of 8\n", checked[1])
    assert 3 <= int(pixels[1]) <= 7  # a unit is a 40th of the axes, which are about 185 pixels high


def said_of(change: str) -> str:
    return f"elsewhere.ipynb, cell {list(SMALL_CHANGES).index(change) + 1}"


def test_the_seconds_of_each_notebook_are_told(checked):
    assert re.search(r"\d+\.\d  true\.ipynb", checked[1])


# ---------------------------------------------------------------- files and kernels that are not as they should be


def notebook_of(*sources: str, tags: tuple[str, ...] = (), kernel: str = "python3") -> nbformat.NotebookNode:
    """A notebook as a run saves it, if its cells put out nothing."""
    cells = [nbformat.v4.new_code_cell(source, execution_count=n + 1) for n, source in enumerate(sources)]
    cells[0].metadata["tags"] = list(tags)
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata = {"kernelspec": {"name": kernel, "display_name": kernel}}
    notebook.metadata["learnkit"] = {"code": code_digest(notebook)}
    return notebook


def edited() -> nbformat.NotebookNode:
    notebook = notebook_of("a = 1")
    notebook.cells[0].source = "a = 2"
    return notebook


def half_run() -> nbformat.NotebookNode:
    notebook = notebook_of("a = 1", "b = 2")
    notebook.cells[1].execution_count = None
    return notebook


def out_of_order() -> nbformat.NotebookNode:
    notebook = notebook_of("a = 1", "b = 2")
    notebook.cells[0].execution_count = 3
    return notebook


def with_an_error() -> nbformat.NotebookNode:
    notebook = notebook_of("1 / 0")
    notebook.cells[0].outputs = [nbformat.v4.new_output("error", ename="ZeroDivisionError", evalue="division by zero")]
    return notebook


FAULTS = {
    "edited": (edited(), "edited.ipynb was edited after it was run. Run: python course.py notebooks"),
    "half": (half_run(), "half.ipynb was not saved after a run of all its cells in their order. Run: python course.py"),
    "order": (out_of_order(), "order.ipynb was not saved after a run of all its cells in their order."),
    "error": (with_an_error(), "error.ipynb was saved with an error in cell 0 that no tag raises-exception asks for"),
    "raises": (notebook_of("1 / 0"), "raises.ipynb, cell 0 raised an error"),
    "kernel": (notebook_of("a", kernel="julia-1.9"), "kernel.ipynb wants a kernel that is not installed, 'julia-1.9'"),
    "endless": (
        notebook_of("while True: pass", "a = 1", tags=("timeout=2: to see it end",)),
        "endless.ipynb, cell 0 did not end within 2 s",
    ),
    "dies": (notebook_of("import os; os._exit(1)", "a = 1"), "dies.ipynb, cell 0 ended the kernel, which died"),
    "large": (notebook_of("print('x' * 2_000_001)"), "large.ipynb, cell 0 puts out 2,000,0"),
    "reason": (notebook_of("a = 1", tags=("rtol=0.5",)), "The tag 'rtol=0.5' gives no reason."),
}


@pytest.fixture(scope="module")
def faults(tmp_path_factory) -> tuple[dict[str, str], str]:
    folder = tmp_path_factory.mktemp("faults")
    for name, (notebook, _) in FAULTS.items():
        nbformat.write(notebook, folder / f"{name}.ipynb")
    (folder / "text.ipynb").write_text("no notebook")
    return check(*sorted(folder.iterdir()), options=("--continue-on-collection-errors",))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_gets_a_message_that_says_what_to_do(faults, name):
    outcomes, text = faults
    assert FAULTS[name][1] in text
    of_this = [outcome for cell, outcome in outcomes.items() if cell.startswith(f"{name}.ipynb")]
    assert any(outcome in ("FAILED", "ERROR") for outcome in of_this), text


def test_what_is_no_notebook_is_said_to_be_none(faults):
    assert "text.ipynb is no notebook" in faults[1]


@pytest.mark.parametrize("name", ["endless", "dies"])
def test_after_the_end_of_a_kernel_the_other_cells_are_left_out(faults, name):
    outcomes, text = faults
    assert f"{name}.ipynb::Cell 1" not in outcomes
    assert re.search(r"SKIPPED \[\d\].*(died in an earlier cell|earlier cell did not come to an end)", text)


# ---------------------------------------------------------------- numbers and pictures by themselves


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1e-5", "0.00001", True),
        ("[0.1, 1.]", "[0.1, 1.0]", True),
        ("1,234 images", "1,235 images", False),
        ("784-128-10", "784-128-11", False),
        ("nan and inf", "nan and inf", True),
        ("inf", "-inf", False),
        ("nan", "0.5", False),
        ("-0.0", "0.0", True),
        ("0.5", "-0.5", False),
        ("ea 60", "eb 60", False),
        ("day1", "day2", False),
        ("3", "3.0000001", True),
    ],
)
def test_words_are_equal_and_numbers_close(one, other, same):
    assert (differences_in_text(one, other, Allowed()) == []) == same


@pytest.mark.parametrize(("shift", "different"), [(0, False), (1, False), (3, True)])
def test_a_stroke_may_stand_a_pixel_elsewhere_and_not_three(shift, different):
    picture = np.ones((40, 40, 3))
    picture[:, 20] = 0
    assert (difference_of_pictures(picture, np.roll(picture, shift, axis=1), 1).max() > DIFFERENT) == different
