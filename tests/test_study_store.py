"""Interrupting and resuming a study, and the file that makes it possible."""

import inspect
import re
import shutil
import sqlite3
from dataclasses import replace
from functools import partial

import pandas as pd
import pytest
import torch

from learnkit.models import FullyConnected
from learnkit.study import StudyInterrupted, StudyStopped, study
from learnkit.study import store as store_module
from learnkit.study.store import Store, fingerprint_of
from learnkit.study.trial import Trial
from learnkit.training import Training
from tools import killed_studies

SIZES = [(784, 10), (784, 4, 10)]
MADE = []  # the nets that Counted has made, in order


class Counted(FullyConnected):
    def __init__(self, sizes: tuple[int, ...], activation: str | None = None, *, seed: int) -> None:
        MADE.append((tuple(sizes), seed))
        super().__init__(sizes, activation, seed=seed)


class Interrupting(FullyConnected):
    """With seed 2, Ctrl-C is pressed in the middle of the training."""

    def __init__(self, sizes: tuple[int, ...], *, seed: int) -> None:
        super().__init__(sizes, seed=seed)
        self.calls = 0 if seed == 2 else -1_000_000

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls == 3:
            raise KeyboardInterrupt
        return super().forward(images)


@pytest.fixture
def counted(few_images, tmp_path):
    """A study that counts its runs and saves them."""
    MADE.clear()
    return partial(study, data=few_images, model=Counted, epochs=1, path=tmp_path / "runs.sqlite", threads=1)


def same(table: pd.DataFrame, other: pd.DataFrame) -> bool:
    return table.drop(columns="seconds").equals(other.drop(columns="seconds"))


def test_finished_runs_are_not_trained_again_and_added_ones_are(counted):
    first = counted({"sizes": SIZES}, range(2))
    assert [(SIZES[0], 0), (SIZES[0], 1), (SIZES[1], 0), (SIZES[1], 1)] == MADE
    again = counted({"sizes": SIZES}, range(2))
    pd.testing.assert_frame_equal(again, first, check_exact=True)  # seconds and all
    assert len(MADE) == 4
    more = counted({"sizes": [*SIZES, (784, 5, 10)]}, range(3))
    assert MADE[4:] == [(SIZES[0], 2), (SIZES[1], 2), ((784, 5, 10), 0), ((784, 5, 10), 1), ((784, 5, 10), 2)]
    assert more["seed"].tolist() == [0, 1, 2] * 3  # in the order of the grid, not of training
    kept = more[(more["sizes"] != (784, 5, 10)) & (more["seed"] < 2)].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, first, check_exact=True)


def test_the_progress_bar_counts_saved_runs_too_and_shows_the_time_left(counted, capsys):
    counted({"sizes": SIZES}, [0])
    assert re.search(r"runs: +0%.* 0/2 ", capsys.readouterr().err)
    counted({"sizes": SIZES}, range(2))
    assert re.search(r"runs: +50%.* 2/4 \[\d\d:\d\d<", capsys.readouterr().err)


def test_a_default_that_is_given_explicitly_is_the_same_run(counted):
    counted({"sizes": SIZES[:1]}, [0])
    counted({"sizes": [list(SIZES[0])], "learning_rate": [0.01], "activation": [None], "epochs": [1]}, [0])
    assert len(MADE) == 1


