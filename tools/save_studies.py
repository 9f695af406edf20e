"""Make the tables in learnkit/stored again: ``python course.py studies [NAME …]``.

Results of nonlinear networks differ a little from machine to machine, seconds a lot. The finished runs of Day 2's
studies are kept in a file beside the table until that is written, so that an interrupted study can be continued.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import torch

from benchmarks import recurrent
from learnkit import data, models
from learnkit.errors import unknown
from learnkit.study import STORED, study
from tools.notebook_definitions import definitions

EXTREMES = [(784, *hidden, 10) for hidden in ((1, 256), (1, 2048), (4, 256), (4, 2048), (256, 1), (128, 256))]
DEPTHS = [(784, *hidden, 10) for hidden in ((), (128,), (128, 256), (128, 256, 256), (128, 256, 256, 1024))]
WAYS: list[dict[str, Any]] = [
    {"activation": None, "optimizer": "sgd", "learning_rate": 0.01},  # the notes'
    {"activation": None, "optimizer": "sgd", "learning_rate": 0.1},
    {"activation": "relu", "optimizer": "adam", "learning_rate": 0.001},
]


def day2_extremes() -> pd.DataFrame:
    """Extreme widths and the usual net, five seeds, trained on all 60,000 images."""
    return study({"sizes": EXTREMES}, range(5), data.load("mnist"), path=_unfinished("day2_extremes"))


def day2_depth() -> pd.DataFrame:
    """Five depths, trained as in the notes and in two other ways, five seeds, on all 60,000 images."""
    grid = [{"sizes": sizes, **way} for way in WAYS for sizes in DEPTHS]
    return study(grid, range(5), data.load("mnist"), path=_unfinished("day2_depth"))


def day2_epochs() -> pd.DataFrame:
    """The notes' net for 200 epochs, five seeds; 10,000 images are held out for validation."""
    held_out = data.load("mnist", validation=10_000)
    return study({"sizes": [(784, 128, 256, 10)]}, range(5), held_out, path=_unfinished("day2_epochs"), epochs=200)


def day4_notes() -> pd.DataFrame:
    """The notes' RNN as in Day 4, including the last update of the state."""
    settings = [
        {"activation": "tanh", "optimizer": "sgd", "learning_rate": 0.01, "epochs": 20, "batch_size": 200},
        {"activation": "relu", "optimizer": "sgd", "learning_rate": 0.01, "epochs": 20, "batch_size": 200},
        {"activation": "relu", "optimizer": "adam", "learning_rate": 0.001, "epochs": 5, "batch_size": 200},
        {"activation": "relu", "optimizer": "adam", "learning_rate": 0.001, "epochs": 5, "batch_size": 64},
    ]
    return study(settings, range(5), data.load("mnist"), model=_notes_rnn)


def _notes_rnn(activation: str, *, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return definitions("day4_rnn_vectorised")["NotesRNN"](activation=getattr(torch, activation))


def day4_nonlinearity() -> pd.DataFrame:
    """Day 4's network with tanh and with ReLU, five seeds; 10,000 images are held out for validation."""
    net = partial(models.ElmanRNN, 28, 128, 10)
    settings = [{"nonlinearity": name, "optimizer": "adam", "learning_rate": 0.001} for name in ("tanh", "relu")]
    return study(settings, range(5), data.load("mnist", validation=10_000), model=net, epochs=3)


def day4_accuracy() -> pd.DataFrame:
    """Day 4's training in two stages, five seeds; 10,000 images are held out for validation."""
    with ProcessPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,)) as workers:
        return pd.concat(workers.map(_in_two_stages, range(5)), ignore_index=True)


def _in_two_stages(seed: int) -> pd.DataFrame:
    train = definitions("day4_rnn_vectorised")["train_in_two_stages"]
    net = models.ElmanRNN(28, 128, 10, seed=seed)
    training, rows = train(net, data.load("mnist", validation=10_000), seed)
    table = pd.DataFrame(rows, columns=["train_loss", "validation_loss", "validation_accuracy"])
    table.loc[len(table) - 1, "test_accuracy"] = training.evaluate("test").accuracy
    return table.assign(seed=seed, epoch=range(1, len(table) + 1)).set_index(["seed", "epoch"]).reset_index()


def day4_ladder() -> pd.DataFrame:
    """Milliseconds for 200 images, forward and backward: medians of one run."""
    ladder = recurrent.ladder()
    return pd.DataFrame([{"way": way, "milliseconds": 1000 * median(seconds)} for way, seconds in ladder.items()])


def day5_rows() -> pd.DataFrame:
    """Images as 28 rows: Day 5's attention block and Day 4's RNN, five seeds; 10,000 images are held out."""
    settings = [{"reader": reader, "optimizer": "adam", "learning_rate": 0.001} for reader in ("attention", "RNN")]
    return study(settings, range(5), data.load("mnist", validation=10_000), model=_reader, epochs=12)


def _reader(reader: str, *, seed: int) -> torch.nn.Module:
    if reader == "attention":
        return definitions("day5_attention")["RowReader"](seed=seed)
    return models.ElmanRNN(28, 128, 10, seed=seed)


def _unfinished(name: str) -> Path:
    return STORED / f"{name}.sqlite"


STUDIES = {
    make.__name__: make
    for make in (
        day2_extremes,
        day2_depth,
        day2_epochs,
        day4_notes,
        day4_nonlinearity,
        day4_accuracy,
        day4_ladder,
        day5_rows,
    )
}


if __name__ == "__main__":
    for name in sys.argv[1:]:
        if name not in STUDIES:
            sys.exit(str(unknown("stored study", name, STUDIES)))
    for name in sys.argv[1:] or STUDIES:
        print(f"Training for the table {name}.", flush=True)
        table = STUDIES[name]()
        threads = table["threads"].max() if "threads" in table else torch.get_num_threads()
        table = table.drop(columns=["threads", "error"], errors="ignore")
        rounded = {
            column: table[column].round(3 if column == "seconds" else 5) for column in table.select_dtypes("float")
        }
        header = f"# python course.py studies {name}: {STUDIES[name].__doc__}\n"
        header += f"# PyTorch {torch.__version__}, CPU threads: {threads:g}.\n"
        (STORED / f"{name}.csv").write_text(header + table.assign(**rounded).to_csv(index=False), encoding="utf-8")
        _unfinished(name).unlink(missing_ok=True)
