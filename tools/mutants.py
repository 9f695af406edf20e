"""Break learnkit on purpose, one place at a time, and see which test notices: ``python course.py mutants [WORD …]``.

The mutants are listed in mutants.toml. Each is made in a temporary copy of the repository, in which the tests of the
changed file run until one fails: that test has killed the mutant. A mutant that survives is a gap in the tests.

With words, only the mutants whose file or name contains one of them are made; with ``--changed REVISION``, only those
whose file or tests differ from that revision of git.
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

if sys.version_info >= (3, 11):
    import tomllib
else:  # pytest brings it along under another name
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
LIST = "tools/mutants.toml"
MAX_WORKERS = min(4, os.cpu_count() or 1)  # each on one thread, and with MNIST in its memory
TIMEOUT = 600  # seconds for the tests of one mutant


class MutantError(Exception):
    """Why there is no result for a mutant: it cannot be made, or its tests cannot be run."""


@dataclass(frozen=True)
class Mutant:
    """A change that breaks the library in one place."""

    file: str
    name: str  # what is wrong in it
    why: str  # how somebody could come to write it
    old: str
    new: str
    tests: tuple[str, ...]  # files, or file::test where the file's other tests are slow and cannot notice it

    def __str__(self) -> str:
        return f"{PurePosixPath(self.file).stem}: {self.name}"

    @property
    def files(self) -> set[str]:
        """The files on which its result depends."""
        return {LIST, self.file, *(test.partition("::")[0] for test in self.tests)}

    def applied_to(self, text: str) -> str:
        count = text.count(self.old)
        if count != 1:
            raise MutantError(f"its old text occurs {count} times in {self.file} and must occur once: fix {LIST}")
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
    """A temporary copy of the repository, without what the tests of the library do not need."""
    folders = ("__pycache__", "my", "pictures", "screenshots", "notebook_differences", "node_modules")
    unneeded = shutil.ignore_patterns(".*", *folders)
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        yield Path(shutil.copytree(root, Path(folder, "copy"), ignore=unneeded))


def first_failure(folder: Path, tests: list[str] | tuple[str, ...]) -> str | None:
    """The first of these tests that fails in a folder, or None if all pass."""
    options = ["-x", "-q", "--tb=no", "--hypothesis-seed=0", "-p", "no:cacheprovider"]
    options += ["-p", "no:nbval"]  # it takes seconds to import, and no mutant needs it
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MutantError(f"its tests did not end within {TIMEOUT} seconds") from error
    if answer.returncode == 0:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) (\S+::.+?)(?: - .*)?$", answer.stdout, flags=re.MULTILINE)
    if failed is None:  # pytest ended before a test failed
        raise MutantError(f"its tests could not be run:\n{(answer.stdout + answer.stderr)[-2000:]}")
    return failed[1]


def killer_of(mutant: Mutant, root: Path) -> str | MutantError | None:
    """The test that fails, None if all pass, or the error if there is no result."""
    try:
        with copy_of(root) as copy:
            broken = copy / mutant.file
            broken.write_text(mutant.applied_to(broken.read_text(encoding="utf-8")), encoding="utf-8")
            return first_failure(copy, mutant.tests)
    except MutantError as error:
        return error


def changed_since(revision: str, root: Path) -> set[str]:
    command = ["git", "diff", "--name-only", revision, "--"]
    answer = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", check=False)
    if answer.returncode != 0:
        sys.exit(f"git cannot compare with {revision!r}: {answer.stderr.strip()}")
    return set(answer.stdout.splitlines())


def select(words: list[str], root: Path) -> list[Mutant]:
    """The mutants that the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="course.py mutants", description="Break the library on purpose, and see which test notices."
    )
    parser.add_argument("words", nargs="*", help="only mutants whose file or name contains one of these")
    parser.add_argument("--changed", metavar="REVISION", help="only those whose file or tests differ from it")
    arguments = parser.parse_args(words)
    mutants = read_list(root)
    if arguments.words:
        mutants = [mutant for mutant in mutants if any(word in f"{mutant.file} {mutant}" for word in arguments.words)]
        if not mutants:
            sys.exit(
                f"No mutant has {' or '.join(arguments.words)} in its file or name. All of them are listed in {LIST}."
            )
    if arguments.changed:
        changed = changed_since(arguments.changed, root)
        mutants = [mutant for mutant in mutants if changed & mutant.files]
    return mutants


def main(words: list[str], root: Path = ROOT) -> int:
    mutants, killers = select(words, root), []
    with ThreadPoolExecutor(MAX_WORKERS) as pool:
        outcomes = pool.map(lambda mutant: killer_of(mutant, root), mutants)
        for mutant, killer in zip(mutants, outcomes, strict=True):
            if isinstance(killer, str):
                killers.append(killer)
                print(f"killed   {mutant}\n         by {killer}", flush=True)
            elif killer is None:
                print(f"SURVIVES {mutant}\n         unnoticed by {', '.join(mutant.tests)}. {mutant.why}", flush=True)
            else:
                print(f"ERROR    {mutant}\n         {killer}", flush=True)
    print(f"{len(killers)} of {len(mutants)} mutants were killed.")
    if not killers:
        return int(bool(mutants))
    # A test that also fails without a mutant has killed none.
    with copy_of(root) as unchanged:
        unreliable = first_failure(unchanged, sorted(set(killers)))
    if unreliable:
        print(f"But {unreliable} also fails without any mutant, so the mutants that it killed do not count.")
    return int(len(killers) < len(mutants) or unreliable is not None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
