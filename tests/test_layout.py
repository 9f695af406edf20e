"""Does each module import only what it may, and do files that state the same facts agree?"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools.cell_outputs import as_text, code_digest

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, where pytest brings it along under another name
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "learnkit"

# From the lowest layer to the highest. A module may import from itself and from the layers above it in this list.
LAYERS = [
    ["errors"],
    ["devices"],
    ["doctor", "cli", "threads"],
    ["data", "metrics", "models", "checkpoint"],
    ["training"],
    ["run"],
    ["study"],
    ["plots"],
    ["labs", "exercises"],
]
LOWER_MODULES = [module for layer in LAYERS[:6] for module in layer]
CONDA_NAMES = {"torch": "pytorch"}
ONLY_ON_PYPI = {"playwright"}


def source_files() -> list[Path]:
    return sorted(LIBRARY.rglob("*.py"))


def module_of(path: Path) -> str:
    """The top-level module of learnkit that a file belongs to."""
    return path.relative_to(LIBRARY).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """The full name of every module that a file imports, at its top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_in_one_direction(path):
    if module_of(path) == "__init__":
        return  # its imports are for type checkers; the next test looks at what it loads
    layer_of = {module: number for number, layer in enumerate(LAYERS) for module in layer}
    for name in imported(path):
        if name.startswith("learnkit."):
            other = name.split(".")[1]
            assert other == module_of(path) or layer_of[other] < layer_of[module_of(path)], (
                f"{path.name} imports {name}"
            )


def test_importing_learnkit_loads_none_of_its_modules_and_no_torch():
    program = "import sys, learnkit; print([name for name in sys.modules if name.startswith(('learnkit', 'torch'))])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "['learnkit']"


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_lower_modules_import_no_plotting_and_only_labs_import_widgets(path):
    packages = {name.split(".")[0] for name in imported(path)}
    if module_of(path) in LOWER_MODULES:
        assert not packages & {"matplotlib", "seaborn"}
    if module_of(path) != "labs":
        assert not packages & {"ipywidgets", "anywidget", "IPython"}


def test_importing_the_lower_modules_loads_neither_plotting_nor_pandas():
    lower = ", ".join(LOWER_MODULES)
    program = f"import sys; from learnkit import {lower}; print([name for name in sys.modules if '.' not in name])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "'torch'" in loaded
    for package in ("matplotlib", "seaborn", "pandas", "ipywidgets", "torchvision"):
        assert f"'{package}'" not in loaded


@pytest.mark.parametrize("path", sorted((LIBRARY / "cli").glob("*.py")), ids=lambda path: path.name)
def test_the_command_line_imports_nothing_but_the_standard_library(path):
    packages = {name.split(".")[0] for name in imported(path)}
    assert packages <= {*sys.stdlib_module_names, "learnkit"}
    assert all(name.startswith(("learnkit.cli", "learnkit.errors.")) for name in imported(path) if "learnkit" in name)


def test_importing_the_command_line_needs_no_package():
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import learnkit.cli.main; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", program]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert {name.split(".")[1] for name in loaded if name.startswith("learnkit.")} == {"cli", "errors"}


def test_there_are_no_star_imports():
    for path in [*source_files(), *sorted((ROOT / "tests").rglob("*.py"))]:
        assert not any(name.endswith(".*") for name in imported(path)), path


def test_no_file_of_the_library_is_much_longer_than_300_lines():
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in source_files()}
    assert {name: length for name, length in lengths.items() if length > 320} == {}


def test_the_package_lists_exactly_its_modules_and_each_has_a_docstring():
    import learnkit

    modules = {module_of(path) for path in source_files()} - {"__init__"}
    assert set(dir(learnkit)) == modules
    for module in modules:
        assert getattr(learnkit, module).__doc__
    with pytest.raises(AttributeError, match="no module called 'cellar'; its modules are checkpoint, cli, data"):
        _ = learnkit.cellar


def requirements(lines: list[str]) -> dict[str, str]:
    """Split ``["torch>=2.4"]`` into ``{"torch": ">=2.4"}``."""
    return dict(re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in lines)


