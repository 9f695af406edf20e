"""What a TransformerLab knows, without a browser: its settings, its training, and what the page shows of it."""

from typing import Any

import numpy as np

from learnkit.labs.common.curves import in_blocks, thinned
from learnkit.labs.common.runner import Steps
from learnkit.labs.common.state import StateThatTrains, computed_on
from learnkit.labs.transformer.digits import FIELDS, STEPS_BETWEEN_TESTS, DigitTraining

PROGRESS = "step {step:,} of {steps:,}"


class TransformerState(StateThatTrains):
    """A training with some settings that can be paused at each step.

    Parameters are those of `learnkit.labs.TransformerLab`.

    Attributes
    ----------
    training
        The newest one.
    """

    def __init__(self, **values: Any) -> None:
        super().__init__(FIELDS, **values)
        self.training = DigitTraining(self.settings)

    def change(self, **values: Any) -> None:
        """Take other values, with a net that was not trained yet. If one cannot be taken, none is."""
        settings = self.with_changes(values)
        self.training, self.settings = DigitTraining(settings), settings
        self.status, self.message = "ready", ""

    def train(self) -> Steps:
        """Go on, or begin again if the training is over."""
        if self.status in ("ended", "stopped"):
            self.change()
        training = self.training
        self._set_status("training", training)
        try:
            for _ in training:
                self._set_status("training", training)  # it may have waited for another lab
                yield
        finally:
            self._set_status("ended" if training.step == training.steps else "paused", training)

    def _set_status(self, status: str, training: DigitTraining) -> None:
        if training is self.training:  # or else it was reset meanwhile
            self.status = status

    @property
    def progress(self) -> str:
        """Where the training stands, in words."""
        return PROGRESS.format(step=self.training.step, steps=self.training.steps)

    @property
    def constants(self) -> dict[str, Any]:
        """The numbers of heads that can share the features."""
        heads = {count for count in range(1, 9) if self.settings["embed_dim"] % count == 0} | {
            self.settings["num_heads"]
        }
        return {"heads": [str(count) for count in sorted(heads)]}

    def frame(self) -> tuple[dict[str, Any], list[bytes]]:
        """All that the page shows, as JSON by names; the curve of the losses; and where each head looks."""
        training = self.training
        snapshot = training.snapshot if training.snapshot.step == training.step else training.look()
        losses = np.frombuffer(training.losses.tobytes())
        curve, block = in_blocks(losses)
        accuracies = thinned(np.frombuffer(training.accuracies.tobytes())[1:])
        return {
            "status": self.status,
            "message": self.message,
            "progress": self.progress,
            "share": round(training.step / training.steps, 4),
            "computed_on": computed_on("cpu", training.threads),
            "digits": training.digits[0].tolist(),
            "answer": snapshot.answer,
            "expected": training.expected,
            "heads": list(snapshot.weights.shape[:2]),
            "accuracy": training.accuracy,
            "accuracies": {**accuracies, "x": [place * STEPS_BETWEEN_TESTS for place in accuracies["x"]]},
            "steps": len(losses),
            "block": block,
        }, [curve.astype("<f4").tobytes(), snapshot.weights.numpy().astype("<f4").tobytes()]
