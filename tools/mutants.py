"""Break learnkit on purpose, one place at a time, and see which test notices: ``python course.py mutants [WORD …]``.

The places stand in mutants.toml. Each is broken in a copy of the repository that is thrown away afterwards; there the
tests of that file run until one fails, which has killed the mutant. A mutant that lives is a gap in the tests.

With words, only the mutants in whose file or name one of them occurs; with ``--changed REVISION``, only those whose
file or tests differ from that revision of git.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, where pytest brings it along under another name
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
LIST = "tools/mutants.toml"
AT_ONCE = min(4, os.cpu_count() or 1)  # each on one thread, and with MNIST in its memory
SECONDS = 600  # for the tests of one mutant


class NotRun(Exception):
    """A mutant that cannot be judged, since it cannot be made or its tests cannot be run."""


@dataclass(frozen=True)
class Mutant:
    """One place to break."""

    file: str
    name: str  # what is wrong in it
    why: str  # a careless reader could write it
    old: str
    new: str
    tests: tuple[str, ...]  # files, or file::test where others of the file are slow and blind to it

    def __str__(self) -> str:
        return f"{PurePosixPath(self.file).stem}: {self.name}"

    @property
    def files(self) -> set[str]:
        """Those that decide whether it lives."""
        return {LIST, self.file, *(test.partition("::")[0] for test in self.tests)}

    def applied_to(self, text: str) -> str:
        count = text.count(self.old)
        if count != 1:
            raise NotRun(f"its old text stands {count} times in {self.file} and must stand there once: mend {LIST}")
        return text.replace(self.old, self.new)


def read_list(root: Path) -> list[Mutant]:
    """All mutants. The tests of ``learnkit/metrics.py`` are ``tests/test_metrics.py``, unless an entry names others."""
    files = tomllib.loads((root / LIST).read_text(encoding="utf-8"))
    return [
        Mutant(file, **{**entry, "tests": tuple(entry.get("tests", [f"tests/test_{PurePosixPath(file).stem}.py"]))})
        for file, entries in files.items()
        for entry in entries
    ]


@contextmanager
def copy_of(root: Path) -> Iterator[Path]:
    """A copy of the repository, without what the tests of the library have no use for."""
    unneeded = shutil.ignore_patterns(".*", "__pycache__", "my", "pictures", "screenshots", "notebook_differences")
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        yield Path(shutil.copytree(root, Path(folder, "copy"), ignore=unneeded))


def first_failure(folder: Path, tests: list[str] | tuple[str, ...]) -> str | None:
    """The first of these tests that fails in a folder, or None if all pass."""
    options = ["-x", "-q", "--tb=no", "--hypothesis-seed=0", "-p", "no:cacheprovider"]
    options += ["-p", "no:nbval"]  # it takes seconds to import, and no mutant needs it
    surroundings = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=folder,
            env=surroundings,
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotRun(f"its tests did not end within {SECONDS} seconds") from error
    if answer.returncode == 0:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) (\S+::.+?)(?: - .*)?$", answer.stdout, flags=re.MULTILINE)
    if failed is None:  # pytest ended in another way than by a test
        raise NotRun(f"its tests could not be run:\n{(answer.stdout + answer.stderr)[-2000:]}")
    return failed[1]


def killer_of(mutant: Mutant, root: Path) -> str | NotRun | None:
    """The test that notices, None if none does, or why that cannot be told."""
    try:
        with copy_of(root) as copy:
            broken = copy / mutant.file
            broken.write_text(mutant.applied_to(broken.read_text(encoding="utf-8")), encoding="utf-8")
            return first_failure(copy, mutant.tests)
    except NotRun as reason:
        return reason


def changed_since(revision: str, root: Path) -> set[str]:
    command = ["git", "diff", "--name-only", revision, "--"]
    answer = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", check=False)
    if answer.returncode != 0:
        sys.exit(f"git cannot compare with {revision!r}: {answer.stderr.strip()}")
    return set(answer.stdout.splitlines())


def chosen(words: list[str], root: Path) -> list[Mutant]:
    """The mutants that the words of the command line ask for."""
    parser = argparse.ArgumentParser(prog="course.py mutants", description="Break the library, and see who notices.")
    parser.add_argument("words", nargs="*", help="only mutants in whose file or name one of these occurs")
    parser.add_argument("--changed", metavar="REVISION", help="only those whose file or tests differ from it")
    asked = parser.parse_args(words)
    mutants = read_list(root)
    if asked.words:
        mutants = [mutant for mutant in mutants if any(word in f"{mutant.file} {mutant}" for word in asked.words)]
        if not mutants:
            sys.exit(f"No mutant has {' or '.join(asked.words)} in its file or name. They stand in {LIST}.")
    if asked.changed:
        changed = changed_since(asked.changed, root)
        mutants = [mutant for mutant in mutants if changed & mutant.files]
    return mutants


def main(words: list[str], root: Path = ROOT) -> int:
    mutants, killers = chosen(words, root), []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = pool.map(lambda mutant: killer_of(mutant, root), mutants)
        for mutant, killer in zip(mutants, outcomes, strict=True):
            if isinstance(killer, str):
                killers.append(killer)
                print(f"killed   {mutant}\n         by {killer}", flush=True)
            elif killer is None:
                print(f"LIVES    {mutant}\n         unnoticed by {', '.join(mutant.tests)}. {mutant.why}", flush=True)
            else:
                print(f"NOT RUN  {mutant}\n         {killer}", flush=True)
    print(f"{len(killers)} of {len(mutants)} mutants were killed.")
    if not killers:
        return int(bool(mutants))
    # A test that fails without a mutant too has killed none.
    with copy_of(root) as whole:
        false_witness = first_failure(whole, sorted(set(killers)))
    if false_witness:
        print(f"But {false_witness} fails where nothing is broken, too: what it killed does not count.")
    return int(len(killers) < len(mutants) or false_witness is not None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
