"""A notebook with wrong outputs fails, and one whose outputs differ as they may on another machine passes."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools.cell_outputs import code_digest
from tools.execution import run_notebook
from tools.save_notebooks import normalise

ROOT = Path(__file__).parent.parent

SETUP = """%matplotlib inline
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

# The code of a cell, other code whose outputs were saved in its place, and the tags of the cell.
WRONG_OUTPUTS = {
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
WRONG_OUTPUTS["a number in the field beside a slider"] = (
    BOARD.format(value="3", seed=0),
    BOARD.format(value="4", seed=0),
    [],
)

# The same for outputs that are different on another machine and must pass.
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


def save_outputs_of(which: int, table: dict[str, tuple[str, str, list[str]]], path: Path) -> None:
    """Write a notebook with the first code of each row, and the outputs of the first (0) or the second (1)."""
    cells = [nbformat.v4.new_code_cell(SETUP)]
    cells += [nbformat.v4.new_code_cell(row[which], metadata={"tags": row[2]}) for row in table.values()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    run_notebook(notebook, path.parent)
    for cell, row in zip(cells[1:], table.values(), strict=True):
        cell.source = row[0]
    normalise(notebook, notebook)
    nbformat.write(notebook, path)


def check(*paths: Path, options: tuple[str, ...] = ("--nbval", "--nbval-current-env")) -> tuple[dict[str, str], str]:
    """Run the plugin on notebooks: the outcome of every cell by ``file::Cell n``, and all that was printed."""
    plugins = ["-p", "tools.nbval_plugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-rA", "-q", "-o", "addopts=", *plugins, *options]
    command += [f"--rootdir={paths[0].parent}", "-c", "pyproject.toml"]
    text = subprocess.run([*command, *map(str, paths)], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    outcomes = re.findall(r"^(PASSED|FAILED|ERROR) \S*?(\w+\.ipynb::(?:Cell \d+|saved))", text, re.MULTILINE)
    return {cell: outcome for outcome, cell in outcomes}, text


@pytest.fixture(scope="module")
def checked(tmp_path_factory) -> tuple[dict[str, str], str]:
    folder = tmp_path_factory.mktemp("notebooks")
    save_outputs_of(0, WRONG_OUTPUTS, folder / "right.ipynb")
    save_outputs_of(1, WRONG_OUTPUTS, folder / "wrong.ipynb")
    save_outputs_of(1, SMALL_CHANGES, folder / "elsewhere.ipynb")
    return check(*(folder / f"{name}.ipynb" for name in ("right", "wrong", "elsewhere")))


@pytest.mark.parametrize("name", WRONG_OUTPUTS)
def test_a_wrong_output_fails_where_the_right_one_passes(checked, name):
    outcomes, text = checked
    cell = f"Cell {list(WRONG_OUTPUTS).index(name) + 1}"
    assert (outcomes[f"right.ipynb::{cell}"], outcomes[f"wrong.ipynb::{cell}"]) == ("PASSED", "FAILED"), text


@pytest.mark.parametrize("change", SMALL_CHANGES)
def test_what_differs_on_another_machine_passes(checked, change):
    outcomes, text = checked
    assert outcomes[f"elsewhere.ipynb::Cell {list(SMALL_CHANGES).index(change) + 1}"] == "PASSED", text


def test_a_failure_shows_both_outputs_and_by_how_much_each_number_differs(checked):
    text = checked[1]
    assert "Saved 0.927, now 0.917: they differ by 0.01; 0.000928 is allowed." in text
    assert re.search(r"saved:\naccuracy 0.927\n\n+now:\naccuracy 0.917", text)
    assert "Saved 42, now 41: they differ by 1, and integers must be equal." in text


def test_the_files_of_a_picture_that_failed_are_in_the_folder_that_the_message_names(checked):
    number = list(WRONG_OUTPUTS).index("a title misspelt") + 1
    (folder,) = set(re.findall(rf"difference.png in (\S*wrong/cell{number}/\S*)", checked[1]))
    assert sorted(path.name for path in Path(folder).iterdir()) == ["difference.png", "now.png", "saved.png"]


def test_differences_that_pass_are_listed_so_that_a_tolerance_can_be_chosen_by_them(checked):
    assert f"{cell_of('a number within its tag')}: saved 0.968, now 0.972\n" in checked[1]
    pixels = re.search(rf"{cell_of('a curve that moves within its tag')}: (\d+) pixels of 8\n", checked[1])
    assert 3 <= int(pixels[1]) <= 7  # a unit is a 40th of the axes, which are about 185 pixels high


def cell_of(change: str) -> str:
    return f"elsewhere.ipynb::Cell {list(SMALL_CHANGES).index(change) + 1}"


def test_the_seconds_of_each_notebook_are_listed(checked):
    assert re.search(r"\d+\.\d  right\.ipynb", checked[1])


# ---------------------------------------------------------------- files and kernels with faults


def notebook_of(*sources: str, tags: tuple[str, ...] = (), kernel: str = "python3") -> nbformat.NotebookNode:
    """A notebook of the course as a run saves it, if its cells have no outputs."""
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


def with_an_empty_last_cell() -> nbformat.NotebookNode:
    notebook = notebook_of("a = 1")
    notebook.cells.append(nbformat.v4.new_code_cell())
    return notebook


FAULTS = {
    "edited": (edited(), "edited.ipynb was edited after it was run. Run: python course.py notebooks"),
    "half": (half_run(), "half.ipynb was not saved after a run of all its cells in their order. Run: python course.py"),
    "order": (out_of_order(), "order.ipynb was not saved after a run of all its cells in their order."),
    "error": (
        with_an_error(),
        "error.ipynb was saved with an error in cell 0, which has no tag raises-exception",
    ),
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
    (folder / "text.ipynb").write_text("not a notebook")
    return check(*sorted(folder.iterdir()), options=("--nbval", "--continue-on-collection-errors"))


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_gets_a_message_that_says_what_to_do(faults, name):
    outcomes, text = faults
    assert FAULTS[name][1] in text
    outcomes_of_this = [outcome for cell, outcome in outcomes.items() if cell.startswith(f"{name}.ipynb")]
    assert any(outcome in ("FAILED", "ERROR") for outcome in outcomes_of_this), text


@pytest.mark.slow
def test_a_file_that_is_not_a_notebook_is_reported(faults):
    assert "text.ipynb is not a valid notebook" in faults[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["endless", "dies"])
def test_after_the_end_of_a_kernel_the_other_cells_are_skipped(faults, name):
    outcomes, text = faults
    assert f"{name}.ipynb::Cell 1" not in outcomes
    assert re.search(r"SKIPPED \[\d\].*(died in an earlier cell|earlier cell did not end in time)", text)


@pytest.mark.parametrize("run", ["compared", "saved"])
def test_a_kernel_that_ends_before_it_answers_is_started_again(tmp_path, monkeypatch, run):
    """As it does if another program takes one of the ports that were found for it."""
    starts = tmp_path / "starts"
    start = f"""if True:
        import sys, pathlib
        from ipykernel.kernelapp import launch_new_instance
        starts = pathlib.Path({str(starts)!r})
        starts.touch()
        starts.write_text(starts.read_text() + ".")
        if starts.read_text() == ".":
            sys.exit(1)
        launch_new_instance()"""
    spec = {"argv": [sys.executable, "-c", start, "-f", "{connection_file}"], "display_name": "", "language": "python"}
    (tmp_path / "kernels" / "python3").mkdir(parents=True)
    (tmp_path / "kernels" / "python3" / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    notebook = foreign("print(6 * 7)", "42\n")
    if run == "compared":
        nbformat.write(notebook, tmp_path / "answer.ipynb")
        outcomes, text = check(tmp_path / "answer.ipynb", options=("--nbval",))
        assert outcomes["answer.ipynb::Cell 0"] == "PASSED", text
    else:
        run_notebook(notebook, tmp_path)
        assert notebook.cells[0].outputs[0].text == "42\n"
    assert starts.read_text() == ".."


# ---------------------------------------------------------------- any notebook, and nbval's own options


def foreign(source: str, printed: str) -> nbformat.NotebookNode:
    """A notebook as JupyterLab saves it: run at some time, with an empty last cell, unknown to the course's tools."""
    output = nbformat.v4.new_output("stream", name="stdout", text=printed)
    cell = nbformat.v4.new_code_cell(source, execution_count=7, outputs=[output])
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
    return nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell()], metadata={"kernelspec": kernel})


def never_run() -> nbformat.NotebookNode:
    notebook = foreign("print('new')", "")
    notebook.cells[0].update(execution_count=None, outputs=[])
    return notebook


def marked_for_lax() -> nbformat.NotebookNode:
    notebook = foreign("print('one')", "two")
    notebook.cells[1].update(source="# NBVAL_CHECK_OUTPUT\nprint('one')", outputs=notebook.cells[0].outputs)
    return notebook


ANY_NOTEBOOKS = {
    "plain": foreign("print(0.5)", "0.50000001"),
    "wrong": foreign("print('one')", "two"),
    "date": foreign("print('made on 2026-11-27')", "made on 2025-01-31"),
    "dated": foreign("print('made on 2026-11-27')", "sold on 2025-01-31"),
    "endless": foreign("while True: pass", ""),
    "never_run": never_run(),
    "marked": marked_for_lax(),
    "empty_cell": with_an_empty_last_cell(),
    "edited": edited(),
}


@pytest.fixture(scope="module")
def any_notebooks(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("any")
    for name, notebook in ANY_NOTEBOOKS.items():
        nbformat.write(notebook, folder / f"{name}.ipynb")
    (folder / "sanitize.cfg").write_text("regex: \\d{4}-\\d\\d-\\d\\d\nreplace: DATE\n")
    return folder


@pytest.fixture(scope="module")
def in_two_processes(any_notebooks) -> tuple[dict[str, str], str]:
    options = ("--nbval", "--nbval-cell-timeout=8", f"--nbval-sanitize-with={any_notebooks / 'sanitize.cfg'}")
    return check(*sorted(any_notebooks.glob("*.ipynb")), options=(*options, "-n", "2", "--dist", "loadfile"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "outcome"),
    [("plain", "PASSED"), ("wrong", "FAILED"), ("date", "PASSED"), ("dated", "FAILED"), ("never_run", "PASSED")],
)
def test_a_foreign_notebook_is_compared_with_what_was_saved_and_sanitized_first(in_two_processes, name, outcome):
    outcomes, text = in_two_processes
    assert outcomes[f"{name}.ipynb::Cell 0"] == outcome, text


@pytest.mark.slow
def test_a_foreign_notebook_does_not_have_to_be_saved_by_the_courses_tool(in_two_processes):
    outcomes, text = in_two_processes
    assert sorted(cell for cell in outcomes if cell.endswith("::saved")) == [
        "edited.ipynb::saved",
        "empty_cell.ipynb::saved",
    ], text
    assert text.count("course.py") == text.count("edited.ipynb was edited after it was run. Run: python course.py")


@pytest.mark.slow
def test_an_empty_last_cell_is_no_fault(in_two_processes):
    outcomes, text = in_two_processes
    cells = ("empty_cell.ipynb::saved", "empty_cell.ipynb::Cell 1", "plain.ipynb::Cell 1")
    assert [outcomes[cell] for cell in cells] == ["PASSED"] * 3, text


@pytest.mark.slow
def test_a_cell_without_a_tag_may_take_as_long_as_nbvals_option_says(in_two_processes):
    assert "endless.ipynb, cell 0 did not end within 8 s" in in_two_processes[1]


@pytest.mark.slow
def test_both_summaries_appear_with_several_processes_too(in_two_processes):
    text = in_two_processes[1]
    assert re.search(r"\d+\.\d  plain\.ipynb", text)
    assert "plain.ipynb::Cell 0: saved 0.50000001, now 0.5\n" in text


@pytest.mark.slow
def test_lax_compares_only_marked_cells(any_notebooks):
    names = ("wrong", "marked", "edited")
    outcomes, text = check(*(any_notebooks / f"{name}.ipynb" for name in names), options=("--nbval-lax",))
    assert outcomes == {
        "wrong.ipynb::Cell 0": "PASSED",
        "wrong.ipynb::Cell 1": "PASSED",
        "marked.ipynb::Cell 0": "PASSED",
        "marked.ipynb::Cell 1": "FAILED",
        "edited.ipynb::Cell 0": "PASSED",
    }, text


@pytest.mark.slow
def test_the_plugin_works_in_a_folder_of_a_larger_repository(tmp_path):
    course = tmp_path / "course"
    shutil.copytree(ROOT / "tools", course / "tools")
    shutil.copy(ROOT / "conftest.py", course)
    nbformat.write(foreign("print(0.5)", "0.50000001"), course / "plain.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "2 passed" in answer.stdout, answer.stdout + answer.stderr
    assert "course/plain.ipynb::Cell 0: saved 0.50000001, now 0.5\n" in answer.stdout
