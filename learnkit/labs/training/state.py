"""What a TrainingLab knows, without a browser: its settings, its run, what is pinned, and what is shown of them."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pandas as pd
from torch import nn

from learnkit import devices, models
from learnkit.data import LabelledImages
from learnkit.errors import is_out_of_memory
from learnkit.labs.common.runner import Steps
from learnkit.labs.common.state import Settings, StateThatTrains
from learnkit.labs.common.validation import Field, in_words
from learnkit.labs.training.experiments import ANSWERS, PRESETS, Expectation, preset
from learnkit.labs.training.frame import Pin, RunFrames
from learnkit.labs.training.settings import FULLY_CONNECTED, all_fields, packaged_data, with_held_out
from learnkit.run import Run
from learnkit.training import Training

MAX_PINS = 8
LOOKED = (
    "Accuracy on {images:,} test images: {accuracy:.3f}. You have looked once. From now on choose nothing by it.",
    "Accuracy on {images:,} test images: {accuracy:.3f}. You have looked {times} times: a test set that one chooses by "
    "is a validation set.",
)
PINS_ARE_FULL = "{count} runs are pinned, and there is no space for more. Unpin them first."
NOTHING_TO_PIN = "Nothing has been trained yet that could be pinned. Press Train first."
NO_QUESTION = "There is nothing to expect yet: choose a preset first."
OUT_OF_MEMORY = (
    "The memory of the {device} is too small for this net with batches of {batch_size:,} images. {advice}; the kernel "
    "and everything in it are well."
)


class TrainingState(StateThatTrains):
    """Settings, and a training with them that can be paused at each step.

    Parameters are those of `learnkit.labs.TrainingLab`.

    Attributes
    ----------
    run, of_run
        The newest training, and its settings.
    pins
        What was kept of other runs.
    test_evaluations
        How often the test images were looked at.
    """

    def __init__(
        self,
        data: LabelledImages | None = None,
        model: Callable[..., nn.Module] | None = None,
        parameters: Mapping[str, Field] | None = None,
        **values: Any,
    ) -> None:
        if (model is None) != (parameters is None):
            raise ValueError("A model and its parameters belong together: give both, or neither.")
        if data is not None and len(data.validation_labels) == 0:
            raise ValueError("This data has no validation images. Hold some out: load(..., validation=10_000).")
        self.data = packaged_data() if data is None else data
        self._model = partial(fully_connected, self.data) if model is None else model
        self.presets = PRESETS if model is None else {}
        self.of_model = list(FULLY_CONNECTED if parameters is None else parameters)
        super().__init__(all_fields(self.data, FULLY_CONNECTED if parameters is None else parameters), **values)
        self.initial = self.settings
        self._placed: dict[tuple[str, str], LabelledImages] = {}
        self.pins: list[Pin] = []
        self.test_evaluations = 0
        self.expectation: Expectation | None = None
        self._begin()

    @property
    def constants(self) -> dict[str, Any]:
        """What the page is told once."""
        diagnosis = devices.why_no_gpu()
        return {
            "of_model": self.of_model,
            "presets": list(self.presets),
            "answers": ANSWERS,
            "classes": self.data.classes,
            "hint": "" if diagnosis is None else diagnosis.sentence,
        }

    # ------------------------------------------------------------ what a person does

    def change(self, **values: Any) -> None:
        """Take other values; the next training begins with them. If one cannot be taken, none is."""
        super().change(**values)
        self.expectation = None

    def train(self, steps: int | float = math.inf) -> Steps:
        """Go on, or begin anew if there is nothing to go on with; so many steps, or to the end."""
        if self.of_run is not self.settings or self.run.is_over or self.status == "stopped":
            self._begin()
        run, last = self.run, self.run.training.step + steps
        self.status = "training"
        try:
            for _ in run:
                yield
                self.status = "training"  # it may have waited for another lab
                if run.training.step >= last and not run.needs_evaluation:
                    break
        finally:
            self.status = "ended" if run.is_over else "paused"

    def reset(self) -> Steps:
        """Begin with a net that has not been trained yet."""
        self._begin()
        self.expectation, self.status = None, "ready"
        return
        yield

    def pin(self) -> None:
        """Keep the present run's curves, and its row in `runs`."""
        if len(self.pins) == MAX_PINS:
            raise ValueError(PINS_ARE_FULL.format(count=MAX_PINS))
        if not self.run.training.step:
            raise ValueError(NOTHING_TO_PIN)
        self.pins = [*self.pins, Pin(self.run, self.of_run, self.label)]

    def unpin(self) -> None:
        """Let go of all that is pinned."""
        self.pins = []

    def evaluate_test(self) -> float:
        """The accuracy on the test images; how often one has looked at them is counted, and said."""
        accuracy = self.run.training.evaluate("test").accuracy
        self.test_evaluations += 1
        words = LOOKED[self.test_evaluations > 1]
        images = len(self.data.test_labels)
        self.message = words.format(images=images, accuracy=accuracy, times=self.test_evaluations)
        return accuracy

    def preset(self, name: str) -> bool:
        """Take the settings of one of the notes' experiments; whether there is a run to compare it with."""
        plain, values = preset(name, self.presets)
        before = self.run.rows[-1] if self.run.rows else None
        self.change(**values)
        self.message = ""
        if before is not None:
            self.expectation = Expectation(plain, before[f"{self.run.held_out}_accuracy"])
        return before is not None

    def expect(self, answer: str) -> None:
        """Answer the question that `preset` has asked."""
        if self.expectation is None:
            raise ValueError(NO_QUESTION)
        self.expectation = self.expectation.answered(answer)

    # ------------------------------------------------------------ what comes of it

    @property
    def runs(self) -> pd.DataFrame:
        """A row for each pinned run: its settings, and the latest row of its results."""
        return pd.DataFrame([pin.row for pin in self.pins], index=range(1, len(self.pins) + 1))

    @property
    def label(self) -> str:
        """The run's settings in a few words: the model, the optimizer, and what else is not as it was at first."""
        of_run = self.of_run
        words = {name: self.format(name, of_run) for name in self.fields}
        model = [f"no {in_words(name)}" if of_run[name] is None else words[name] for name in self.of_model]
        others = [
            f"{in_words(name)} {words[name]}"
            for name in ("batch_size", "epochs", "train_on", "seed", "device")
            if of_run[name] != self.initial[name]
        ]
        return ", ".join([" ".join(model), f"{words['optimizer']} {words['learning_rate']}", *others])

    def frame(self) -> tuple[dict[str, Any], list[bytes]]:
        """All that the page shows, as JSON by names; and the curve of the losses."""
        names, curve = self._frames.frame(self.status)
        is_asking = self.expectation is not None and not self.expectation.answer
        return {
            "status": self.status,
            "message": self.message,
            "question": self.expectation.question if self.expectation is not None and is_asking else None,
            "pins": [pin.for_page for pin in self.pins],
            **names,
        }, [curve]

    # ------------------------------------------------------------ what the thread calls

    def rest(self) -> None:
        """There is nothing more to do; was it as expected?"""
        if self.status == "ended" and self.expectation is not None and self.expectation.answer:
            self.message = self.expectation.verdict(self.run.rows[-1][f"{self.run.held_out}_accuracy"])
            self.expectation = None

    def fail(self, error: Exception) -> None:
        """Say what has stopped the training."""
        super().fail(error)
        if is_out_of_memory(error):
            batch_size, device = self.settings["batch_size"], self.format("device", self.settings)
            smaller = f"Try a batch size of {batch_size // 2:,}" if batch_size > 1 else "Try smaller layers"
            self.message = OUT_OF_MEMORY.format(device=device, batch_size=batch_size, advice=smaller)

    def _begin(self) -> None:
        """With a new net, at its beginning."""
        settings = self.settings
        net = self._model(**{name: settings[name] for name in self.of_model}, seed=settings["seed"])
        names = ("epochs", "batch_size", "optimizer", "learning_rate", "seed", "device")
        training = Training(net, self._images(settings), **{name: settings[name] for name in names})
        self.run = Run(training, held_out="seen" if settings["train_on"] == "all" else "validation")
        self._frames = RunFrames(self.run, self.data.classes)
        self.of_run = settings

    def _images(self, settings: Settings) -> LabelledImages:
        """What to train on and to evaluate on, on the device, where it is copied once."""
        key = settings["train_on"], settings["device"]
        if key not in self._placed:
            data = with_held_out(self.data) if key[0] == "all" else self.data
            self._placed[key] = data.to(key[1])
        return self._placed[key]


def fully_connected(data: LabelledImages, *, hidden: tuple[int, ...], activation: str | None, seed: int) -> nn.Module:
    """The net of the first two days, for this data."""
    pixels = data.train_images[0].numel()
    return models.FullyConnected((pixels, *hidden, len(data.classes)), activation, seed=seed)
