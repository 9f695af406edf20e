"""The command line, on a small copy of the course in a folder whose name is not a simple one."""

import argparse
import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from learnkit.cli import copies, environment, files, main, places, process
from learnkit.cli.command import Command, CourseError

ROOT = Path(__file__).parent.parent
look, has_pip, make_venv = environment.look, environment.has_pip, environment.make_venv  # some tests want them real


class Course:
    """A checkout in "课程 of mine", whose commands are noted and not run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.commands, self.variables = folder, [], []

    def note(self, command, variables=None) -> int:
        self.commands.append(command)
        self.variables.append(variables)
        return 0


@pytest.fixture
def course(tmp_path, monkeypatch):
    folder = tmp_path / "课程 of mine"
    (folder / "notebooks").mkdir(parents=True)
    for name in ("day1_metrics.ipynb", "day2_parameters.ipynb"):
        (folder / "notebooks" / name).write_text(f"the original {name}")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder / name)
    contents = {"FOLDER": folder, "NOTEBOOKS": folder / "notebooks", "MY": folder / "my", "VENV": folder / ".venv"}
    for name, place in {**contents, "IS_CHECKOUT": True, "PROGRAM": "python course.py"}.items():
        monkeypatch.setattr(places, name, place)
    course = Course(folder)
    monkeypatch.setattr(process, "run", course.note)
    monkeypatch.setattr(environment, "is_installed_for_this_python", lambda: False)
    monkeypatch.setattr(environment, "look", lambda *_: subprocess.CompletedProcess([], 0, "3.11", ""))
    monkeypatch.setattr(environment, "has_pip", lambda: False)
    monkeypatch.setattr(environment, "make_venv", lambda: places.VENV.mkdir(exist_ok=True))
    monkeypatch.delenv("CI", raising=False)
    return course


@pytest.fixture
def installed(course, monkeypatch):
    """The same, with all installed, and without a network: an installation would be noticed."""
    places.VENV.mkdir()
    state = {"state": environment.fingerprint(constrained=False), "extras": ["cluster", "dev", "lab"]}
    (places.VENV / "learnkit.json").write_text(json.dumps(state))
    monkeypatch.setattr(environment, "make_venv", lambda: pytest.fail("made a .venv"))
    return course


@pytest.fixture
def packaged(course, monkeypatch):
    """An installed package, started in a folder of the learner's own."""
    monkeypatch.setattr(places, "IS_CHECKOUT", False)
    monkeypatch.setattr(places, "PROGRAM", "learnkit")
    monkeypatch.setattr(environment, "is_installed_for_this_python", lambda: True)
    return course


def mine(name="day1_metrics.ipynb") -> Path:
    return places.MY / name


def publish(text, name="day1_metrics.ipynb") -> None:
    (places.NOTEBOOKS / name).write_text(text)


def jupyterlab(notebook: Path, *options: str) -> list[str]:
    """What JupyterLab is started with, after the Python."""
    ours = [f"--ServerApp.root_dir={places.MY}", "--ServerApp.use_redirect_file=False"]
    return ["-m", "jupyterlab", str(notebook), *ours, *options]


def test_lab_starts_on_a_copy_of_day_1_and_installs_nothing_that_is_there(installed):
    assert main.run(["lab"]) == 0
    (command,) = installed.commands
    assert command[1:] == jupyterlab(mine())
    assert command[0].startswith(str(places.VENV))
    assert mine().read_text() == "the original day1_metrics.ipynb"
    assert mine("day2_parameters.ipynb").exists()


@pytest.mark.parametrize(
    "day", ["day2", "2", "DAY2", "day2_parameters", "Day2_Parameters.ipynb", "my/day2_parameters.ipynb"]
)
def test_lab_takes_a_day_and_hands_the_rest_on(installed, day):
    main.run(["lab", day, "--no-browser", "--port=9999"])
    assert installed.commands[0][1:] == jupyterlab(mine("day2_parameters.ipynb"), "--no-browser", "--port=9999")


