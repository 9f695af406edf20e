"""Run notebooks from top to bottom and save them with their outputs: ``python course.py notebooks [day1 …]``.

What differs from one run to the next on the same machine is left out of the file, so that a second run changes nothing:
times of execution, the kernel's version, and views of widgets, which a list of their controls replaces. Times that a
cell shows stay as they were saved while no code changes and they are of the same order. The picture of the cell that is
tagged ``readme`` is also written to ``pictures/``, for the README.
"""

import base64
import sys
from pathlib import Path

import nbformat

from tools.cell_outputs import code_cells, code_digest
from tools.compare_outputs import Tolerance, compare_outputs
from tools.execution import KernelDied, first_error, run_notebook
from tools.notebook_definitions import NOTEBOOKS

ROOT = Path(__file__).parent.parent


def normalise(notebook: nbformat.NotebookNode, before: nbformat.NotebookNode) -> None:
    """Remove from an executed notebook what another run would write differently."""
    unchanged = before.metadata.get("learnkit", {}).get("code") == code_digest(notebook)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "learnkit": {"code": code_digest(notebook)},
    }
    for cell, old in zip(code_cells(notebook), code_cells(before), strict=True):
        cell.metadata.pop("execution", None)
        tolerance = Tolerance.from_tags(cell.metadata.get("tags", []))
        if unchanged and tolerance.factor and not compare_outputs(old.outputs, cell.outputs, tolerance, folder=None):
            cell.outputs = old.outputs


def save(path: Path) -> None:
    before = nbformat.read(path, as_version=4)
    notebook = nbformat.read(path, as_version=4)
    try:
        run_notebook(notebook, path.parent)
    except (KernelDied, TimeoutError) as failure:
        sys.exit(f"{path.name} is not saved: {failure}")
    if error := first_error(notebook):
        sys.exit(f"{path.name} is not saved: {error}")
    normalise(notebook, before)
    nbformat.write(notebook, path)
    (ROOT / "pictures" / f"{path.stem.partition('_')[0]}.png").write_bytes(readme_picture(notebook))


def readme_picture(notebook: nbformat.NotebookNode) -> bytes:
    """The picture of the one cell that is tagged ``readme``."""
    (cell,) = (cell for cell in notebook.cells if "readme" in cell.metadata.get("tags", []))
    (picture,) = (output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {}))
    return base64.b64decode(picture)


if __name__ == "__main__":
    wanted = sys.argv[1:] or [""]
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if any(path.name.startswith(day) for day in wanted):
            print(f"Running {path.name}.", flush=True)
            save(path)
