"""A tiny transformer that learns to say digits backwards, as they are, or in order."""

import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy

from learnkit.labs.common.state import Settings
from learnkit.labs.common.validation import Choice, Field, Integer, Positive
from learnkit.models import TinyTransformer
from learnkit.threads import number_for, using

Digits = Int64[Tensor, "batch time"]

TASKS: dict[str, Callable[[Digits], Digits]] = {
    "reverse": lambda digits: digits.flip(1),
    "copy": lambda digits: digits,
    "sort": lambda digits: digits.sort(dim=1).values,
}
EXAMPLE = (3, 1, 4, 1, 5, 9, 2, 6)  # of which as many as a sequence is long, and again from the beginning
MAX_LENGTH = 16  # of a sequence whose heatmaps can still be looked at side by side
BATCH = 32
TESTED = 500  # sequences, drawn before the training, from a generator of their own
STEPS_BETWEEN_TESTS = 25
DIVERGED = "After {step} steps the loss is no number any more. The learning rate is {rate:g}: try {smaller:g}."

NAMES = {"say it backwards": "reverse", "say it again": "copy", "say it in order": "sort"}
FIELDS: dict[str, Field] = {
    "task": Choice("reverse", NAMES),
    "length": Integer(6, maximum=MAX_LENGTH),
    "num_heads": Integer(2, maximum=64),
    "num_blocks": Integer(1, maximum=8),
    "embed_dim": Integer(32, maximum=512),
    "learning_rate": Positive(5e-4, 1e-4, 0.1),
    "steps": Integer(2_000, maximum=1_000_000),
    "seed": Integer(0, minimum=0, maximum=1_000_000),
}


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What the net made of the example at some step."""

    step: int
    answer: list[int]
    weights: Float[Tensor, "block head query key"]  # on the CPU


class DigitTraining:
    """To go through it is to train: each time that the next is asked for, it makes one step, on digits drawn for it.

    Parameters
    ----------
    settings
        A value for each of `FIELDS`.

    Attributes
    ----------
    model
        The net.
    threads
        Of the CPU, for each step.
    step
        How many steps were made.
    losses
        Of each step's batch, before the step.
    accuracies
        The share of digits said right in 500 other sequences: before the first step, and then every 25 steps.
    digits
        An example, as a batch of one.
    snapshot
        What the net made of it, when it was last asked.
    """

    def __init__(self, settings: Settings) -> None:
        self.task, self.length, self.steps = settings["task"], settings["length"], settings["steps"]
        self.learning_rate = settings["learning_rate"]
        sizes = {name: settings[name] for name in ("embed_dim", "num_heads", "num_blocks", "seed")}
        self.model = TinyTransformer(10, self.length, **sizes)
        self.threads = number_for(self.model, BATCH * self.length)
        self._optimizer = torch.optim.Adam(self.model.parameters(), lr=self.learning_rate)
        self._generator = torch.Generator().manual_seed(settings["seed"])
        self.digits = torch.tensor([(EXAMPLE * MAX_LENGTH)[: self.length]])
        self._tested = self._draw(TESTED)
        self.step = 0
        self.losses = array("d")
        self.accuracies = array("d")
        self._test()
        self.look()

    def __iter__(self) -> Iterator[None]:
        while self.step < self.steps:
            with using(self.threads):
                self._make_step()
            yield

    @property
    def accuracy(self) -> float:
        """The share of digits said right, when it was last tested."""
        return self.accuracies[-1]

    @property
    def expected(self) -> list[int]:
        """What should be said to the example."""
        return TASKS[self.task](self.digits)[0].tolist()

    @torch.no_grad()
    def look(self) -> Snapshot:
        """Ask the net for the example, as it is now; what is not finite any more is not looked at."""
        logits, weights = self.model(self.digits)
        if logits.isfinite().all():
            self.snapshot = Snapshot(self.step, logits[0].argmax(-1).tolist(), torch.stack(weights)[:, 0])
        return self.snapshot

    def _make_step(self) -> None:
        digits = self._draw(BATCH)
        logits, _ = self.model(digits, need_weights=False)
        loss = cross_entropy(logits.flatten(0, 1), TASKS[self.task](digits).flatten())
        value = loss.item()
        if not math.isfinite(value):
            raise ValueError(DIVERGED.format(step=self.step, rate=self.learning_rate, smaller=self.learning_rate / 10))
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self.step += 1
        self.losses.append(value)
        if self.step % STEPS_BETWEEN_TESTS == 0 or self.step == self.steps:
            self._test()

    @torch.no_grad()
    def _test(self) -> None:
        logits, _ = self.model(self._tested, need_weights=False)
        correct = logits.argmax(-1) == TASKS[self.task](self._tested)
        self.accuracies.append(correct.sum().item() / correct.numel())

    def _draw(self, count: int) -> Digits:
        return torch.randint(0, 10, (count, self.length), generator=self._generator)