@pytest.mark.parametrize(
    ("words", "notebook", "handed_on"),
    [
        (["--port", "9000", "day2"], "day2_parameters.ipynb", ["--port", "9000"]),
        (["--no-browser", "day2"], "day2_parameters.ipynb", ["--no-browser"]),
        (["--port=9000", "2", "--debug"], "day2_parameters.ipynb", ["--port=9000", "--debug"]),
        (["--port", "2"], "day1_metrics.ipynb", ["--port", "2"]),
        (["--version"], "day1_metrics.ipynb", ["--version"]),
    ],
)
def test_the_day_may_be_anywhere_among_the_options_of_jupyterlab(installed, words, notebook, handed_on):
    main.run(["lab", *words])
    assert installed.commands[0][1:] == jupyterlab(mine(notebook), *handed_on)


def test_lab_opens_a_notebook_of_the_learners_own_by_its_path(installed, monkeypatch):
    copies.copy_notebooks()
    for word in ("my/an idea.ipynb", "an idea.ipynb", str(mine("an idea.ipynb"))):
        mine("an idea.ipynb").write_text("{}")
        monkeypatch.chdir(places.FOLDER)
        main.run(["lab", word])
        assert installed.commands[-1][1:] == jupyterlab(mine("an idea.ipynb"))


def test_a_day_that_is_not_there_is_refused_with_those_that_are(installed):
    for words in (["day9"], ["--no-browser", "day9"], ["my/day9.ipynb"], ["nine"]):
        with pytest.raises(CourseError, match=f"no notebook called {words[-1]!r}.* Known: 'day1', 'day2'"):
            main.run(["lab", *words])
    with pytest.raises(CourseError, match="opens one notebook, and was given 'day1' and 'day2'"):
        main.run(["lab", "day1", "day2"])
    assert installed.commands == []


def test_a_changed_copy_is_never_written_over(installed, capsys):
    copies.copy_notebooks()
    mine().write_text("my own work")
    copies.copy_notebooks()
    assert sorted(path.name for path in places.MY.glob("*.ipynb")) == ["day1_metrics.ipynb", "day2_parameters.ipynb"]
    publish("the second edition")
    copies.copy_notebooks()
    copies.copy_notebooks()
    assert mine().read_text() == "my own work"
    assert mine("day1_metrics.new.ipynb").read_text() == "the second edition"
    assert "newer day1_metrics.ipynb: it is now my/day1_metrics.new.ipynb" in capsys.readouterr().out
    assert not mine("day1_metrics.new2.ipynb").exists()


def test_a_newer_original_that_was_changed_too_is_not_written_over_either(installed):
    copies.copy_notebooks()
    mine().write_text("my own work")
    publish("the second edition")
    copies.copy_notebooks()
    publish("the third edition")
    copies.copy_notebooks()
    assert mine("day1_metrics.new.ipynb").read_text() == "the third edition"
    mine("day1_metrics.new.ipynb").write_text("more of my own work")
    publish("the fourth edition")
    copies.copy_notebooks()
    assert mine().read_text() == "my own work"
    assert mine("day1_metrics.new.ipynb").read_text() == "more of my own work"
    assert mine("day1_metrics.new2.ipynb").read_text() == "the fourth edition"


def test_an_unchanged_copy_follows_the_original(installed):
    copies.copy_notebooks()
    publish("the second edition")
    copies.copy_notebooks()
    assert mine().read_text() == "the second edition"
    assert len(list(places.MY.glob("*.ipynb"))) == 2


def test_copies_are_safe_if_it_is_forgotten_what_was_copied(installed):
    copies.copy_notebooks()
    mine().write_text("my own work")
    (places.MY / ".copied").write_text("not json")
    copies.copy_notebooks()
    assert mine().read_text() == "my own work"
    assert mine("day2_parameters.ipynb").exists()


def test_reset_gives_a_fresh_copy_and_keeps_the_old(installed):
    copies.copy_notebooks()
    for number, text in enumerate(["first try", "second try"]):
        mine().write_text(text)
        main.run(["reset", "day1"])
        assert mine().read_text() == "the original day1_metrics.ipynb"
        kept = f"day1_metrics.old{number + 1 if number else ''}.ipynb"
        assert mine(kept).read_text() == text
    publish("the second edition")
    copies.copy_notebooks()
    assert mine().read_text() == "the second edition"


def test_test_runs_everything_and_fast_leaves_out_notebooks_and_browser(installed):
    main.run(["test", "-x"])
    main.run(["test", "--fast"])
    whole, fast = installed.commands
    shared = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "-m", "not slow"]
    assert whole[1:] == ["-m", "pytest", "notebooks", "tests", "--nbval", "--nbval-current-env", *shared, "-x"]
    assert fast[1:] == ["-m", "pytest", "tests", "--ignore=tests/browser", *shared]


