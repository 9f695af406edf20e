"""The runner of the mutants, on a library of one line, and whether each mutant of learnkit can still be made."""

import ast
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tools.mutants import LIST, ROOT, main, read_list

DOUBLE = "def double(x):\n    return 2 * x\n"
TESTS = "from library import double\n\n\ndef test_three_doubled_is_six():\n    assert double(3) == 6\n"
KILLED = {"name": "added", "why": "A sign.", "old": "2 * x", "new": "2 + x"}
SURVIVOR = {"name": "squared by half", "why": "Right for three.", "old": "2 * x", "new": "x * x - x"}
GONE = {"name": "gone", "why": "The line was changed.", "old": "x << 1", "new": "x"}
TWICE = {"name": "twice", "why": "Too short.", "old": "x", "new": "y"}
NOT_PYTHON = {"name": "not Python", "why": "A bracket.", "old": "2 * x", "new": "(2 * x"}


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A repository with one function and one test, and a way to list mutants of it."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "_hypothesis_pytestplugin")  # whose seed is given
    (tmp_path / "tests").mkdir()
    (tmp_path / "tools").mkdir()
    (tmp_path / "library.py").write_text(DOUBLE)
    (tmp_path / "tests/test_library.py").write_text(TESTS)

    def write(*mutants: dict[str, str]) -> Path:
        entries = ('[["library.py"]]\n' + "".join(f"{key} = '{text}'\n" for key, text in m.items()) for m in mutants)
        (tmp_path / LIST).write_text("\n".join(entries))
        return tmp_path

    return write


def test_a_mutant_that_a_test_notices_is_killed_and_the_library_is_left_as_it_was(library, capsys):
    root = library(KILLED)
    assert main([], root) == 0
    output = capsys.readouterr().out
    assert "killed   library: added\n         by tests/test_library.py::test_three_doubled_is_six" in output
    assert "1 of 1 mutants were killed." in output
    assert (root / "library.py").read_text() == DOUBLE


def test_a_mutant_that_no_test_notices_survives_and_fails_the_run(library, capsys):
    assert main([], library(KILLED, SURVIVOR)) == 1
    output = capsys.readouterr().out
    assert "SURVIVES library: squared by half\n         unnoticed by tests/test_library.py. Right for three." in output
    assert "1 of 2 mutants were killed." in output


@pytest.mark.parametrize(
    ("mutant", "reason"),
    [
        (GONE, "its old text occurs 0 times in library.py"),
        (TWICE, "its old text occurs 2 times in library.py"),
        (NOT_PYTHON, "its tests could not be run"),
        ({**KILLED, "new": "next(n for n in iter(int, 1) if n)"}, "its tests did not end within 3 seconds"),
    ],
)
def test_a_mutant_without_a_result_fails_the_run_and_says_why(library, capsys, monkeypatch, mutant, reason):
    monkeypatch.setattr("tools.mutants.TIMEOUT", 3 if "end within" in reason else 60)
    assert main([], library(mutant)) == 1
    output = capsys.readouterr().out
    assert f"ERROR    library: {mutant['name']}\n         {reason}" in output


def test_a_test_that_also_fails_without_mutants_has_killed_none(library, capsys):
    root = library(KILLED)
    (root / "tests/test_library.py").write_text(TESTS.replace("6", "7"))
    assert main([], root) == 1
    assert "test_three_doubled_is_six also fails without any mutant" in capsys.readouterr().out


def test_words_select_mutants_and_a_word_that_is_in_none_is_an_error(library, capsys):
    root = library(KILLED, SURVIVOR)
    assert main(["add"], root) == 0
    assert "squared" not in capsys.readouterr().out
    with pytest.raises(SystemExit, match="No mutant has subtracted in its file or name"):
        main(["subtracted"], root)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_after_a_change_only_the_mutants_of_changed_files_are_made(library, capsys):
    root = library(KILLED)
    (root / "README.md").write_text("A library.")
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=all"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, *command], cwd=root, check=True)
    (root / "README.md").write_text("A library of one line.")
    assert main(["--changed", "HEAD"], root) == 0
    assert "0 of 0 mutants" in capsys.readouterr().out
    (root / "library.py").write_text(f"{DOUBLE}\n")
    assert main(["--changed", "HEAD"], root) == 0
    assert "1 of 1 mutants" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="git cannot compare with 'yesterday'"):
        main(["--changed", "yesterday"], root)


@pytest.mark.parametrize("mutant", read_list(ROOT), ids=str)
def test_the_old_text_of_each_mutant_occurs_once_and_the_changed_file_is_python(mutant):
    broken = mutant.applied_to((ROOT / mutant.file).read_text(encoding="utf-8"))
    assert mutant.new != mutant.old
    assert all((ROOT / file).exists() for file in mutant.files)
    if mutant.file.endswith(".py"):
        ast.parse(broken)


def test_no_two_mutants_have_the_same_name():
    counts = Counter(map(str, read_list(ROOT)))
    assert [name for name, count in counts.items() if count > 1] == []
