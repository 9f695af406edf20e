"""Studies on executors: threads, processes, a cluster."""

import multiprocessing
import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import torch

from learnkit.data import LabelledImages
from learnkit.models import FullyConnected
from learnkit.study import StudyStopped, study, workers

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # on Windows, SIGTERM cannot be handled either
GRID = {"sizes": [(784, 8, 10), (784, 10)], "activation": ["relu"], "learning_rate": [0.1]}


class Mortal(FullyConnected):
    """Kills its process in the middle of the training with seed 2; if `once` names a file, only the first time."""

    def __init__(self, sizes: tuple[int, ...], activation: str | None = None, once: str = "", *, seed: int) -> None:
        super().__init__(sizes, activation, seed=seed)
        self.mortal, self.once, self.calls = seed == 2, once, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.mortal and self.calls == 5 and not (self.once and os.path.exists(self.once)):
            if self.once:
                Path(self.once).touch()
            os.kill(os.getpid(), KILL)
        return super().forward(images)


def results(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=["seconds", "once"], errors="ignore")


@pytest.fixture(scope="module")
def expected(few_images) -> pd.DataFrame:
    return study(GRID, range(4), few_images, epochs=3, threads=1)


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_processes_give_the_same_table(few_images, expected, monkeypatch, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("Windows has no forkserver")
    monkeypatch.setattr(workers, "start_method", lambda: method)
    table = study(GRID, range(4), few_images, epochs=3, executor=2)
    assert results(table).equals(results(expected))
    assert set(table["threads"]) == {1}


def test_no_process_is_forked_on_any_system(monkeypatch):
    for platform, method in {"linux": "forkserver", "darwin": "forkserver", "win32": "spawn"}.items():
        monkeypatch.setattr(sys, "platform", platform)
        assert workers.start_method() == method


def test_threads_give_the_same_table_and_fetch_the_data_once(few_images, expected):
    asked = []

    def data() -> LabelledImages:
        asked.append(1)
        return few_images

    with ThreadPoolExecutor(1) as executor:
        table = study(GRID, range(4), data, epochs=3, executor=executor)
    assert results(table).equals(results(expected))
    assert len(asked) == 1


def test_data_may_be_a_function_without_an_executor_too(few_images, expected):
    table = study(GRID, range(4), lambda: few_images, epochs=3, threads=1)
    assert results(table).equals(results(expected))


def test_a_study_restores_the_number_of_threads(few_images):
    before = torch.get_num_threads()
    study(GRID, [0], few_images, epochs=1, threads=before + 1)
    assert torch.get_num_threads() == before


def test_if_a_worker_dies_finished_runs_are_kept_and_the_study_can_resume(few_images, expected, tmp_path):
    path, once = tmp_path / "runs.sqlite", str(tmp_path / "died")
    # Seeds 0 and 1 of the first setting come before the seed that kills, unless the other worker is faster.
    begin = partial(study, {**GRID, "once": [once]}, range(4), few_images, epochs=3, model=Mortal, path=path)
    with (
        workers.processes(2) as executor,
        pytest.raises(StudyStopped, match="has lost its workers .* create a new one") as stop,
    ):
        begin(executor=executor)
    finished = len(stop.value.table) // 3
    assert f"{finished} of 8 runs are finished and saved in {path}" in str(stop.value)
    table = begin(threads=1)  # an executor's workers have one by default
    assert results(table).equals(results(expected))
    pd.testing.assert_frame_equal(table.merge(stop.value.table), stop.value.table, check_exact=True)  # seconds and all


def test_an_executor_that_was_shut_down_is_rejected(few_images):
    with ThreadPoolExecutor(1) as executor:
        pass
    with pytest.raises(ValueError, match="accepts no more work .* Create a new one"):
        study(GRID, [0], few_images, executor=executor)


def test_what_cannot_be_sent_to_a_process_is_named_at_once(few_images, mnist):
    with pytest.raises(ValueError, match="lambda.* cannot be sent to another process .* has a name"):
        study(GRID, [0, 1], few_images, model=lambda sizes, activation, seed: None, executor=2)
    with pytest.raises(ValueError, match="function .*lambda.* cannot be sent to another process"):
        study(GRID, [0, 1], lambda: few_images, executor=2)


def test_what_a_notebook_defines_cannot_be_imported_by_a_process(few_images, monkeypatch):
    class Net(FullyConnected):
        """As if a cell had defined it."""

    def load() -> LabelledImages:
        return few_images

    for thing in (Net, load):
        thing.__module__, thing.__qualname__ = "__main__", thing.__name__
    notebook = ModuleType("__main__")
    vars(notebook).update(Net=Net, load=load)
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    with pytest.raises(ValueError, match=r"Net is defined in a notebook .* from nets import Net\."):
        study(GRID, [0], few_images, model=Net, executor=1)
    with pytest.raises(ValueError, match=r"load is defined in a notebook"):
        study(GRID, [0], load, executor=1)
    with ThreadPoolExecutor(1) as executor:  # which needs not import anything
        assert study(GRID, [0], load, model=Net, epochs=1, executor=executor)["error"].isna().all()


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="Windows cannot fork")
def test_an_executor_that_forks_is_refused(few_images):
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as executor,
        pytest.raises(ValueError, match=r"makes its processes by fork.* executor=2"),
    ):
        study(GRID, [0], few_images, executor=executor)


@pytest.mark.parametrize("executor", [0, True, -1])
def test_a_number_of_processes_is_a_whole_number(few_images, executor):
    with pytest.raises(ValueError, match="executor is .*; expected a whole number, 1 or more"):
        study(GRID, [0], few_images, executor=executor)


def test_a_worker_that_cannot_see_the_data_file_says_what_to_do(few_images, monkeypatch):
    monkeypatch.setattr("torch.save", lambda data, file: None)
    with ThreadPoolExecutor(1) as executor, pytest.warns(UserWarning, match="Give study a function instead"):
        study(GRID, [0], few_images, executor=executor)


@pytest.mark.slow
def test_a_cluster_gives_the_same_table_although_one_process_is_killed(few_images, expected, tmp_path):
    from distributed import Client, LocalCluster  # here, so that the other tests' workers need not import it

    once = tmp_path / "died"
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "worker_dashboard_address": None}
    with LocalCluster(processes=True, **options) as cluster, Client(cluster) as client:
        before = set(client.run(os.getpid).values())
        table = study(
            {**GRID, "once": [str(once)]},
            range(4),
            few_images,
            epochs=3,
            model=Mortal,
            path=tmp_path / "runs.sqlite",
            executor=client.get_executor(),
        )
        after = set(client.run(os.getpid).values())
    assert once.exists()
    assert len(before - after) == 1
    assert results(table).equals(results(expected))