def test_slow_tests_run_with_all_alone_and_what_follows_is_pytests(installed):
    main.run(["test", "--all", "-k", "not metrics", "-n", "0"])
    main.run(["test", "-m", "slow", "--fast"])
    everything, slow = installed.commands
    assert "not slow" not in everything
    assert everything[-4:] == ["-k", "not metrics", "-n", "0"]
    assert slow[-4:] == ["-m", "not slow", "-m", "slow"]  # the last one counts


def test_mutants_hands_its_words_on(installed):
    main.run(["mutants", "attention", "--changed", "HEAD^", "metrics"])
    assert installed.commands[0][1:] == ["-m", "tools.mutants", "attention", "metrics", "--changed", "HEAD^"]


def test_the_tools_are_run_as_modules_in_the_setting_in_which_outputs_are_kept(installed, monkeypatch):
    monkeypatch.setattr(environment, "install", lambda *_, **__: None)
    monkeypatch.setattr("learnkit.cli.development.install", lambda *_, **__: None)
    main.run(["notebooks", "DAY1"])
    main.run(["studies", "day2_depth"])
    main.run(["bench", "training", "metrics"])
    notebooks, studies, bench = installed.commands
    assert notebooks[1:] == ["-m", "tools.save_notebooks", "day1"]
    assert studies[1:] == ["-m", "tools.save_studies", "day2_depth"]
    assert bench[1:] == ["-m", "benchmarks", "training", "metrics"]
    assert [variables["CUDA_VISIBLE_DEVICES"] for variables in installed.variables[:2]] == ["", ""]
    assert installed.variables[2] == process.environment()


def test_the_first_time_everything_is_installed_and_only_once(course):
    environment.install({"lab"})
    environment.install({"lab"})
    (command,) = course.commands
    assert command[1:4] == ["-m", "pip", "install"]
    assert command[-2:] == ["--editable", f"{places.FOLDER}[lab]"]
    environment.install({"lab", "dev"})
    assert course.commands[-1][-1] == f"{places.FOLDER}[dev,lab]"


def test_a_change_of_what_is_needed_or_of_the_place_installs_again(installed):
    environment.install({"lab"})
    assert installed.commands == []
    (places.FOLDER / "pyproject.toml").write_text("[project]")
    with pytest.raises(pytest.fail.Exception, match=r"made a \.venv"):
        environment.install({"lab"})


def test_another_python_in_the_venv_installs_again(installed, monkeypatch):
    monkeypatch.setattr(environment, "look", lambda *_: subprocess.CompletedProcess([], 0, "3.12", ""))
    with pytest.raises(pytest.fail.Exception, match=r"made a \.venv"):
        environment.install({"lab"})


@pytest.mark.parametrize("answer", [None, subprocess.CompletedProcess([], 1, "3.11", "")])
def test_a_venv_whose_python_or_packages_are_gone_is_installed_again(installed, monkeypatch, answer):
    monkeypatch.setattr(environment, "look", lambda *_: answer)
    with pytest.raises(pytest.fail.Exception, match=r"made a \.venv"):
        environment.install({"lab"})


@pytest.mark.parametrize("text", ["[]", "null", "3", "{}", "not json"])
def test_what_was_recorded_counts_only_as_it_was_written(installed, text):
    (places.VENV / "learnkit.json").write_text(text)
    with pytest.raises(pytest.fail.Exception, match=r"made a \.venv"):
        environment.install({"lab"})


def test_packages_that_cannot_be_imported_are_not_taken_for_installed(course, monkeypatch):
    error = "Traceback\nImportError: undefined symbol"
    monkeypatch.setattr(environment, "look", lambda *_: subprocess.CompletedProcess([], 1, "3.11", error))
    with pytest.raises(CourseError, match="cannot import what the course needs: ImportError: undefined symbol"):
        environment.install({"lab"})
    assert not (places.VENV / "learnkit.json").exists()


