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
from nbclient import NotebookClient

from tools.cell_outputs import code_digest, join_streams, without_views
from tools.compare_outputs import Tolerance, compare_outputs
from tools.notebook_definitions import NOTEBOOKS

ROOT = Path(__file__).parent.parent
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"


def normalise(notebook: nbformat.NotebookNode, before: nbformat.NotebookNode) -> None:
    """Remove from an executed notebook what another run would write differently."""
    widgets = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    models = {name: widget["state"] for name, widget in widgets.items()}
    unchanged = before.metadata.get("learnkit", {}).get("code") == code_digest(notebook)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "learnkit": {"code": code_digest(notebook)},
    }
    for cell, old in zip(notebook.cells, before.cells, strict=True):
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        cell.outputs = without_views(join_streams(cell.outputs), models)
        tolerance = Tolerance.from_tags(cell.metadata.get("tags", []))
        if unchanged and tolerance.factor and not compare_outputs(old.outputs, cell.outputs, tolerance, folder=None):
            cell.outputs = old.outputs


def save(path: Path) -> None:
    before = nbformat.read(path, as_version=4)
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": path.parent}})
    client.execute()
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
            print(path.name, flush=True)
            save(path)