OTHERS = {
    "sizes": {"model_kwargs": {"sizes": (784, 5, 10), "activation": None}},
    "activation": {"model_kwargs": {"sizes": (784, 10), "activation": "relu"}},
    **{
        name: {
            "training_kwargs": {"epochs": 2, "batch_size": 9, "optimizer": "sgd", "learning_rate": 0.1} | {name: value}
        }
        for name, value in {"epochs": 3, "batch_size": 8, "optimizer": "adam", "learning_rate": 0.2}.items()
    },
    "seed": {"seed": 2},
    "threads": {"threads": 3},
    "model": {"model": Counted},
    "a part of the model": {"model": partial(FullyConnected, activation="tanh")},
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_field_of_a_run_changes_its_key(name):
    trial = Trial(
        FullyConnected,
        {"sizes": (784, 10), "activation": None},
        {"epochs": 2, "batch_size": 9, "optimizer": "sgd", "learning_rate": 0.1},
        seed=1,
        threads=2,
    )
    assert replace(trial, **OTHERS[name]).key("data") != trial.key("data")
    assert replace(trial).key("data") == trial.key("data") != trial.key("other data")


def test_every_parameter_of_training_and_model_is_in_the_key(monkeypatch, few_images, tmp_path):
    keys = []
    monkeypatch.setattr(Store, "keep", lambda self, key, rows: keys.append(key))
    study({"sizes": SIZES[:1]}, [0], few_images, path=tmp_path / "runs.sqlite", epochs=1)
    parameters = inspect.signature(Training).parameters.keys() | inspect.signature(FullyConnected).parameters.keys()
    for name in parameters - {"model", "data"}:
        assert f'"{name}": ' in keys[0]


def test_other_images_make_another_run(counted, few_images):
    counted({"sizes": SIZES[:1]}, [0])
    brighter = few_images.train_images.clone()
    brighter[7, 3, 3] += 0.01
    counted({"sizes": SIZES[:1]}, [0], data=replace(few_images, train_images=brighter))
    assert len(MADE) == 2
    assert fingerprint_of(few_images) != fingerprint_of(replace(few_images, train_images=brighter))


def test_ctrl_c_keeps_finished_runs_and_says_how_to_resume(few_images, tmp_path):
    path = tmp_path / "runs.sqlite"
    begin = partial(study, {"sizes": SIZES[:1]}, range(4), few_images, epochs=1, threads=1)
    with pytest.raises(KeyboardInterrupt, match=r"2 of 4 runs are finished and saved in .*Call study again") as stop:
        begin(model=Interrupting, path=path)
    assert isinstance(stop.value, StudyInterrupted)
    assert stop.value.table["seed"].tolist() == [0, 1]
    with pytest.raises(KeyboardInterrupt, match="2 of 4"):  # it resumes with the third run
        begin(model=Interrupting, path=path)
    with pytest.raises(KeyboardInterrupt, match="in this exception's table") as stop:
        begin(model=Interrupting)
    assert len(stop.value.table) == 2


@pytest.mark.slow
def test_a_killed_study_resumes_to_the_same_table(tmp_path):
    for begun, saved, same_table in killed_studies.kill_and_resume(3, tmp_path):
        assert begun - saved in (0, 1)
        assert same_table


def test_a_setting_that_diverges_or_is_impossible_gives_a_row_with_its_error_and_the_others_finish(counted):
    sizes = [(784, width, 10) for width in range(1, 19) if width != 4]
    grid = [{"sizes": size} for size in sizes]
    grid[3:3] = [{"sizes": (784, 9)}, {"sizes": (784, 4, 10), "learning_rate": 1e30}, {"sizes": (783, 10)}]
    with pytest.warns(UserWarning, match="3 of the 20 runs failed; the column 'error' says why"):
        table = counted(grid, [0], epochs=2)
    failed = table[table["error"].notna()]
    assert failed["sizes"].tolist() == [(784, 9), (784, 4, 10), (783, 10)]
    assert failed["epoch"].tolist() == [1, 1, 1]
    for error, part in zip(failed["error"], ["10 neurons", "TrainingDiverged: The loss", "expects 783"], strict=True):
        assert part in error
    sound = table[table["error"].isna()]
    assert sound["sizes"].tolist() == [size for size in sizes for _ in range(2)]
    assert sound["train_loss"].notna().all()
    assert same(table, rejoined := pd.concat([sound, failed]).sort_index())
    assert len(rejoined) == 37
    MADE.clear()
    with pytest.warns(UserWarning, match="3 of the 20"):
        assert same(counted(grid, [0], epochs=2), table)
    assert MADE == [((784, 9), 0), ((783, 10), 0)]  # what diverged would diverge again and is not retried


def damage_header(content: bytearray) -> None:
    content[:16] = b"nothing of SQLit"


def cut_short(content: bytearray) -> None:
    del content[len(content) // 2 :]


def change_a_figure(content: bytearray) -> None:
    place = content.index(b'"train_loss": ') + len(b'"train_loss": 0.')
    content[place] = ord("7") if content[place] != ord("7") else ord("8")


@pytest.mark.parametrize("damage", [damage_header, cut_short, change_a_figure])
def test_a_damaged_file_is_renamed_and_replaced(counted, tmp_path, damage):
    path, aside = tmp_path / "runs.sqlite", tmp_path / "runs.damaged-2.sqlite"
    first = counted({"sizes": SIZES}, range(2))
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)
    (tmp_path / "runs.damaged-1.sqlite").write_text("an older one")
    with pytest.warns(UserWarning, match=r"runs.sqlite is damaged.* It has been renamed to runs.damaged-2.sqlite"):
        again = counted({"sizes": SIZES}, range(2))
    assert len(MADE) == 8
    assert same(again, first)
    assert aside.read_bytes() == bytes(content)
    assert (tmp_path / "runs.damaged-1.sqlite").read_text() == "an older one"
    counted({"sizes": SIZES}, range(2))
    assert len(MADE) == 8


def test_runs_from_another_version_are_kept_but_not_used(counted, monkeypatch):
    counted({"sizes": SIZES}, [0])
    old, new = store_module.VERSION, store_module.VERSION + 1
    monkeypatch.setattr(store_module, "VERSION", new)
    with pytest.warns(UserWarning, match=f"holds 2 runs from version {old} .* this is version {new},"):
        counted({"sizes": SIZES}, [0])
    assert len(MADE) == 4
    monkeypatch.undo()
    with pytest.warns(UserWarning, match=f"holds 2 runs from version {new} "):
        counted({"sizes": SIZES}, [0])
    assert len(MADE) == 4


def test_the_database_of_another_program_is_left_unchanged(counted, tmp_path):
    with sqlite3.connect(tmp_path / "runs.sqlite") as connection:
        connection.execute("CREATE TABLE letters (text TEXT)")
    connection.close()
    before = (tmp_path / "runs.sqlite").read_bytes()
    with pytest.raises(ValueError, match="is a database, but not one that this version of learnkit stores runs in"):
        counted({"sizes": SIZES}, [0])
    assert (tmp_path / "runs.sqlite").read_bytes() == before
    assert MADE == []


@pytest.mark.parametrize(
    ("path", "message"),
    [("/proc/runs.sqlite", "cannot be written"), ("no/such/runs.sqlite", "There is no folder no/such")],
)
def test_a_path_that_cannot_be_written_is_rejected_before_anything_is_trained(counted, path, message):
    with pytest.raises(OSError, match=message):
        counted({"sizes": SIZES}, [0], path=path)
    assert MADE == []


def test_a_full_disk_loses_no_finished_run(counted, monkeypatch, tmp_path):
    keep = Store.keep

    def keep_two(self, key, rows):
        if len(MADE) == 3:
            self._connection.execute("PRAGMA max_page_count = 1")
            self._connection.execute("PRAGMA query_only = ON")
        keep(self, key, rows)

    monkeypatch.setattr(Store, "keep", keep_two)
    with pytest.raises(StudyStopped, match=r"No more can be written to .*2 of 4 runs are finished") as stop:
        counted({"sizes": SIZES}, range(2))
    assert len(stop.value.table) == 2
    monkeypatch.undo()
    MADE.clear()
    counted({"sizes": SIZES}, range(2))
    assert len(MADE) == 2


def test_a_copy_of_the_file_works_as_well(counted, tmp_path):
    first = counted({"sizes": SIZES}, [0])
    shutil.copy(tmp_path / "runs.sqlite", tmp_path / "copy.sqlite")
    assert counted({"sizes": SIZES}, [0], path=str(tmp_path / "copy.sqlite")).equals(first)
    assert len(MADE) == 2


def test_a_model_without_a_name_of_its_own_cannot_be_saved(counted):
    with pytest.raises(ValueError, match=r"lambda.* could be mistaken for another\. Define it with class or def"):
        counted({"sizes": SIZES}, [0], model=lambda sizes, seed: FullyConnected(sizes, seed=seed))