def test_the_learners_settings_do_not_send_packages_elsewhere(monkeypatch):
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH"):
        monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    variables = process.only_into_venv()
    assert "/elsewhere" not in variables.values()
    assert variables["PIP_USER"] == "0"
    assert variables["PIP_INDEX_URL"] == "https://mirror.example/simple"


def test_the_small_torch_comes_through_uv(course):
    main.run(["install", "--cpu"])
    assert course.commands[0][-1] == "uv"
    assert course.commands[1][1:4] == ["-m", "uv", "pip"]
    assert "--torch-backend" in course.commands[1]
    assert all(variables == process.only_into_venv() for variables in course.variables)


def test_only_ci_and_the_saving_of_notebooks_hold_to_exact_versions(course, monkeypatch):
    main.run(["test", "--fast"])
    assert "--constraint" not in course.commands[0]
    monkeypatch.setenv("CI", "true")
    main.run(["test", "--fast"])
    assert str(places.FOLDER / "constraints.txt") in course.commands[2]


def test_exact_versions_suit_whoever_asks_for_any(course):
    environment.install({"lab"}, constrained=True)
    assert len(course.commands) == 1
    environment.install({"lab"})
    assert len(course.commands) == 1


def test_a_venv_of_the_learners_own_is_not_taken_for_the_courses_after_an_installation(course, monkeypatch):
    venv.create(places.VENV, with_pip=False, symlinks=os.name != "nt")
    monkeypatch.setattr(environment, "has_pip", lambda: True)
    environment.install({"lab"})
    assert (places.VENV / "learnkit.json").exists()
    make_venv()  # as when its pip has been removed since
    assert course.commands[-1] == [str(environment.course_python()), "-m", "ensurepip"]


def test_an_installation_that_fails_says_what_to_do_and_is_not_taken_for_done(course, monkeypatch):
    monkeypatch.setattr(process, "run", lambda *_: 1)
    with pytest.raises(CourseError, match="was not finished.*start again"):
        environment.install({"lab"})
    assert not (places.VENV / "learnkit.json").exists()


def test_a_python_without_venv_is_told_what_is_missing(course, monkeypatch):
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    with pytest.raises(CourseError, match="sudo apt install python3-venv"):
        make_venv()


def test_a_venv_that_cannot_be_made_is_not_blamed_on_a_missing_package(course, monkeypatch):
    monkeypatch.setattr(process, "run", lambda *_: 1)
    with pytest.raises(CourseError, match="could not make the virtual environment.*what it said is above"):
        make_venv()


def venv_without_pip(*, owner_is_course: bool, starts: bool = True) -> Path:
    """A .venv with a file that must not be lost, and the path of its Python."""
    venv.create(places.VENV, with_pip=False, symlinks=os.name != "nt")
    (places.VENV / "somebody's own").touch()
    if owner_is_course:
        environment.write_record(made_by_course=True)
    if not starts:
        environment.course_python().unlink()
    return environment.course_python()


def test_a_venv_of_the_learners_own_without_pip_is_given_one_and_not_wiped(course, monkeypatch):
    monkeypatch.setattr(environment, "look", look)
    python = venv_without_pip(owner_is_course=False)
    make_venv()
    assert course.commands == [[str(python), "-m", "ensurepip"]]
    assert (places.VENV / "somebody's own").exists()


def test_a_venv_of_the_learners_own_that_does_not_start_is_left_as_it_is(course, monkeypatch):
    monkeypatch.setattr(environment, "look", look)
    venv_without_pip(owner_is_course=False, starts=False)
    with pytest.raises(CourseError, match="was not made by this course, and its Python does not start"):
        make_venv()
    assert (places.VENV / "somebody's own").exists()
    assert course.commands == []


def test_a_venv_that_the_course_has_made_is_made_again(course, monkeypatch):
    monkeypatch.setattr(environment, "look", look)
    venv_without_pip(owner_is_course=True, starts=False)
    make_venv()
    assert course.commands == [[sys.executable, "-m", "venv", str(places.VENV)]]
    assert [path.name for path in places.VENV.iterdir()] == ["learnkit.json"]


def test_a_folder_that_cannot_be_written_to_gets_a_clear_word(course, monkeypatch):
    def read_only(**_):
        raise PermissionError("read-only")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", read_only)
    for command in (["lab"], ["copy"], ["reset", "day1"], ["install"]):
        with pytest.raises(CourseError, match="cannot be written to.*Copy the folder to a place of your own"):
            main.run(command)
    assert not places.MY.exists()


