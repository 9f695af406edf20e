import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import torch
from jupyter_server import serverapp

from learnkit import doctor


@pytest.fixture
def machine(monkeypatch):
    """A machine whose graphics card, driver and build of torch are chosen by the test."""

    def make(*, card=True, driver_cuda=None, torch_cuda=None, usable=False, platform="linux"):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: usable)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        monkeypatch.setattr(torch.version, "cuda", torch_cuda)
        monkeypatch.setattr(doctor, "has_nvidia_card", lambda: card)
        monkeypatch.setattr(doctor, "driver_cuda_version", lambda: driver_cuda)
        monkeypatch.setattr(sys, "platform", platform)

    return make


def test_a_working_gpu_gets_no_diagnosis(machine):
    machine(driver_cuda="12.4", torch_cuda="12.1", usable=True)
    assert doctor.why_no_gpu() is None
    assert doctor.choose_device().type == "cuda"


@pytest.mark.parametrize(
    ("facts", "sentence", "command"),
    [
        ({"card": False, "torch_cuda": "13.0"}, "There is no NVIDIA GPU in this machine", ""),
        ({"card": False}, "There is no NVIDIA GPU in this machine", ""),
        ({"torch_cuda": "13.0"}, "no working driver", "nvidia.com/drivers"),
        ({"driver_cuda": "12.4"}, "the torch installed here is a build for CPUs", "--torch-backend=auto"),
        (
            {"driver_cuda": "12.4", "torch_cuda": "13.0"},
            "built for CUDA 13.0, and this machine's driver goes up to CUDA 12.4",
            "--torch-backend=auto",
        ),
        ({"driver_cuda": "13.1", "torch_cuda": "13.0"}, "but torch cannot use the GPU", ""),
        ({"driver_cuda": "12.10", "torch_cuda": "12.9"}, "but torch cannot use the GPU", ""),
        ({"platform": "darwin"}, "only with Apple silicon and a recent macOS", ""),
    ],
)
def test_each_reason_for_a_missing_gpu_has_its_own_diagnosis(machine, monkeypatch, facts, sentence, command):
    machine(**facts)
    monkeypatch.setattr(doctor.shutil, "which", lambda program: None)
    diagnosis = doctor.why_no_gpu()
    assert sentence in diagnosis.sentence
    assert command in diagnosis.command
    assert bool(diagnosis.command) == bool(command)
    with pytest.raises(RuntimeError, match="The device 'cuda' was requested but cannot be used"):
        doctor.choose_device("cuda")
    assert doctor.choose_device().type == "cpu"


def test_on_ubuntu_a_command_installs_the_missing_driver(machine, monkeypatch):
    machine(torch_cuda="13.0")
    monkeypatch.setattr(doctor.shutil, "which", lambda program: f"/usr/bin/{program}")
    assert doctor.why_no_gpu().command == "sudo ubuntu-drivers install"


def test_a_gpu_index_beyond_the_last_raises_an_error(machine, monkeypatch):
    machine(driver_cuda="13.0", torch_cuda="13.0", usable=True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert doctor.choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(
        RuntimeError, match="The device 'cuda:2' was requested, but the last GPU of this machine is 'cuda:1'"
    ):
        doctor.choose_device("cuda:2")


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("| NVIDIA-SMI 550.54   Driver Version: 550.54   CUDA Version: 12.4 |", "12.4"),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", None),
        ("something else", None),
    ],
)
def test_the_drivers_cuda_version_is_read_from_the_output_of_nvidia_smi(monkeypatch, output, found):
    monkeypatch.setattr(doctor.shutil, "which", lambda program: "nvidia-smi")
    answer = SimpleNamespace(stdout=output)
    monkeypatch.setattr(doctor.subprocess, "run", lambda *args, **kwargs: answer)
    assert doctor.driver_cuda_version() == found


def test_no_nvidia_smi_means_no_driver(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda program: None)
    assert doctor.driver_cuda_version() is None


@pytest.mark.parametrize(("vendor", "kind", "is_one"), [("0x10de", "0x030000", True), ("0x10de", "0x040300", False)])
def test_a_graphics_card_is_recognised_by_its_vendor_and_class(tmp_path, monkeypatch, vendor, kind, is_one):
    for name, contents in {"intel": ("0x8086", "0x030000"), "nvidia": (vendor, kind)}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(f"{contents[0]}\n")
        (tmp_path / name / "class").write_text(f"{contents[1]}\n")
    monkeypatch.setattr(doctor, "Path", lambda _: tmp_path)
    assert doctor.has_nvidia_card() == is_one


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