def test_environment_yml_requires_what_pyproject_requires():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    required = requirements([*project["dependencies"], *extras["lab"], *extras["cluster"], *extras["dev"]])
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()
    conda = requirements([line.removeprefix("  - ") for line in lines if re.match(r"  - [\w-]+>=", line)])
    pip = requirements([line.removeprefix("      - ") for line in lines if re.match(r"      - [\w-]+>=", line)])
    assert "      - --editable ." in lines
    assert conda.pop("python") == project["requires-python"]
    assert conda == {CONDA_NAMES.get(name, name): bound for name, bound in required.items() if name not in ONLY_ON_PYPI}
    assert pip == {name: required[name] for name in ONLY_ON_PYPI}


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_ruff_finds_nothing(command):
    answer = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_mypy_finds_nothing(tmp_path_factory):
    cache = tmp_path_factory.getbasetemp().parent / "mypy"  # outside the checkout, which may be read-only
    command = [sys.executable, "-m", "mypy", "--no-error-summary", f"--cache-dir={cache}"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.stdout + answer.stderr == ""
    assert answer.returncode == 0


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_small_and_so_are_its_cells(path):
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert path.stat().st_size <= 1_000_000
    for cell in cells:
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 15, cell.source
        assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in cell.outputs)


def names(tree: ast.AST, context: type[ast.expr_context]) -> set[str]:
    """The names that are read (ast.Load) or assigned (ast.Store) in some code, outside functions and classes."""
    found, rest = set(), [tree]
    while rest:
        node = rest.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, context):
            found.add(node.id)
        rest += [part for part in ast.iter_child_nodes(node) if not isinstance(part, ast.FunctionDef | ast.ClassDef)]
    return found


def reassigned_below_a_slider(sources: list[str]) -> set[str]:
    """The names that a slider's function reads and that a later cell reassigns."""
    trees = [ast.parse(source.replace("%matplotlib inline", "")) for source in sources]
    functions = {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}
    found = set()
    for number, tree in enumerate(trees):
        if "widgets.interact" not in sources[number]:
            continue
        used = [functions[name] for name in names(tree, ast.Load) & set(functions)]
        own = {node.arg for function in used for node in ast.walk(function) if isinstance(node, ast.arg)}
        needed = set().union(*(names(function, ast.Load) - names(function, ast.Store) for function in used)) - own
        found |= needed & set().union(*(names(later, ast.Store) for later in trees[number + 1 :]))
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_nothing_that_a_slider_depends_on_is_reassigned_in_a_later_cell(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert reassigned_below_a_slider([cell.source for cell in cells]) == set()


def test_a_value_reassigned_below_a_slider_is_noticed():
    cells = ["def draw(width):\n    return key * width", "widgets.interact(draw, width=(1, 9))", "key = 2"]
    assert reassigned_below_a_slider(cells) == {"key"}


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_valid_by_jupyters_own_schema(path):
    assert list(nbformat.validator.iter_validate(nbformat.read(path, as_version=4))) == []


A_TIME = re.compile(r"\b(seconds|minutes|hours|milliseconds|microseconds|ms|µs)\b|\d ?s\b")


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_only_cells_tagged_clock_show_a_time(path):
    for cell in nbformat.read(path, as_version=4).cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and not any(tag.partition("=")[0] == "clock" for tag in tags):
            assert not A_TIME.search(as_text(cell.outputs)), cell.source


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_each_notebook_was_saved_by_the_tool_and_not_edited_since(path):
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.learnkit.code == code_digest(notebook)


def test_the_five_notebooks_together_have_at_most_three_megabytes():
    sizes = [path.stat().st_size for path in (ROOT / "notebooks").glob("*.ipynb")]
    assert len(sizes) == 5
    assert sum(sizes) <= 3_000_000


@pytest.mark.parametrize("epochs", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_the_example_in_the_readme_trains_a_net(epochs):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    assert "epochs=5" in example
    names = {}
    exec(example.replace("epochs=5", f"epochs={epochs}"), names)
    assert names["epoch"] == epochs
    assert names["loss"].item() < 0.5
    assert len(names["mnist"].validation_labels) == 10_000


def test_the_pictures_and_files_that_the_readme_links_to_exist():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", readme)
    pictures = re.findall(r'src="([^"]+)"', readme)
    assert len(pictures) == 5
    for link in [*links, *pictures]:
        assert link.startswith("https://") or (ROOT / link).exists(), link