def test_a_file_that_cannot_be_written_is_named_and_not_shown_as_a_traceback(installed, monkeypatch):
    def read_only(*_):
        raise PermissionError(13, "Permission denied", str(mine()))

    monkeypatch.setattr(copies.shutil, "copyfile", read_only)
    assert main.main(["copy"]) == (
        f"\n{mine()} cannot be read or written: Permission denied. Check whose it is, and whether the disk is full."
    )


def test_a_python_that_has_learnkit_from_this_folder_is_used_as_it_is(course, monkeypatch):
    monkeypatch.setattr(environment, "is_installed_for_this_python", lambda: True)
    main.run(["lab"])
    assert course.commands == [[sys.executable, *jupyterlab(mine())]]


def test_a_wrong_command_is_answered_with_the_right_ones(course):
    with pytest.raises(CourseError, match="no command called 'labb'. Did you mean 'lab'.*Known: .*'reset', 'install'"):
        main.run(["labb"])
    with pytest.raises(CourseError, match="python course.py reset day1"):
        main.run(["reset"])


def test_a_wrong_option_is_answered_with_the_nearest_one_and_where_they_are_listed(course):
    with pytest.raises(CourseError, match="was given '--cup', .*Did you mean '--cpu'.*python course.py install --help"):
        main.run(["install", "--cup"])
    with pytest.raises(CourseError, match="was given 'day2', which it does not take"):
        main.run(["reset", "day1", "day2"])
    with pytest.raises(CourseError, match="was not understood: .*--changed.*python course.py mutants --help"):
        main.run(["mutants", "--changed"])
    assert course.commands == []


COMMANDS = [command for group in main.GROUPS.values() for command in group]


def test_the_help_lists_every_command_with_one_sentence(course, capsys):
    for words in ([], ["--help"], ["-h"], ["help"]):
        assert main.run(words) == 0
        shown = capsys.readouterr().out
        for command in COMMANDS:
            assert f"  {command.name:<10} {command.sentence}\n" in f"{shown}\n"
            assert command.sentence.endswith(".")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_a_help_of_its_own_that_tells_of_each_argument(course, capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit) as end:
        main.run([command.name, "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: python course.py {command.name}")
    assert command.sentence in shown
    assert "{program}" not in shown
    assert all(name in shown and settings["help"] in shown for name, settings in command.arguments.items())
    assert course.commands == []


def test_a_new_command_is_a_function_and_a_line(course, capsys, monkeypatch):
    def greet(arguments: argparse.Namespace) -> int:
        print(f"Hello, {arguments.whom}.")
        return 3

    line = Command("greet", greet, "Greet somebody.", {"whom": {"help": "who is greeted"}})
    monkeypatch.setitem(main.GROUPS, "To be polite:", (line,))
    assert main.run(["greet", "world"]) == 3
    assert capsys.readouterr().out == "Hello, world.\n"
    with pytest.raises(CourseError, match="`python course.py greet` was not understood: .*whom"):
        main.run(["greet"])


def test_an_installed_package_copies_to_the_folder_where_it_is_started(packaged, monkeypatch, capsys):
    monkeypatch.setattr(copies, "find_spec", lambda _: True)  # JupyterLab
    assert main.run(["copy"]) == 0
    assert mine().read_text() == "the original day1_metrics.ipynb"
    assert f"Your copies of the notebooks are in {places.MY}." in capsys.readouterr().out
    main.run(["lab", "day2"])
    main.run(["doctor"])
    lab, doctor = packaged.commands
    assert lab == [sys.executable, *jupyterlab(mine("day2_parameters.ipynb"))]
    assert doctor == [sys.executable, "-m", "learnkit.doctor"]
    mine().write_text("my own work")
    main.run(["reset", "1"])
    assert mine("day1_metrics.old.ipynb").read_text() == "my own work"


@pytest.mark.parametrize("name", ["install", "test", "notebooks", "studies", "mutants", "bench"])
def test_what_needs_a_checkout_says_so_in_an_installed_package(packaged, name):
    with pytest.raises(CourseError, match=f"`learnkit {name}` needs a checkout.*python course.py {name}"):
        main.run([name])
    assert packaged.commands == []


def test_an_installed_package_without_jupyterlab_says_how_to_install_it(packaged, monkeypatch):
    monkeypatch.setattr(copies, "find_spec", lambda name: None)
    lines = ["torch>=2.5", "anywidget>=0.9; extra == 'lab'", "dask>=2025.1; extra == 'cluster'"]
    monkeypatch.setattr(copies.metadata, "requires", lambda name: lines if name == "learnkit-course" else [])
    with pytest.raises(CourseError, match='not installed for .* -m pip install "anywidget>=0.9"$'):
        main.run(["lab"])
    assert packaged.commands == []


def small_checkout(folder: Path) -> Path:
    """course.py with what it needs to speak, which is no package but learnkit's command line."""
    for name in ("course.py", "learnkit/__init__.py", "learnkit/errors.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "learnkit/cli", folder / "learnkit/cli")
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "day1_metrics.ipynb").write_text("the original")
    return folder / "course.py"


def start(program: Path, *words: str, options: tuple[str, ...] = (), **more) -> subprocess.CompletedProcess:
    command = [sys.executable, *options, str(program), *words]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, **more)


