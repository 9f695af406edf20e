"""A tiny transformer that learns to say digits backwards, as they are, or in order; without widgets."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import cross_entropy

from learnkit.errors import check_whole_number, unknown
from learnkit.labs.parameters import Positive
from learnkit.models import TinyTransformer
from learnkit.threads import number_for, using

Digits = Int64[Tensor, "batch time"]

TASKS: dict[str, Callable[[Digits], Digits]] = {
    "reverse": lambda digits: digits.flip(1),
    "copy": lambda digits: digits,
    "sort": lambda digits: digits.sort(dim=1).values,
}
EXAMPLE = (3, 1, 4, 1, 5, 9, 2, 6)  # of which as many as a sequence is long, and again from the beginning
LONGEST = 16  # a sequence whose heatmaps can still be looked at side by side
BATCH = 32
TESTED = 500  # sequences, drawn before the training, from a generator of their own
STEPS_BETWEEN_TESTS = 25
LEARNING_RATE = Positive(5e-4, 1e-4, 0.1)  # by default, and how far a slider goes


@dataclass(frozen=True)
class Seen:
    """What the net made of the example at some step."""

    step: int
    answer: list[int]
    weights: Float[Tensor, "block head query key"]  # on the CPU


class DigitTraining:
    """To go through it is to train: each time that the next is asked for, it makes one step, on digits drawn for it.

    It takes what `learnkit.labs.TransformerLab` takes, and refuses what cannot be.

    Attributes
    ----------
    model
        The net.
    step
        How many steps were made.
    losses
        Of each step's batch, before the step.
    accuracies
        The share of digits said right in 500 other sequences: before the first step, and then every 25 steps.
    digits
        An example, as a batch of one.
    seen
        What the net made of it, when it was last looked at.
    """

    def __init__(
        self,
        task: str = "reverse",
        *,
        length: int = 6,
        num_heads: int = 2,
        num_blocks: int = 1,
        embed_dim: int = 32,
        learning_rate: float = LEARNING_RATE.default,
        steps: int = 2_000,
        seed: int = 0,
    ) -> None:
        if task not in TASKS:
            raise unknown("task", task, TASKS)
        check_whole_number("length", length)
        check_whole_number("steps", steps)
        if length > LONGEST:
            raise ValueError(f"length is {length}; expected at most {LONGEST} digits.")
        learning_rate = LEARNING_RATE.checked("learning_rate", learning_rate)
        self.task, self.length, self.steps, self.learning_rate = task, length, steps, learning_rate
        self.model = TinyTransformer(
            10, length, embed_dim=embed_dim, num_heads=num_heads, num_blocks=num_blocks, seed=seed
        )
        self._optimizer = torch.optim.Adam(self.model.parameters(), lr=learning_rate)
        self._generator = torch.Generator().manual_seed(seed)
        self.digits = torch.tensor([(EXAMPLE * LONGEST)[:length]])
        self._tested = self._draw(TESTED)
        self.step = 0
        self.losses: list[float] = []
        self.accuracies: list[float] = []
        self._test()
        self.look()

    def __iter__(self) -> Iterator[None]:
        while self.step < self.steps:
            with using(number_for(self.model, BATCH * self.length)):
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
    def look(self) -> Seen:
        """Ask the net for the example, as it is now; what is not finite any more is not looked at."""
        logits, weights = self.model(self.digits)
        if logits.isfinite().all():
            self.seen = Seen(self.step, logits[0].argmax(-1).tolist(), torch.stack(weights)[:, 0])
        return self.seen

    def _make_step(self) -> None:
        digits = self._draw(BATCH)
        logits, _ = self.model(digits, need_weights=False)
        loss = cross_entropy(logits.flatten(0, 1), TASKS[self.task](digits).flatten())
        value = loss.item()
        if not math.isfinite(value):
            raise ValueError(
                f"After {self.step} steps the loss is no number any more. The learning rate is {self.learning_rate:g}: "
                f"try {self.learning_rate / 10:g}."
            )
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
        self.accuracies.append((logits.argmax(-1) == TASKS[self.task](self._tested)).double().mean().item())

    def _draw(self, count: int) -> Digits:
        return torch.randint(0, 10, (count, self.length), generator=self._generator)
