"""What a notebook defines, without running the rest of it."""

import ast
from pathlib import Path
from typing import Any

import nbformat

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def definitions(notebook: str) -> dict[str, Any]:
    """The classes and functions that a notebook defines, with what it imports; nothing else of it is run."""
    namespace = {"__name__": notebook}
    for cell in nbformat.read(NOTEBOOKS / f"{notebook}.ipynb", as_version=4).cells:
        if cell.cell_type != "code":
            continue
        source = "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))
        wanted = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)
        body: list[ast.stmt] = [node for node in ast.parse(source).body if isinstance(node, wanted)]
        exec(compile(ast.Module(body, type_ignores=[]), notebook, "exec"), namespace)
    return namespace
