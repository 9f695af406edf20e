"""Running the cells of a notebook in a kernel, the same way whether their outputs are saved or compared."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty
from typing import TypeVar

from jupyter_client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel
from nbformat import NotebookNode

from tools.cell_outputs import OutputCollector, code_cells

STARTS = 3  # of a kernel that ends before it answers

Started = TypeVar("Started")


class KernelDied(RuntimeError):
    """The kernel ended while it ran a cell."""


def started(start: Callable[[], Started]) -> Started:
    """What this returns, which starts a kernel.

    It is called again if that fails: ports are found for a kernel before it takes them, and meanwhile another program
    may have taken one.
    """
    for _ in range(STARTS - 1):
        try:
            return start()
        except RuntimeError:  # jupyter_client: "Kernel died before replying to kernel_info"
            continue
    return start()


def run_cell(client: BlockingKernelClient, source: str, models: dict[str, dict], timeout: float) -> list[NotebookNode]:
    """Run code in a kernel, and return its outputs once the kernel is idle again.

    Parameters
    ----------
    client
        Connected to the kernel.
    source
        The code of the cell.
    models
        The states of the widgets that the kernel has made so far; updated.
    timeout
        Seconds.

    Raises
    ------
    KernelDied
        If the kernel ended.
    TimeoutError
        If the cell did not end in time.
    """
    collector = OutputCollector(models)
    request = client.execute(source, allow_stdin=False, stop_on_error=False)
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        try:
            message = client.get_iopub_msg(timeout=min(1, timeout))
        except Empty:
            if not client.is_alive():
                raise KernelDied("The kernel died.") from None
            continue
        if message["parent_header"].get("msg_id") != request:
            continue
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return collector.result()
        collector.handle(message["msg_type"], message["content"])
    raise TimeoutError(f"The cell did not end within {timeout:g} s.")


def run_notebook(
    notebook: NotebookNode, folder: Path, timeout: float = 600, variables: Mapping[str, str] | None = None
) -> None:
    """Run all cells of a notebook from top to bottom in a new kernel, and put their outputs into it.

    The variables are added to the kernel's environment. An error in a cell is among its outputs, and the cells after it
    are run, too.
    """
    environment = {**os.environ, **(variables or {})}
    manager, client = started(lambda: start_new_kernel(kernel_name="python3", cwd=str(folder), env=environment))
    models: dict[str, dict] = {}
    try:
        for number, cell in enumerate(code_cells(notebook), start=1):
            cell.outputs, cell.execution_count = run_cell(client, cell.source, models, timeout), number
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def first_error(notebook: NotebookNode) -> str | None:
    """The first error that no tag ``raises-exception`` asks for, with its cell; None if there is none."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", []):
                return f"{output.ename}: {output.evalue}, raised by the cell\n{cell.source}"
    return None
