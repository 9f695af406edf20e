"""The cells of a notebook as tests of pytest, for :mod:`tools.nbval_plugin`."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpecManager
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile

from tools.cell_outputs import as_text, code_cells, code_digest, join_streams
from tools.compare_outputs import NotebookMismatch, Tolerance, compare_outputs, tolerance_used
from tools.execution import KernelDied, run_cell, started

SAVE = "python course.py notebooks"  # runs and saves the notebooks of the course
DIFFERENCES = Path("notebook_differences")  # below the root of the tests
MAX_OUTPUT_BYTES = 2_000_000
TIMEOUT = 300  # seconds for a cell
NBVAL_TIMEOUT = 2000  # nbval's default, which is too long to wait for a cell that hangs; it counts as not given
NOT_TEXT = ("metadata", "traceback", "output_type", "name", "execution_count", "image/png", "image/jpeg")


class _MismatchItem(pytest.Item):
    """A test whose failure is a message without a traceback."""

    parent: "ComparedNotebook"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return str(excinfo.value) if excinfo.errisinstance(NotebookMismatch) else super().repr_failure(excinfo)


class ComparedCell(_MismatchItem, IPyNbCell):
    """A cell that is run, and whose outputs are compared with the saved ones."""

    def runtest(self) -> None:
        if self.options["skip"]:
            pytest.skip()
        if self.parent.kernel_ended:
            pytest.skip(self.parent.kernel_ended)
        tolerance = Tolerance.from_tags(self.cell.metadata.get("tags", []))
        started = time.perf_counter()
        now = self._run(tolerance.timeout or self._timeout())
        self.user_properties.append(("notebook_seconds", time.perf_counter() - started))
        errors = [output for output in now if output.output_type == "error"]
        if errors and not self.options["check_exception"]:
            self._fail("raised an error", "\n".join(errors[0].traceback))
        size = sum(len(str(output)) for output in now)
        if self.parent.is_course_notebook and size > MAX_OUTPUT_BYTES:
            self._fail(f"puts out {size:,} bytes; a repository should keep {MAX_OUTPUT_BYTES:,} at most: show less")
        was_run = self.cell.execution_count is not None or self.cell.outputs
        if self.options["check"] and was_run:
            self._compare(now, tolerance)

    def _compare(self, now: list[NotebookNode], tolerance: Tolerance) -> None:
        saved, now = self._sanitized(join_streams(self.cell.outputs)), self._sanitized(now)
        folder = None
        if not self.config.option.without_pictures:
            folder = self.config.rootpath / DIFFERENCES / self.path.stem / f"cell{self.cell_num}"
        differences = compare_outputs(saved, now, tolerance, folder)
        if differences:
            outputs = f"saved:\n{as_text(saved)}\n\nnow:\n{as_text(now)}"
            self._fail("does not show what was saved", "\n".join([*differences, "", outputs]))
        if folder is not None and not tolerance.factor:
            used = tolerance_used(saved, now, tolerance)
            if used:
                self.user_properties.append(("notebook_tolerance", "; ".join(used)))

    def _timeout(self) -> float:
        given = self.config.option.nbval_cell_timeout
        return TIMEOUT if given == NBVAL_TIMEOUT else given

    def _sanitized(self, outputs: list[NotebookNode]) -> list[NotebookNode]:
        """Outputs after the replacements of --nbval-sanitize-with."""
        return self.sanitize_outputs(outputs, NOT_TEXT) if self.parent.sanitize_patterns else outputs

    def _run(self, timeout: float) -> list[NotebookNode]:
        """Execute the cell, and return its outputs once the kernel is idle again."""
        # Not nbval's execute_cell_input: without history, a semicolon at the end of a cell does not silence it.
        kernel = self.parent.kernel
        try:
            return run_cell(kernel.kc, self.cell.source, self.parent.models, timeout)
        except KernelDied:
            self.parent.kernel_ended = "The kernel died in an earlier cell."
            self._fail("ended the kernel, which died; most often it had no more memory: use less of it")
        except TimeoutError:
            kernel.stop()
            self.parent.kernel_ended = "An earlier cell did not end in time."
            self._fail(
                f"did not end within {timeout:g} s: shorten it, or allow more, for all cells by --nbval-cell-timeout "
                "or for this one by a tag, such as timeout=600: and the reason"
            )

    def _fail(self, what: str, details: str = "") -> NoReturn:
        source = "\n".join(f"    {line}" for line in self.cell.source.splitlines())
        raise NotebookMismatch(f"{self.path.name}, cell {self.cell_num} {what}\n{source}\n\n{details}")


class SavedState(_MismatchItem):
    """Whether a notebook of the course was saved after a run from top to bottom, and not edited since."""

    def runtest(self) -> None:
        name, notebook, fix = self.path.name, self.parent.nb, f"Run: {SAVE}"
        cells = code_cells(notebook)
        if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
            raise NotebookMismatch(f"{name} was not saved after a run of all its cells in their order. {fix}")
        if notebook.metadata.learnkit.code != code_digest(notebook):
            raise NotebookMismatch(f"{name} was edited after it was run. {fix}")
        for number, cell in enumerate(cells):
            is_intended = "raises-exception" in cell.metadata.get("tags", [])
            if any(output.output_type == "error" for output in cell.outputs) and not is_intended:
                raise NotebookMismatch(
                    f"{name} was saved with an error in cell {number}, which has no tag raises-exception. "
                    f"Fix the cell. {fix}"
                )

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self.path.name}::saved"


class ComparedNotebook(IPyNbFile):
    """A notebook whose cells are run one after the other in a kernel of their own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.models: dict[str, dict] = {}  # the states of the widgets that its kernel has made
        self.kernel_ended = ""  # why the kernel is no longer there

    @property
    def is_course_notebook(self) -> bool:
        """Whether tools.save_notebooks has saved it."""
        return "code" in self.nb.metadata.get("learnkit", {})

    def collect(self) -> Iterator[pytest.Item]:
        try:
            cells = list(super().collect())
        except Exception as error:  # nbformat has no common class for what it raises
            raise self.CollectError(
                f"{self.path.name} is not a valid notebook: {error}. Restore it, for instance by git checkout."
            ) from error
        if self.is_course_notebook and self.compare_outputs:  # which --nbval-lax switches off
            yield SavedState.from_parent(self, name="saved")
        for cell in cells:
            yield ComparedCell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )

    def setup(self) -> None:
        # Checked beforehand: nbval opens a file for a kernel that turns out to be missing, and leaves it open.
        wanted, options = self.nb.metadata.get("kernelspec", {}).get("name", "python"), self.config.option
        chosen = options.nbval_current_env or options.nbval_kernel_name
        if not chosen and wanted not in (NATIVE_KERNEL_NAME, *KernelSpecManager().find_kernel_specs()):
            pytest.fail(
                f"{self.path.name} wants a kernel that is not installed, {wanted!r}. Install it, or run the notebook "
                "with this Python by --nbval-current-env.",
                pytrace=False,
            )
        started(super().setup)
