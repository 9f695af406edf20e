"""Run notebooks from top to bottom and save them with their outputs: ``python course.py notebooks [day1 …]``.

What differs from one run to the next on the same machine is left out of the file, so that a second run changes nothing:
times of execution, the kernel's version, and views of widgets, which are of no use without their kernel.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def normalise(notebook: nbformat.NotebookNode) -> None:
    """Take out of an executed notebook what another run would write otherwise."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            shown = [output for output in cell.outputs if WIDGET_VIEW not in output.get("data", {})]
            cell.outputs = join_streams(shown)


def join_streams(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Make one of several pieces of text that a cell printed: where they are cut is a matter of chance."""
    joined = []
    for output in outputs:
        is_text = output.output_type == "stream"
        if is_text and joined and joined[-1].output_type == "stream" and joined[-1].name == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def save(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": path.parent}})
    client.execute()
    normalise(notebook)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    wanted = sys.argv[1:] or [""]
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if any(path.name.startswith(day) for day in wanted):
            print(path.name, flush=True)
            save(path)
