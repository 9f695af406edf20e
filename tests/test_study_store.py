"""A study that is interrupted and goes on, and the file that makes this possible."""

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
from learnkit.study.run import Run
from learnkit.study.store import Store, fingerprint_of
from learnkit.training import Training
from tools import killed_studies

SIZES = [(784, 10), (784, 4, 10)]
MADE = []  # what Counted was asked for, in order


class Counted(FullyConnected):
    def __init__(self, sizes: tuple[int, ...], activation: str | None = None, *, seed: int) -> None:
        MADE.append((tuple(sizes), seed))
        super().__init__(sizes, activation, seed=seed)


class Interrupting(FullyConnected):
    """With seed 2, somebody presses Ctrl-C in the middle of the training."""

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
    """A study that counts its trainings and keeps them."""
    MADE.clear()
    return partial(study, data=few_images, model=Counted, epochs=1, path=tmp_path / "runs.sqlite", threads=1)


def same(table: pd.DataFrame, other: pd.DataFrame) -> bool:
    return table.drop(columns="seconds").equals(other.drop(columns="seconds"))


def test_what_is_finished_is_not_trained_again_and_what_is_added_is(counted):
    first = counted({"sizes": SIZES}, range(2))
    assert [(SIZES[0], 0), (SIZES[0], 1), (SIZES[1], 0), (SIZES[1], 1)] == MADE
    again = counted({"sizes": SIZES}, range(2))
    pd.testing.assert_frame_equal(again, first, check_exact=True)  # seconds and all
    assert len(MADE) == 4
    more = counted({"sizes": [*SIZES, (784, 5, 10)]}, range(3))
    assert MADE[4:] == [(SIZES[0], 2), (SIZES[1], 2), ((784, 5, 10), 0), ((784, 5, 10), 1), ((784, 5, 10), 2)]
    assert more["seed"].tolist() == [0, 1, 2] * 3  # in the order of the grid, whatever came first
    kept = more[(more["sizes"] != (784, 5, 10)) & (more["seed"] < 2)].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, first, check_exact=True)


def test_the_bar_counts_all_trainings_those_that_were_kept_included_and_says_the_time_left(counted, capsys):
    counted({"sizes": SIZES}, [0])
    assert re.search(r"trainings: +0%.* 0/2 ", capsys.readouterr().err)
    counted({"sizes": SIZES}, range(2))
    assert re.search(r"trainings: +50%.* 2/4 \[\d\d:\d\d<", capsys.readouterr().err)


def test_a_default_that_is_written_out_is_the_same_training(counted):
    counted({"sizes": SIZES[:1]}, [0])
    counted({"sizes": [list(SIZES[0])], "learning_rate": [0.01], "activation": [None], "epochs": [1]}, [0])
    assert len(MADE) == 1


