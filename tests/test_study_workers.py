"""Studies on executors: threads, processes, a cluster."""

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch

from learnkit.data import LabelledImages
from learnkit.models import FullyConnected
from learnkit.study import StudyStopped, study

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
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(images)


def results(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=["seconds", "once"], errors="ignore")


@pytest.fixture(scope="module")
def expected(few_images) -> pd.DataFrame:
    return study(GRID, range(4), few_images, epochs=3, threads=1)


@pytest.fixture(scope="module")
def processes():
    # Forking the process of the tests, which has threads, could hang.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["learnkit.study"])
    return partial(ProcessPoolExecutor, 2, mp_context=context)


def test_processes_give_the_same_table(few_images, expected, processes):
    with processes() as executor:
        table = study(GRID, range(4), few_images, epochs=3, executor=executor)
    assert results(table).equals(results(expected))
    assert set(table["threads"]) == {1}


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


def test_if_a_worker_dies_finished_runs_are_kept_and_the_study_can_resume(few_images, expected, processes, tmp_path):
    path, once = tmp_path / "runs.sqlite", str(tmp_path / "died")
    # Seeds 0 and 1 of the first setting come before the seed that kills, unless the other worker is faster.
    begin = partial(study, {**GRID, "once": [once]}, range(4), few_images, epochs=3, model=Mortal, path=path)
    with processes() as executor, pytest.raises(StudyStopped, match="has lost its workers .* create a new one") as stop:
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


def test_a_model_that_cannot_be_sent_to_a_worker_is_an_error_of_each_run(few_images, processes):
    with processes() as executor, pytest.warns(UserWarning, match="4 of the 4 runs failed.* pickle"):
        table = study(GRID, [0, 1], few_images, model=lambda sizes, activation, seed: None, executor=executor)
    assert table["error"].str.contains("pickle").all()


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
