"""What can be chosen in a TrainingLab, how a training is made of it, and the notes' experiments."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import torch
from torch import nn

from learnkit import doctor, models
from learnkit.data import LabelledImages, load
from learnkit.errors import unknown
from learnkit.labs.parameters import Choice, Parameter, Positive, Whole, Widths, in_words
from learnkit.labs.training_run import Run
from learnkit.training import OPTIMIZERS, Training

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


class TrainingSetup:
    """Data, a model, and what can be chosen; makes a run of what was chosen. Parameters as for `TrainingLab`.

    Attributes
    ----------
    parameters
        All that can be chosen, by name: first those of the model.
    of_model
        The names of those.
    presets
        Settings that have names.
    initial
        The values to begin with.
    """

    def __init__(
        self,
        data: LabelledImages | None,
        model: Callable[..., nn.Module] | None,
        parameters: Mapping[str, Parameter] | None,
        initial: Mapping[str, Any],
    ) -> None:
        if (model is None) != (parameters is None):
            raise ValueError("A model and its parameters belong together: give both, or neither.")
        if data is not None and len(data.validation_labels) == 0:
            raise ValueError("This data has no validation images. Hold some out: load(..., validation=10_000).")
        self.data = packaged_data() if data is None else data
        self._model = partial(fully_connected, self.data) if model is None else model
        self.presets = PRESETS if model is None else {}
        self.of_model = list(FULLY_CONNECTED if parameters is None else parameters)
        self.parameters = {**(FULLY_CONNECTED if parameters is None else parameters), **of_training(self.data)}
        defaults = {name: parameter.default for name, parameter in self.parameters.items()}
        self.initial = defaults | self.checked(initial)
        self._placed: dict[tuple[str, str], LabelledImages] = {}

    def checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values as they will be used; a ValueError if one of them cannot be."""
        for name in values:
            if name not in self.parameters:
                raise unknown("parameter of this lab", name, self.parameters)
        return {name: self.parameters[name].checked(name, value) for name, value in values.items()}

    def build(self, values: dict[str, Any]) -> Run:
        """A run of these values, at its beginning."""
        net = self._model(**{name: values[name] for name in self.of_model}, seed=values["seed"])
        settings = ("epochs", "batch_size", "optimizer", "learning_rate", "seed", "device")
        training = Training(net, self._images(values), **{name: values[name] for name in settings})
        return Run(values, training, "train" if values["train_on"] == "all" else "validation", self._label(values))

    def _images(self, values: dict[str, Any]) -> LabelledImages:
        """What to train on and to look at, on the device, where it is copied once."""
        key = values["train_on"], values["device"]
        if key not in self._placed:
            data = with_held_out(self.data) if key[0] == "all" else self.data
            self._placed[key] = data.to(key[1])
        return self._placed[key]

    def _label(self, values: dict[str, Any]) -> str:
        """A setting in a few words: the model, the optimizer, and what else is not as it was at first."""
        words = {name: parameter.said(values[name]) for name, parameter in self.parameters.items()}
        model = [f"no {in_words(name)}" if values[name] is None else words[name] for name in self.of_model]
        rest = [
            f"{in_words(name)} {words[name]}"
            for name in ("batch_size", "epochs", "train_on", "seed", "device")
            if values[name] != self.initial[name]
        ]
        return ", ".join([" ".join(model), f"{words['optimizer']} {words['learning_rate']}", *rest])


def with_held_out(data: LabelledImages) -> LabelledImages:
    """The same data, with the held-out images among those that are trained on; and still looked at after each epoch."""
    if data is packaged_data():  # in the order of the files, as the notes had them
        everything = packaged_data(validation=0)
        images, labels = everything.train_images, everything.train_labels
    else:
        images = torch.cat([data.train_images, data.validation_images])
        labels = torch.cat([data.train_labels, data.validation_labels])
    return replace(data, train_images=images, train_labels=labels)


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
