"""course.py, on a small copy of the course in a folder whose name is not a simple one."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def course(tmp_path, monkeypatch):
    """course.py as a module of a checkout in "课程 of mine", whose commands are noted and not run."""
    home = tmp_path / "课程 of mine"
    (home / "notebooks").mkdir(parents=True)
    for name in ("day1_metrics.ipynb", "day2_parameters.ipynb"):
        (home / "notebooks" / name).write_text(f"the original {name}")
    for name in ("course.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, home / name)
    spec = importlib.util.spec_from_file_location("course", home / "course.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.commands = []

    def note(command, *, check=True, **more):
        module.commands.append(command)
        return 0

    monkeypatch.setattr(module, "run", note)
    monkeypatch.setattr(module, "is_installed_for_this_python", lambda: False)
    monkeypatch.delenv("CI", raising=False)
    return module


@pytest.fixture
def installed(course, monkeypatch):
    """The same, with all installed, and without a network: an installation would be noticed."""
    (course.VENV).mkdir()
    state = {"state": course.fingerprint(constrained=False), "extras": ["cluster", "dev", "lab"]}
    (course.VENV / "learnkit.json").write_text(json.dumps(state))
    monkeypatch.setattr(course, "make_venv", lambda: pytest.fail("made a .venv"))
    return course


def mine(course, name="day1_metrics.ipynb") -> Path:
    return course.MY / name


def publish(course, text, name="day1_metrics.ipynb") -> None:
    (course.NOTEBOOKS / name).write_text(text)


def test_lab_starts_on_a_copy_of_day_1_and_installs_nothing_that_is_there(installed):
    assert installed.main(["lab"]) == 0
    (command,) = installed.commands
    assert command[1:] == ["-m", "jupyterlab", str(mine(installed))]
    assert command[0].startswith(str(installed.VENV))
    assert mine(installed).read_text() == "the original day1_metrics.ipynb"
    assert mine(installed, "day2_parameters.ipynb").exists()


@pytest.mark.parametrize("day", ["day2", "2", "day2_parameters", "day2_parameters.ipynb"])
def test_lab_takes_a_day_and_hands_the_rest_on(installed, day):
    installed.main(["lab", day, "--no-browser", "--port=9999"])
    assert installed.commands[0][3:] == [str(mine(installed, "day2_parameters.ipynb")), "--no-browser", "--port=9999"]


def test_a_day_that_is_not_there_is_refused_with_those_that_are(installed):
    with pytest.raises(installed.Refusal, match="no notebook called 'day9'. There are: day1, day2"):
        installed.main(["lab", "day9"])


def test_a_changed_copy_is_never_written_over(installed, capsys):
    installed.copy_notebooks()
    mine(installed).write_text("my own work")
    installed.copy_notebooks()
    assert sorted(path.name for path in installed.MY.glob("*.ipynb")) == ["day1_metrics.ipynb", "day2_parameters.ipynb"]
    publish(installed, "the second edition")
    installed.copy_notebooks()
    installed.copy_notebooks()
    assert mine(installed).read_text() == "my own work"
    assert mine(installed, "day1_metrics.new.ipynb").read_text() == "the second edition"
    assert "newer day1_metrics.ipynb: it is now my/day1_metrics.new.ipynb" in capsys.readouterr().out
    assert not mine(installed, "day1_metrics.new2.ipynb").exists()


def test_a_newer_original_that_was_changed_too_is_not_written_over_either(installed):
    installed.copy_notebooks()
    mine(installed).write_text("my own work")
    publish(installed, "the second edition")
    installed.copy_notebooks()
    publish(installed, "the third edition")
    installed.copy_notebooks()
    assert mine(installed, "day1_metrics.new.ipynb").read_text() == "the third edition"
    mine(installed, "day1_metrics.new.ipynb").write_text("more of my own work")
    publish(installed, "the fourth edition")
    installed.copy_notebooks()
    assert mine(installed).read_text() == "my own work"
    assert mine(installed, "day1_metrics.new.ipynb").read_text() == "more of my own work"
    assert mine(installed, "day1_metrics.new2.ipynb").read_text() == "the fourth edition"


def test_an_unchanged_copy_follows_the_original(installed):
    installed.copy_notebooks()
    publish(installed, "the second edition")
    installed.copy_notebooks()
    assert mine(installed).read_text() == "the second edition"
    assert len(list(installed.MY.glob("*.ipynb"))) == 2


def test_copies_are_safe_if_it_is_forgotten_what_was_copied(installed):
    installed.copy_notebooks()
    mine(installed).write_text("my own work")
    (installed.MY / ".copied").write_text("not json")
    installed.copy_notebooks()
    assert mine(installed).read_text() == "my own work"
    assert mine(installed, "day2_parameters.ipynb").exists()


def test_reset_gives_a_fresh_copy_and_keeps_the_old(installed):
    installed.copy_notebooks()
    for number, text in enumerate(["first try", "second try"]):
        mine(installed).write_text(text)
        installed.main(["reset", "day1"])
        assert mine(installed).read_text() == "the original day1_metrics.ipynb"
        kept = f"day1_metrics.old{number + 1 if number else ''}.ipynb"
        assert mine(installed, kept).read_text() == text
    publish(installed, "the second edition")
    installed.copy_notebooks()
    assert mine(installed).read_text() == "the second edition"


def test_test_runs_everything_and_fast_leaves_out_notebooks_and_browser(installed):
    installed.main(["test", "-x"])
    installed.main(["test", "--fast"])
    whole, fast = installed.commands
    assert whole[1:] == ["-m", "pytest", "tests", "notebooks", "--nbval", "--nbval-current-env", "-x"]
    assert fast[1:] == ["-m", "pytest", "tests", "--ignore=tests/browser"]


def test_mutants_hands_its_words_on(installed):
    installed.main(["mutants", "attention", "--changed", "HEAD^"])
    assert installed.commands[0][1:] == ["-m", "tools.mutants", "attention", "--changed", "HEAD^"]


def test_the_first_time_everything_is_installed_and_only_once(course, monkeypatch):
    monkeypatch.setattr(course, "make_venv", lambda: course.VENV.mkdir(exist_ok=True))
    course.install({"lab"})
    course.install({"lab"})
    (command,) = course.commands
    assert command[1:4] == ["-m", "pip", "install"]
    assert command[-2:] == ["--editable", f"{course.HERE}[lab]"]
    course.install({"lab", "dev"})
    assert course.commands[-1][-1] == f"{course.HERE}[dev,lab]"


def test_a_change_of_what_is_needed_or_of_the_place_installs_again(installed):
    installed.install({"lab"})
    assert installed.commands == []
    (installed.HERE / "pyproject.toml").write_text("[project]")
    with pytest.raises(pytest.fail.Exception, match=r"made a \.venv"):
        installed.install({"lab"})


def test_the_small_torch_comes_through_uv(course, monkeypatch):
    monkeypatch.setattr(course, "make_venv", lambda: course.VENV.mkdir(exist_ok=True))
    course.main(["install", "--cpu"])
    assert course.commands[0][-1] == "uv"
    assert course.commands[1][1:4] == ["-m", "uv", "pip"]
    assert "--torch-backend" in course.commands[1]


def test_only_ci_and_the_saving_of_notebooks_hold_to_exact_versions(course, monkeypatch):
    monkeypatch.setattr(course, "make_venv", lambda: course.VENV.mkdir(exist_ok=True))
    course.main(["test", "--fast"])
    assert "--constraint" not in course.commands[0]
    monkeypatch.setenv("CI", "true")
    course.main(["test", "--fast"])
    assert str(course.HERE / "constraints.txt") in course.commands[2]


def test_an_installation_that_fails_says_what_to_do_and_is_not_taken_for_done(course, monkeypatch):
    monkeypatch.setattr(course, "make_venv", lambda: course.VENV.mkdir(exist_ok=True))
    monkeypatch.setattr(course, "run", lambda *_, **__: 1)
    with pytest.raises(course.Refusal, match="did not come to its end.*start again"):
        course.install({"lab"})
    assert not (course.VENV / "learnkit.json").exists()


def test_a_python_without_venv_is_told_what_is_missing(course):
    course.run = lambda *_, **__: 1
    with pytest.raises(course.Refusal, match="sudo apt install python3-venv"):
        course.install({"lab"})


def test_a_folder_that_cannot_be_written_to_gets_a_clear_word(course, monkeypatch):
    def read_only(**_):
        raise PermissionError("read-only")

    monkeypatch.setattr(course.tempfile, "TemporaryFile", read_only)
    for command in (["lab"], ["reset", "day1"], ["install"]):
        with pytest.raises(course.Refusal, match="cannot be written to.*Copy the folder to a place of your own"):
            course.main(command)
    assert not course.MY.exists()


def test_a_python_that_has_learnkit_from_this_folder_is_used_as_it_is(course, monkeypatch):
    monkeypatch.setattr(course, "is_installed_for_this_python", lambda: True)
    course.main(["lab"])
    assert course.commands == [[sys.executable, "-m", "jupyterlab", str(mine(course))]]


def test_a_wrong_command_is_answered_with_the_right_ones(course):
    with pytest.raises(course.Refusal, match="no command 'labb'. There are: install, reset, lab, test"):
        course.main(["labb"])
    with pytest.raises(course.Refusal, match="python course.py reset day1"):
        course.main(["reset"])


def test_started_as_a_program_it_refuses_in_words_and_without_a_traceback(tmp_path):
    shutil.copy(ROOT / "course.py", tmp_path)
    answer = subprocess.run([sys.executable, "course.py", "dance"], cwd=tmp_path, capture_output=True, text=True)
    assert answer.returncode == 1
    assert "There is no command 'dance'" in answer.stderr
    assert "Traceback" not in answer.stderr
    usage = subprocess.run([sys.executable, "course.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "python course.py lab" in usage.stdout


def test_a_half_made_venv_has_no_pip(course, tmp_path):
    assert not course.has_pip(str(tmp_path / "nowhere"))
    venv.create(tmp_path / "half", with_pip=False, symlinks=os.name != "nt")
    folder = "Scripts" if os.name == "nt" else "bin"
    assert not course.has_pip(str(tmp_path / "half" / folder / "python"))
    assert course.has_pip(sys.executable)


def test_commands_run_with_utf_8_and_jupyterlab_without_its_news(course, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "of my own")
    environment = course.environment()
    assert environment["PYTHONUTF8"] == "1"
    assert environment["JUPYTER_CONFIG_PATH"] == os.pathsep.join([str(course.HERE / "jupyter"), "of my own"])
    settings = json.loads((ROOT / "jupyter/labconfig/default_setting_overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


def test_the_makefile_only_points_to_course_py():
    lines = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("\t")]
    assert lines == ["\t$(PYTHON) course.py $@"]
