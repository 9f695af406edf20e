"""What can be chosen in a TrainingLab, and the notes' experiments."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import nn

from learnkit import doctor, models
from learnkit.data import LabelledImages, load
from learnkit.labs.parameters import Choice, Parameter, Positive, Whole, Widths, in_words
from learnkit.training import OPTIMIZERS

ACTIVATIONS = {"none": None, "ReLU": "relu", "tanh": "tanh", "GELU": "gelu", "sigmoid": "sigmoid"}
FULLY_CONNECTED = {"hidden": Widths((128, 256)), "activation": Choice(None, ACTIVATIONS)}
NAMES_OF_OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}

# The notes trained on all 60,000 images.
NOTES = {"activation": None, "optimizer": "sgd", "learning_rate": 0.01, "batch_size": 200, "seed": 0, "train_on": "all"}
NARROW = ((1, 256), (1, 2048), (4, 256), (4, 2048), (256, 1))
DEPTHS = ((128,), (128, 256), (128, 256, 256), (128, 256, 256, 1024))
PRESETS = {
    **{",".join(map(str, hidden)): {**NOTES, "hidden": hidden, "epochs": 20} for hidden in NARROW + DEPTHS},
    **{f"{epochs} epochs": {**NOTES, "hidden": (128, 256), "epochs": epochs} for epochs in (5, 20, 200)},
}


def of_training(data: LabelledImages) -> dict[str, Parameter]:
    """The parameters of a training on this data, on this machine."""
    held_out = len(data.validation_labels)
    images = len(data.train_labels)
    parts = {f"{images:,} images": "train", f"all {images + held_out:,} images": "all"}
    return {
        "optimizer": Choice("sgd", {NAMES_OF_OPTIMIZERS.get(name, name): name for name in OPTIMIZERS}),
        "learning_rate": Positive(0.01, low=1e-4, high=10.0),
        "batch_size": Whole(min(200, images), maximum=images),
        "epochs": Whole(20, maximum=1000),
        "train_on": Choice("train", parts),
        "seed": Whole(0, minimum=0, maximum=1000),
        "device": Choice.of(*usable_devices()),
    }


def usable_devices() -> list[str]:
    """The best one first."""
    best = doctor.choose_device().type
    return [best] if best == "cpu" else [best, "cpu"]


def fully_connected(data: LabelledImages, *, hidden: tuple[int, ...], activation: str | None, seed: int) -> nn.Module:
    """The net of the first two days, for this data."""
    pixels = data.train_images[0].numel()
    return models.FullyConnected((pixels, *hidden, len(data.classes)), activation, seed=seed)


@cache
def packaged_data(validation: int = 10_000) -> LabelledImages:
    """MNIST, once for all labs."""
    return load("mnist", validation=validation)


def with_held_out(data: LabelledImages) -> LabelledImages:
    """The same data, with the held-out images among those that are trained on; and still looked at after each epoch."""
    if data is packaged_data():  # in the order of the files, as the notes had them
        everything = packaged_data(validation=0)
        images, labels = everything.train_images, everything.train_labels
    else:
        images = torch.cat([data.train_images, data.validation_images])
        labels = torch.cat([data.train_labels, data.validation_labels])
    return replace(data, train_images=images, train_labels=labels)


def said(
    parameters: Mapping[str, Parameter], values: Mapping[str, Any], of_model: Iterable[str], initial: Mapping[str, Any]
) -> str:
    """A setting in a few words: the model, the optimizer, and what else is not as it was at first."""
    words = {name: parameter.said(values[name]) for name, parameter in parameters.items()}
    rest = [
        f"{in_words(name)} {words[name]}"
        for name in ("batch_size", "epochs", "train_on", "seed", "device")
        if values[name] != initial[name]
    ]
    model = " ".join(f"no {in_words(name)}" if values[name] is None else words[name] for name in of_model)
    return ", ".join([model, f"{words['optimizer']} {words['learning_rate']}", *rest])


def explained(error: Exception, values: dict[str, Any]) -> str:
    """An error that stopped a training, in words for the person at the sliders."""
    out_of_memory = isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or "allocate memory" in str(error)
    if not out_of_memory:
        return str(error) if isinstance(error, ValueError | RuntimeError) else f"{type(error).__name__}: {error}"
    smaller = max(1, values["batch_size"] // 2)
    advice = f"Try a batch size of {smaller:,}" if values["batch_size"] > 1 else "Try smaller layers"
    return (
        f"The memory of the {values['device']} is too small for this net with batches of {values['batch_size']:,} "
        f"images. {advice}; the kernel and everything in it are well."
    )