def test_started_as_a_program_it_refuses_in_words_and_without_a_traceback(tmp_path):
    program = small_checkout(tmp_path / "课程 of mine")
    answer = start(program, "dance", cwd=program.parent)
    assert answer.returncode == 1
    assert "There is no command called 'dance'" in answer.stderr
    assert "Traceback" not in answer.stderr
    usage = start(program, cwd=program.parent)
    assert usage.returncode == 0
    assert "Start JupyterLab" in usage.stdout


def test_it_works_from_any_folder_without_any_package_and_in_an_encoding_that_lacks_letters(tmp_path):
    program = small_checkout(tmp_path / "课程 of mine")
    variables = {**os.environ, "PYTHONIOENCODING": "ascii"}
    answer = start(program, "copy", options=("-I", "-S", "-OO"), cwd=tmp_path, env=variables)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "Your copies of the notebooks are in" in answer.stdout
    assert (program.parent / "my" / "day1_metrics.ipynb").read_text() == "the original"
    overview = start(program, "--help", options=("-I", "-S", "-OO"), cwd=tmp_path, env=variables)
    assert "Start JupyterLab on a day's notebook" in overview.stdout


def test_a_python_that_is_too_old_is_told_so_by_a_file_that_it_can_read(monkeypatch):
    text = (ROOT / "course.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert text.isascii()
    ast.parse(text, feature_version=(3, 4))
    names = {}
    exec(compile(text, "course.py", "exec", dont_inherit=True), names)
    monkeypatch.setattr(sys, "version_info", (3, 6, 15))
    monkeypatch.setattr(sys, "argv", ["course.py", "test", "--fast"])
    answer = names["main"]()
    assert "needs Python 3.10 or newer, and this is Python 3.6" in answer
    assert "python3.12 course.py test --fast" in answer
    assert "from __future__" not in text


def test_a_half_made_venv_has_no_pip(course, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "look", look)
    assert not has_pip()
    venv.create(places.VENV, with_pip=False, symlinks=os.name != "nt")
    assert not has_pip()
    monkeypatch.setattr(environment, "course_python", lambda: Path(sys.executable))
    assert has_pip()


def test_commands_run_with_utf_8_and_jupyterlab_without_its_news(monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "of my own")
    variables = process.environment()
    assert variables["PYTHONUTF8"] == "1"
    assert variables["JUPYTER_CONFIG_PATH"] == os.pathsep.join([str(places.JUPYTER), "of my own"])
    assert variables["JUPYTER_PREFER_ENV_PATH"] == "1"
    settings = json.loads((places.JUPYTER / "labconfig/default_setting_overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_to_course_py_alone_reaches_what_it_has_started(name):
    child = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    program = f"import sys; from learnkit.cli import process; sys.exit(process.run([sys.executable, '-c', {child!r}]))"
    number = getattr(signal, name)
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        child_id = int(parent.stdout.readline())
        parent.send_signal(number)
        assert parent.wait(timeout=30) == 128 + number
    with pytest.raises(ProcessLookupError):
        os.kill(child_id, 0)


def test_the_makefile_only_points_to_course_py():
    lines = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("\t")]
    assert lines == ["\t$(PYTHON) course.py $@"]
