"""Do the files that a release is made of agree with each other?"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import learnkit

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, where pytest brings it along under another name
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
EXTRAS = PROJECT["optional-dependencies"]


def locked() -> set[tuple[str, str]]:
    """Name and version of every package in uv.lock; some have a version for Python 3.10 and one for newer ones."""
    return {(package["name"], package["version"]) for package in LOCK["package"] if package["name"] != PROJECT["name"]}


def test_constraints_are_the_versions_of_the_lock():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    constraints = [Requirement(line) for line in lines if not line.startswith("#")]
    named = {(canonicalize_name(constraint.name), str(constraint.specifier)) for constraint in constraints}
    assert named == {(name, f"=={version}") for name, version in locked()}


def test_bounds_are_from_below_and_the_lock_is_within_them():
    for line in [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]:
        bound = Requirement(line)
        versions = [version for name, version in locked() if name == canonicalize_name(bound.name)]
        assert [part.operator for part in bound.specifier] == [">="], line
        assert versions, line
        assert all(version in bound.specifier for version in versions), f"{line}, but uv.lock has {versions}"


def test_the_lock_was_made_for_what_pyproject_asks_for():
    (own,) = (package for package in LOCK["package"] if package["name"] == PROJECT["name"])
    found = {(line["name"], line["specifier"], line.get("marker")) for line in own["metadata"]["requires-dist"]}
    groups = {None: PROJECT["dependencies"], **{f"extra == '{name}'": lines for name, lines in EXTRAS.items()}}
    bounds = [(Requirement(line), marker) for marker, lines in groups.items() for line in lines]
    assert found == {(bound.name, str(bound.specifier), marker) for bound, marker in bounds}
    assert LOCK["requires-python"] == PROJECT["requires-python"]


def test_the_locks_have_a_hash_for_each_file_and_name_only_the_public_indexes():
    files = [
        file
        for package in LOCK["package"]
        for file in [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
    ]
    assert len(files) > 1000
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", file["hash"]) for file in files)
    hosts = re.findall(r"https?://[^/\"]+", (ROOT / "uv.lock").read_text(encoding="utf-8"))
    assert set(hosts) == {"https://pypi.org", "https://files.pythonhosted.org"}

    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    asked = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert lock[""]["devDependencies"] == asked
    for name, version in asked.items():
        assert lock[f"node_modules/{name}"]["version"] == version  # exactly, so that no newer one comes
    for name, package in lock.items():
        if name:
            assert package["integrity"].startswith("sha512-"), name
            assert package.get("resolved", "https://registry.npmjs.org/").startswith("https://registry.npmjs.org/")


def test_the_citation_and_the_changelog_name_the_version_of_the_package():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\nversion: {learnkit.__version__}\n" in citation
    assert re.search(rf"^## \[?{re.escape(learnkit.__version__)}\]?", changelog, flags=re.MULTILINE)


def test_git_keeps_every_text_file_with_the_ends_of_lines_of_unix():
    if shutil.which("git") is None:
        pytest.skip("needs git")
    answer = subprocess.run(["git", "ls-files", "--eol"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    if answer.returncode != 0:
        pytest.skip("needs a checkout made by git")
    for line in answer.stdout.splitlines():
        facts, name = line.split("\t")
        in_index, _, attributes = facts.split(maxsplit=2)
        if name.endswith((".gz", ".png")):
            assert attributes.strip() == "attr/-text", line
        else:
            assert in_index in ("i/lf", "i/none"), line
            assert attributes.strip().endswith("eol=lf"), line
