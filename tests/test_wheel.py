"""The package as others install it: the wheel that is built here, and what it does in an environment of its own."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email import message_from_bytes
from importlib.util import find_spec
from pathlib import Path

import pytest

import learnkit

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built without a network and without an environment of its own for the build."""
    if find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the wheel, is not installed: python -m pip install hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_notebooks_the_data_and_the_library_and_nothing_else(wheel):
    assert wheel.name == f"learnkit_course-{learnkit.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        for notebook in (ROOT / "notebooks").glob("*.ipynb"):
            assert archive.read(f"learnkit/notebooks/{notebook.name}") == notebook.read_bytes()
    git = shutil.which("git") or sys.executable  # which lists nothing
    kept = subprocess.run([git, "ls-files", "learnkit"], cwd=ROOT, capture_output=True, text=True, check=False)
    if kept.returncode == 0:  # a folder without git has the same files, and nobody who lists them
        assert set(kept.stdout.split()) <= names
    assert names >= {"learnkit/py.typed", "learnkit/cli/jupyter/labconfig/default_setting_overrides.json"}
    assert len([name for name in names if re.fullmatch(r"learnkit/notebooks/day\d\w+\.ipynb", name)]) == 5
    assert len([name for name in names if name.startswith("learnkit/data/mnist/") and name.endswith("ubyte.gz")]) == 4
    assert all(name.startswith("learnkit/") for name in names)
    assert not any("checkpoint" in name and name.endswith(".ipynb") for name in names)


def test_the_metadata_name_the_distribution_and_describe_it_without_pictures(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(archive.read(name))
    assert metadata["Name"] == "learnkit-course"
    assert metadata["Version"] == learnkit.__version__
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    assert "learnkit lab" in metadata.get_payload()
    assert "](" not in metadata.get_payload()
    assert "src=" not in metadata.get_payload()


def test_an_editable_installation_holds_no_notebooks_of_its_own(wheel, tmp_path):
    program = "import sys; from hatchling.build import build_editable; build_editable(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, check=True)
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        assert [name for name in archive.namelist() if ".dist-info/" not in name] == ["_learnkit_course.pth"]
        assert archive.read("_learnkit_course.pth").decode() == str(ROOT)


@pytest.mark.slow
def test_an_installed_wheel_copies_the_notebooks_and_starts_jupyterlab_in_any_folder(wheel, tmp_path):
    home = tmp_path / "an environment"
    venv.create(home, with_pip=True, symlinks=os.name != "nt")
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CI")}

    def run(*command: str | Path) -> subprocess.CompletedProcess:
        folder = tmp_path / "我的 course"
        folder.mkdir(exist_ok=True)
        return subprocess.run(
            [programs / command[0], *command[1:]],
            cwd=folder,
            env=variables,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    installed = run("python", "-m", "pip", "install", "--no-deps", "--no-index", "--disable-pip-version-check", wheel)
    assert installed.returncode == 0, installed.stderr
    purelib = sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)})
    shared = [path for path in sys.path if path.endswith("site-packages")]  # where this Python has JupyterLab and torch
    (Path(purelib) / "shared.pth").write_text("\n".join(shared), encoding="utf-8")

    overview = run("learnkit", "--help")
    assert "Usage: learnkit COMMAND" in overview.stdout
    copied = run("learnkit", "copy")
    assert (copied.returncode, copied.stderr) == (0, "")
    mine = sorted((tmp_path / "我的 course" / "my").glob("*.ipynb"))
    assert [path.read_bytes() for path in mine] == [
        path.read_bytes() for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
    ]
    version = run("learnkit", "lab", "--version")
    assert re.fullmatch(r"\d+\.\d+\.\d+\w*", version.stdout.strip()), version.stderr
    refused = run("learnkit", "test")
    assert refused.returncode == 1
    assert "`learnkit test` needs a checkout" in refused.stderr
    program = (
        "import learnkit, importlib.metadata as m; print(learnkit.__file__, m.version('learnkit-course'), sep='\\n')"
    )
    file, version = run("python", "-c", program).stdout.splitlines()
    assert Path(file).is_relative_to(home)
    assert version == learnkit.__version__
