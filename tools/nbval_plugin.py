"""A pytest plugin on top of nbval: a cell fails when its outputs are no longer the saved ones within a tolerance.

Words are compared to the letter, numbers within a tolerance, pictures up to a shift of a pixel, and the controls of
widgets with what they show. Of an expected error, its name and message are compared. A cell's tags say how much more
is allowed, each time with the reason (without a comma, which Jupyter does not allow in a tag):

``rtol=0.01: …``    numbers may differ by this share, integers too (without: 0.001, and integers not at all)
``atol=0.02: …``    and by so much (without: 0.000001)
``clock=100: …``    these are times: numbers, also before a unit, may differ by this factor; ``clock`` alone means 30
``shift=12: …``     what is drawn may be so many pixels away (without: 1)
``timeout=600: …``  seconds that it may take (without: 300, or what --nbval-cell-timeout says)

nbval's own options, and its tags ``raises-exception``, ``nbval-ignore-output`` and ``nbval-skip``, mean what they mean
there. With pytest-xdist, give ``--dist loadfile`` too: the cells of a notebook belong into one process.

It works for any notebook, and needs from this project only the modules of ``tools`` that it imports. A notebook that
``tools.save_notebooks`` has saved must moreover be as that left it: run from top to bottom and not edited since.
"""

from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

Collecting = Generator[None, list[pytest.Collector], list[pytest.Collector]]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("nbval")
    group.addoption("--without-pictures", action="store_true", help="do not compare the pictures of notebooks")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Collecting:
    collectors = yield
    if not collectors or file_path.suffix != ".ipynb":
        return collectors
    # Imported only now, since it takes seconds, and most runs of the tests collect no notebook.
    from tools.notebook_items import ComparedNotebook, IPyNbFile

    return [
        ComparedNotebook.from_parent(parent, path=file_path) if isinstance(collector, IPyNbFile) else collector
        for collector in collectors
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the cells have put into their reports, which also come from the processes of pytest-xdist."""
    seconds: Counter[str] = Counter()
    tolerated = []
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if getattr(report, "when", None) != "call":
            continue
        for name, value in report.user_properties:
            if name == "notebook_seconds":
                seconds[report.nodeid.partition("::")[0]] += value
            elif name == "notebook_tolerance":
                tolerated.append(f"{report.nodeid}: {value}")
    if seconds:
        terminalreporter.section("seconds that each notebook took")
        for name, total in sorted(seconds.items()):
            terminalreporter.line(f"{total:6.1f}  {name}")
    if tolerated:
        terminalreporter.section("differences within the tolerances")
        for line in tolerated:
            terminalreporter.line(line)
