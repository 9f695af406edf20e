"""Many trainings, one table: settings × seeds."""

import inspect
import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn
from tqdm.auto import tqdm

from learnkit import metrics
from learnkit.data import LabelledImages
from learnkit.errors import unknown
from learnkit.models import FullyConnected
from learnkit.training import Evaluation, Training

STORED = Path(__file__).parent / "stored"
LAST = 200  # images: the notes looked at one batch


def study(
    grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    seeds: Iterable[int],
    data: LabelledImages,
    *,
    model: Callable[..., nn.Module] = FullyConnected,
    epochs: int = 20,
) -> pd.DataFrame:
    """Train a model with each setting and each seed, one after the other.

    Parameters
    ----------
    grid
        Lists of values by the names of `Training`'s and the model's parameters: each combination is a setting. Or a
        list of settings, as dicts.
    seeds
        Each is both the model's and the training's.
    data
        What to train on. If images were held out for validation, they are looked at after every epoch.
    model
        Is called with the model's part of a setting and with ``seed``.
    epochs
        Of each training, unless the grid says otherwise.

    Returns
    -------
    pandas.DataFrame
        A row for each setting, seed and epoch. Columns: what the setting says; ``seed``, ``epoch``; ``train_loss``, the
        mean over the epoch's steps; ``validation_loss``, ``validation_accuracy``, ``validation_precision``,
        ``validation_recall``, ``validation_f1`` (macro) and ``validation_last_200``, the accuracy of the last 200
        images; the same for the test set in the row of the last epoch, NaN in the others; ``seconds`` of training so
        far; ``parameters`` and ``threads``, how many.

    Raises
    ------
    ValueError
        If there is no setting or no seed, or if neither `Training` nor the model has a parameter of some name.
    """
    settings, seeds = _settings(grid), list(seeds)
    if not settings or not seeds:
        raise ValueError(f"{len(settings)} settings and {len(seeds)} seeds make no training; give one of each or more.")
    of_training = set(inspect.signature(Training).parameters) - {"model", "data", "seed"}
    of_model = set(inspect.signature(model).parameters) - {"seed"}
    for name in itertools.chain.from_iterable(settings):
        if name not in of_training | of_model:
            raise unknown("parameter of the model or of Training", name, sorted(of_training | of_model))
    runs = list(itertools.product(settings, seeds))
    rows = []
    for setting, seed in tqdm(runs, desc="trainings", leave=False):
        net = model(**{name: value for name, value in setting.items() if name in of_model}, seed=seed)
        options = {"epochs": epochs} | {name: value for name, value in setting.items() if name in of_training}
        training = Training(net, data, **options, seed=seed)
        rows += [{**setting, "seed": seed, **row} for row in _run(training)]
    return pd.DataFrame(rows)


def stored(name: str) -> pd.DataFrame:
    """A table of trainings that take long, as kept with learnkit; ``python course.py studies NAME`` makes it again.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    known = {path.stem: path for path in sorted(STORED.glob("*.csv"))}
    if name not in known:
        raise unknown("stored study", name, known)
    return pd.read_csv(known[name], comment="#")


def _settings(grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if not isinstance(grid, Mapping):
        return [dict(setting) for setting in grid]
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def _run(training: Training) -> Iterable[dict[str, Any]]:
    """Train to the end; a row for each epoch."""
    parameters = sum(parameter.numel() for parameter in training.model.parameters())
    seconds, start, losses = 0.0, time.perf_counter(), []
    for epoch, step, loss in training:
        losses.append(loss)
        if step % training.steps_per_epoch:
            continue
        row = {"epoch": epoch, "train_loss": torch.stack(losses).mean().item()}
        seconds += time.perf_counter() - start
        if len(training.data.validation_labels):
            row |= _figures("validation", training.evaluate("validation"))
        if step == len(training):
            row |= _figures("test", training.evaluate("test"))
        yield row | {"seconds": seconds, "parameters": parameters, "threads": torch.get_num_threads()}
        start, losses = time.perf_counter(), []


def _figures(split: str, evaluation: Evaluation) -> dict[str, float]:
    matrix = evaluation.confusion_matrix
    right = evaluation.predictions == evaluation.labels
    figures = {
        "loss": evaluation.loss,
        "accuracy": evaluation.accuracy,
        "precision": metrics.precision(matrix).item(),
        "recall": metrics.recall(matrix).item(),
        "f1": metrics.f1(matrix).item(),
        f"last_{LAST}": right[-LAST:].double().mean().item(),
    }
    return {f"{split}_{name}": figure for name, figure in figures.items()}
