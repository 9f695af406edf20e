"""Attention, seen while it is learnt: a tiny transformer says digits backwards, as they are, or in order. Day 5."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from learnkit import plots
from learnkit.labs.digit_training import LEARNING_RATE, DigitTraining
from learnkit.labs.lab import LabThatTrains
from learnkit.labs.showing import Shown
from learnkit.labs.transformer_view import STYLE, TransformerView
from learnkit.models import TinyTransformer

SECONDS_BETWEEN_REDRAWS = 1 / 20


class TransformerLab(LabThatTrains):
    """Press Train, and see where each head of a transformer looks while it learns.

    It learns in the background: no cell has to be running, and others can run beside it. What is shown of the heads is
    how they read one example; the accuracy is that on 500 other sequences, drawn beforehand.

    Parameters
    ----------
    task
        ``"reverse"``, ``"copy"`` or ``"sort"``.
    length
        Digits in a sequence, up to 16.
    num_heads, num_blocks, embed_dim
        Of the `learnkit.models.TinyTransformer`.
    learning_rate
        Of Adam.
    steps
        After so many it ends.
    seed
        Of the net's first weights, and of the digits.

    Attributes
    ----------
    training
        The newest `DigitTraining`.
    values
        Its setting.

    Raises
    ------
    ValueError
        For a setting that cannot be.

    Examples
    --------
    ::

        TransformerLab("sort", num_heads=4)
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
        self.values = {
            "task": task,
            "length": length,
            "num_heads": num_heads,
            "num_blocks": num_blocks,
            "embed_dim": embed_dim,
            "learning_rate": learning_rate,
            "steps": steps,
            "seed": seed,
        }
        self.training = DigitTraining(**self.values)
        super().__init__()

    # ------------------------------------------------------------ what the next cell can use

    @property
    def model(self) -> TinyTransformer:
        """The net."""
        return self.training.model

    @property
    def task(self) -> str:
        """What it learns."""
        return self.training.task

    @property
    def step(self) -> int:
        """How many steps were made."""
        return self.training.step

    @property
    def losses(self) -> np.ndarray:
        """The loss of each step."""
        return np.array(self.training.losses)

    @property
    def accuracy(self) -> float:
        """The share of digits said right in 500 sequences, when it was last tested."""
        return self.training.accuracy

    @property
    def digits(self) -> list[int]:
        """The example."""
        return self.training.digits[0].tolist()

    @property
    def answer(self) -> list[int]:
        """What the net said to the example, when it was last asked."""
        return self.training.seen.answer

    @property
    def weights(self) -> Float[Tensor, "block head query key"]:
        """Where each head looked then."""
        return self.training.seen.weights

    def figure(self) -> Figure:
        """The heatmaps as a picture."""
        digits, seen = self.digits, self.training.seen
        said = [f"{digit} → {says}" for digit, says in zip(digits, seen.answer, strict=True)]
        weights = seen.weights[0] if len(seen.weights) == 1 else seen.weights
        return plots.attention_heatmap(weights, said, [str(digit) for digit in digits])

    # ------------------------------------------------------------ what the controls do

    def train(self) -> None:
        """Go on; or begin again, if the training is over."""
        if self.status in ("ended", "stopped"):
            self._begin()
        self._runner.start(partial(self._train, self.training))

    def reset(self) -> None:
        """Back to a net that has not been trained yet."""
        self.pause()
        self._begin()

    def change(self, **values: Any) -> None:
        """Take other values, such as ``task="sort"``, and train a new net. If one cannot be taken, none is."""
        training = DigitTraining(**{**self.values, **values})
        self.values |= values
        self._begin(training)
        self.train()

    def _begin(self, training: DigitTraining | None = None) -> None:
        """With a new net. A thread that still makes a step of the old one's finds that nobody asks for more."""
        self.training = DigitTraining(**self.values) if training is None else training
        self.status, self.message = "ready", ""
        self._show_values()
        self._redraw()

    # ------------------------------------------------------------ what the thread does

    def _train(self, training: DigitTraining) -> Iterator[None]:
        redraw_at = 0.0
        try:
            for _ in training:
                self._be("training", training)
                if time.perf_counter() >= redraw_at:
                    training.look()
                    self._redraw()
                    redraw_at = time.perf_counter() + SECONDS_BETWEEN_REDRAWS
                yield
        finally:
            training.look()
            self._be("ended" if training.step == training.steps else "paused", training)

    def _be(self, status: str, training: DigitTraining) -> None:
        if training is self.training:  # or else it was reset meanwhile
            self.status = status

    # ------------------------------------------------------------ what is on the page

    def __repr__(self) -> str:
        return f"TransformerLab({self.task}; {self.status}: step {self.step:,}, accuracy {self.accuracy:.3f})"

    def _make_page(self) -> Shown:
        self._view = TransformerView(self)
        return Shown(self._view.root, STYLE)
