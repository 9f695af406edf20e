"""What can be chosen in a TrainingLab, and the data that it trains on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import torch

from learnkit import devices
from learnkit.data import LabelledImages, load
from learnkit.labs.common.validation import Choice, Field, Integer, InvalidSetting, Positive, in_words
from learnkit.training import OPTIMIZERS

MAX_LAYERS = 6


@dataclass(frozen=True)
class HiddenSizes(Field):
    """The widths of up to six hidden layers, as a tuple with a number for each layer that there is."""

    default: tuple[int, ...]
    each: Integer = field(default_factory=lambda: Integer(128))

    def validate(self, name: str, value: object) -> tuple[int, ...]:
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            raise InvalidSetting(
                name, f"{in_words(name)} is {value!r}; expected a width for each hidden layer, such as (128, 256)."
            )
        if len(value) > MAX_LAYERS:
            raise InvalidSetting(name, f"{in_words(name)} has {len(value)} layers; this lab shows up to {MAX_LAYERS}.")
        try:
            return tuple(self.each.validate(f"width {number}", width) for number, width in enumerate(value, start=1))
        except InvalidSetting as error:
            raise InvalidSetting(name, str(error)) from None

    def format(self, value: tuple[int, ...]) -> str:
        return "·".join(map(str, value)) or "no hidden layer"

    def describe(self) -> dict[str, Any]:
        return {"kind": "hidden_sizes", "each": self.each.describe(), "width": self.each.default, "most": MAX_LAYERS}


ACTIVATIONS = {"none": None, "ReLU": "relu", "tanh": "tanh", "GELU": "gelu", "sigmoid": "sigmoid"}
FULLY_CONNECTED: dict[str, Field] = {"hidden": HiddenSizes((128, 256)), "activation": Choice(None, ACTIVATIONS)}
NAMES_OF_OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}


def training_fields(data: LabelledImages) -> dict[str, Field]:
    """The settings of a training on this data, on this machine."""
    images, held_out, usable = len(data.train_labels), len(data.validation_labels), devices.usable_devices()
    parts = {f"{images:,} images": "train", f"all {images + held_out:,} images": "all"}
    return {
        "optimizer": Choice("sgd", {NAMES_OF_OPTIMIZERS.get(name, name): name for name in OPTIMIZERS}),
        "learning_rate": Positive(0.01),
        "batch_size": Integer(min(200, images), maximum=images),
        "epochs": Integer(20, maximum=1000),
        "train_on": Choice("train", parts),
        "seed": Integer(0, minimum=0, maximum=1000),
        "device": Choice(usable[0], {devices.describe_device(device): device for device in usable}),
    }


def all_fields(data: LabelledImages, of_model: Mapping[str, Field]) -> dict[str, Field]:
    """The settings of the model, and those of the training.

    Raises
    ------
    ValueError
        If one of the model has the name of one of the training.
    """
    of_training = training_fields(data)
    if taken := sorted(set(of_model) & set(of_training)):
        raise ValueError(
            f"The model's parameter {taken[0]!r} has the name of one of the training's settings: "
            f"{', '.join(of_training)}. Wrap the model in a function that takes it under another name."
        )
    return {**of_model, **of_training}


@cache
def packaged_data(validation: int = 10_000) -> LabelledImages:
    """MNIST, once for all labs."""
    return load("mnist", validation=validation)


def with_held_out(data: LabelledImages) -> LabelledImages:
    """The same data, with the held-out images among those that are trained on; and still evaluated on each epoch."""
    if data is packaged_data():  # in the order of the files, as the notes had them
        everything = packaged_data(validation=0)
        images, labels = everything.train_images, everything.train_labels
    else:
        images = torch.cat([data.train_images, data.validation_images])
        labels = torch.cat([data.train_labels, data.validation_labels])
    return replace(data, train_images=images, train_labels=labels)