OTHERS = {
    "sizes": {"of_model": {"sizes": (784, 5, 10), "activation": None}},
    "activation": {"of_model": {"sizes": (784, 10), "activation": "relu"}},
    **{
        name: {"of_training": {"epochs": 2, "batch_size": 9, "optimizer": "sgd", "learning_rate": 0.1} | {name: value}}
        for name, value in {"epochs": 3, "batch_size": 8, "optimizer": "adam", "learning_rate": 0.2}.items()
    },
    "seed": {"seed": 2},
    "threads": {"threads": 3},
    "model": {"model": Counted},
    "a part of the model": {"model": partial(FullyConnected, activation="tanh")},
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_key_of_a_training_forgets_no_parameter(name):
    run = Run(
        FullyConnected,
        {"sizes": (784, 10), "activation": None},
        {"epochs": 2, "batch_size": 9, "optimizer": "sgd", "learning_rate": 0.1},
        seed=1,
        threads=2,
    )
    assert replace(run, **OTHERS[name]).key("data") != run.key("data")
    assert replace(run).key("data") == run.key("data") != run.key("other data")


def test_every_parameter_of_a_training_is_in_its_key(monkeypatch, few_images, tmp_path):
    keys = []
    monkeypatch.setattr(Store, "keep", lambda self, key, rows: keys.append(key))
    study({"sizes": SIZES[:1]}, [0], few_images, path=tmp_path / "runs.sqlite", epochs=1)
    parameters = inspect.signature(Training).parameters.keys() | inspect.signature(FullyConnected).parameters.keys()
    for name in parameters - {"model", "data"}:
        assert f'"{name}": ' in keys[0]


def test_other_images_are_another_training(counted, few_images):
    counted({"sizes": SIZES[:1]}, [0])
    brighter = few_images.train_images.clone()
    brighter[7, 3, 3] += 0.01
    counted({"sizes": SIZES[:1]}, [0], data=replace(few_images, train_images=brighter))
    assert len(MADE) == 2
    assert fingerprint_of(few_images) != fingerprint_of(replace(few_images, train_images=brighter))


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(few_images, tmp_path):
    path = tmp_path / "runs.sqlite"
    begin = partial(study, {"sizes": SIZES[:1]}, range(4), few_images, epochs=1, threads=1)
    with pytest.raises(
        KeyboardInterrupt, match=r"2 of 4 trainings are finished, and kept in .*call study again"
    ) as stop:
        begin(model=Interrupting, path=path)
    assert isinstance(stop.value, StudyInterrupted)
    assert stop.value.table["seed"].tolist() == [0, 1]
    with pytest.raises(KeyboardInterrupt, match="2 of 4"):  # which begins with the third
        begin(model=Interrupting, path=path)
    with pytest.raises(KeyboardInterrupt, match="in this exception's table") as stop:
        begin(model=Interrupting)
    assert len(stop.value.table) == 2


def test_a_study_that_is_killed_comes_out_as_if_nothing_had_been(tmp_path):
    for begun, kept, same_table in killed_studies.kill_and_go_on(3, tmp_path):
        assert begun - kept in (0, 1)
        assert same_table


def test_a_setting_that_diverges_or_is_impossible_is_a_row_with_its_error_and_the_others_finish(counted):
    sizes = [(784, width, 10) for width in range(1, 19) if width != 4]
    grid = [{"sizes": size} for size in sizes]
    grid[3:3] = [{"sizes": (784, 9)}, {"sizes": (784, 4, 10), "learning_rate": 1e30}, {"sizes": (783, 10)}]
    with pytest.warns(UserWarning, match="3 of the 20 trainings failed; the column 'error' says why"):
        table = counted(grid, [0], epochs=2)
    failed = table[table["error"].notna()]
    assert failed["sizes"].tolist() == [(784, 9), (784, 4, 10), (783, 10)]
    assert failed["epoch"].tolist() == [1, 1, 1]
    for error, words in zip(failed["error"], ["10 neurons", "TrainingDiverged: The loss", "takes 783"], strict=True):
        assert words in error
    sound = table[table["error"].isna()]
    assert sound["sizes"].tolist() == [size for size in sizes for _ in range(2)]
    assert sound["train_loss"].notna().all()
    assert same(table, retold := pd.concat([sound, failed]).sort_index())
    assert len(retold) == 37
    MADE.clear()
    with pytest.warns(UserWarning, match="3 of the 20"):
        assert same(counted(grid, [0], epochs=2), table)
    assert MADE == [((784, 9), 0), ((783, 10), 0)]  # what diverged would diverge again; the others cost nothing


def damage_header(content: bytearray) -> None:
    content[:16] = b"nothing of SQLit"


def cut_short(content: bytearray) -> None:
    del content[len(content) // 2 :]


def change_a_figure(content: bytearray) -> None:
    place = content.index(b'"train_loss": ') + len(b'"train_loss": 0.')
    content[place] = ord("7") if content[place] != ord("7") else ord("8")


@pytest.mark.parametrize("damage", [damage_header, cut_short, change_a_figure])
def test_a_damaged_store_is_set_aside_under_another_name(counted, tmp_path, damage):
    path, aside = tmp_path / "runs.sqlite", tmp_path / "runs.damaged-2.sqlite"
    first = counted({"sizes": SIZES}, range(2))
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)
    (tmp_path / "runs.damaged-1.sqlite").write_text("an older one")
    with pytest.warns(UserWarning, match=r"runs.sqlite is damaged.* It is now called runs.damaged-2.sqlite"):
        again = counted({"sizes": SIZES}, range(2))
    assert len(MADE) == 8
    assert same(again, first)
    assert aside.read_bytes() == bytes(content)
    assert (tmp_path / "runs.damaged-1.sqlite").read_text() == "an older one"
    counted({"sizes": SIZES}, range(2))
    assert len(MADE) == 8


def test_what_another_version_trained_is_left_there_and_not_used(counted, monkeypatch):
    counted({"sizes": SIZES}, [0])
    monkeypatch.setattr(store_module, "VERSION", store_module.VERSION + 1)
    with pytest.warns(UserWarning, match="holds 2 trainings of version 1 .* this is version 2"):
        counted({"sizes": SIZES}, [0])
    assert len(MADE) == 4
    monkeypatch.undo()
    with pytest.warns(UserWarning, match="holds 2 trainings of version 2"):
        counted({"sizes": SIZES}, [0])
    assert len(MADE) == 4


def test_the_database_of_another_program_is_not_touched(counted, tmp_path):
    with sqlite3.connect(tmp_path / "runs.sqlite") as connection:
        connection.execute("CREATE TABLE letters (text TEXT)")
    connection.close()
    before = (tmp_path / "runs.sqlite").read_bytes()
    with pytest.raises(ValueError, match="is a database, but not one in which this learnkit keeps trainings"):
        counted({"sizes": SIZES}, [0])
    assert (tmp_path / "runs.sqlite").read_bytes() == before
    assert MADE == []


@pytest.mark.parametrize(
    ("path", "message"),
    [("/proc/runs.sqlite", "cannot be written"), ("no/such/runs.sqlite", "There is no folder no/such")],
)
def test_a_path_that_cannot_be_written_is_said_before_anything_is_trained(counted, path, message):
    with pytest.raises(OSError, match=message):
        counted({"sizes": SIZES}, [0], path=path)
    assert MADE == []


def test_a_disk_that_fills_up_loses_nothing_that_is_finished(counted, monkeypatch, tmp_path):
    keep = Store.keep

    def keep_two(self, key, rows):
        if len(MADE) == 3:
            self._connection.execute("PRAGMA max_page_count = 1")
            self._connection.execute("PRAGMA query_only = ON")
        keep(self, key, rows)

    monkeypatch.setattr(Store, "keep", keep_two)
    with pytest.raises(StudyStopped, match=r"Nothing more can be written into .*2 of 4 trainings are finished") as stop:
        counted({"sizes": SIZES}, range(2))
    assert len(stop.value.table) == 2
    monkeypatch.undo()
    MADE.clear()
    counted({"sizes": SIZES}, range(2))
    assert len(MADE) == 2


def test_a_copy_of_the_file_is_as_good(counted, tmp_path):
    first = counted({"sizes": SIZES}, [0])
    shutil.copy(tmp_path / "runs.sqlite", tmp_path / "copy.sqlite")
    assert counted({"sizes": SIZES}, [0], path=str(tmp_path / "copy.sqlite")).equals(first)
    assert len(MADE) == 2


def test_a_model_without_a_name_of_its_own_cannot_be_kept(counted):
    with pytest.raises(ValueError, match=r"lambda.* could be taken for another .*Define it with class or def"):
        counted({"sizes": SIZES}, [0], model=lambda sizes, seed: FullyConnected(sizes, seed=seed))
