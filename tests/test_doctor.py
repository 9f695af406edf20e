import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import torch
from jupyter_server import serverapp

from learnkit import doctor


def test_a_torch_that_does_not_match_torchvision_is_recognised(monkeypatch):
    versions = {"torch": "2.13.0+cpu", "torchvision": "0.29.2"}
    monkeypatch.setattr(doctor.metadata, "version", versions.get)
    diagnosis = doctor.explain_import_error(RuntimeError("operator torchvision::nms does not exist"))
    assert "(torch 2.13.0+cpu beside torchvision 0.29.2)" in diagnosis.sentence
    assert diagnosis.command.endswith("install --force-reinstall torch torchvision")


def test_a_missing_package_is_named_with_the_command_that_installs_it():
    diagnosis = doctor.explain_import_error(ModuleNotFoundError("No module named 'seaborn'", name="seaborn"))
    assert "The package seaborn is not installed" in diagnosis.sentence
    assert diagnosis.command.endswith("-m pip install seaborn")


def test_any_other_import_error_is_quoted():
    assert "undefined symbol" in doctor.explain_import_error(ImportError("undefined symbol: iJIT")).sentence


def test_the_examination_explains_why_torchvision_cannot_be_imported(monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(doctor, "import_module", broken)
    assert "were not built for each other" in doctor.examine()


def test_the_examination_is_printed_on_the_command_line():
    answer = subprocess.run([sys.executable, "-m", "learnkit.doctor"], capture_output=True, text=True, check=True)
    assert f"torch {torch.__version__}".split("+")[0] in answer.stdout
    assert "Networks are trained on: " in answer.stdout


@pytest.mark.parametrize(
    ("policy", "directive"),
    [
        ("", None),
        ("frame-ancestors 'self'; report-uri /api/security/csp-report", None),  # which is Jupyter's own
        ("script-src 'self' blob:", None),
        ("default-src 'none'; SCRIPT-SRC-ELEM BLOB:; script-src 'self';", None),
        ("default-src *; img-src blob:", "default-src"),  # for a content policy, * does not mean blob:
        ("default-src blob:;script-src 'self'", "script-src"),
        ("script-src-elem 'self'; script-src blob:", "script-src-elem"),
        ("script-src 'self'; script-src blob:", "script-src"),  # the second is ignored
    ],
)
def test_a_policy_under_which_no_widget_loads_is_known_by_its_directive(policy, directive):
    assert doctor.directive_without_blob(policy) == directive


@pytest.fixture
def servers(monkeypatch):
    """Jupyter servers that answer with these content policies, and one that answers no more."""

    def make(*policies):
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                number = int(self.path.split("/")[1])
                self.send_response(302)
                self.send_header("Location", "http://127.0.0.1:1/somewhere/else")
                self.send_header("Content-Security-Policy", policies[number])
                self.end_headers()

            def log_message(self, *args):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        places = [f"http://127.0.0.1:{server.server_port}/{number}/" for number in range(len(policies))]
        urls = ["http://127.0.0.1:1/", "http+unix://%2Ftmp%2Fsocket/", *places]
        monkeypatch.setattr(serverapp, "list_running_servers", lambda: iter([{"url": url} for url in urls]))
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        return places

    started: list[ThreadingHTTPServer] = []
    yield make
    for server in started:
        server.shutdown()
        server.server_close()


def test_each_running_server_with_such_a_policy_is_named(servers):
    places = servers("frame-ancestors 'self'", "img-src data:, script-src 'self'; img-src *", "script-src blob:")
    (found,) = doctor.forbidding_policies()
    assert f"The Jupyter server at {places[1]} " in found.sentence
    assert "Add blob: to script-src " in found.sentence
    assert found.sentence.endswith(": script-src 'self'; img-src *")
    assert str(found) in doctor.examine()


def test_without_jupyter_there_is_no_policy_to_ask_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "jupyter_server.serverapp", None)
    assert list(doctor.forbidding_policies()) == []


@pytest.fixture
def packages(monkeypatch):
    """The distributions that are installed: a name with a version and what pip has noted of where it came from."""

    def make(**installed):
        def distribution(name):
            if name.replace("-", "_") not in installed:
                raise doctor.metadata.PackageNotFoundError(name)
            version, origin = installed[name.replace("-", "_")]
            return SimpleNamespace(version=version, read_text=lambda file: origin)

        monkeypatch.setattr(doctor.metadata, "distribution", distribution)

    return make


OURS = '{"url": "file:///the/course", "dir_info": {"editable": true}}'


@pytest.mark.parametrize(
    ("ours", "remedy"),
    [
        ({"learnkit_course": ("0.1.0", OURS)}, '--no-deps --editable "file:///the/course"'),
        (
            {"learnkit_course": ("0.1.0", '{"url": "https://example.org/c.whl"}')},
            '--no-deps "https://example.org/c.whl"',
        ),
        ({"learnkit_course": ("0.1.0", None)}, '--no-deps "PATH OR ADDRESS OF THE COURSE"'),
        ({}, '--no-deps "PATH OR ADDRESS OF THE COURSE"'),
    ],
)
def test_the_learnkit_of_the_package_index_is_known_as_a_stranger(packages, ours, remedy):
    packages(learnkit=("0.0.0", None), **ours)
    diagnosis = doctor.find_stranger()
    assert "learnkit 0.0.0 from the package index is installed" in diagnosis.sentence
    assert "somebody else's and not this course, which is called learnkit-course" in diagnosis.sentence
    uninstall, reinstall = diagnosis.command.splitlines()
    assert uninstall == f'"{sys.executable}" -m pip uninstall --yes learnkit'
    assert reinstall.endswith(remedy)
    assert str(diagnosis) in doctor.examine()


def test_this_course_under_its_old_name_or_alone_is_no_stranger(packages):
    packages(learnkit=("0.1.0", OURS))
    assert doctor.find_stranger() is None
    packages(learnkit_course=("0.1.0", OURS))
    assert doctor.find_stranger() is None
