"""The experiments of the notes; and what a person expects of one, asked before it runs and answered when it has run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from learnkit.errors import unknown

# The notes trained on all 60,000 images.
NOTES = {"activation": None, "optimizer": "sgd", "learning_rate": 0.01, "batch_size": 200, "seed": 0, "train_on": "all"}
NARROW = ((1, 256), (1, 2048), (4, 256), (4, 2048), (256, 1))
DEPTHS = ((128,), (128, 256), (128, 256, 256), (128, 256, 256, 1024))
PRESETS: dict[str, dict[str, Any]] = {
    **{",".join(map(str, hidden)): {**NOTES, "hidden": hidden, "epochs": 20} for hidden in NARROW + DEPTHS},
    **{f"{epochs} epochs": {**NOTES, "hidden": (128, 256), "epochs": epochs} for epochs in (5, 20, 200)},
}

ANSWERS = ("better", "about the same", "worse")
QUESTION = "{preset}: what do you expect, compared with the run before (accuracy {accuracy:.3f})?"
THE_SAME = 0.01  # accuracies that differ by no more than this are about the same


def preset(name: str, presets: Mapping[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """A preset's plain name and its settings; ``"(1, 2048)"`` is the same as ``"1,2048"``."""
    plain = name.strip("()").replace(", ", ",")
    if plain not in presets:
        raise unknown("preset", name, presets)
    return plain, presets[plain]


@dataclass(frozen=True)
class Expectation:
    """How will it do, compared with the run before?

    Parameters
    ----------
    preset
        What is going to run.
    accuracy_before
        Of the run that it is compared with.
    answer
        One of `ANSWERS`, or nothing as long as none was given.
    """

    preset: str
    accuracy_before: float
    answer: str = ""

    def __post_init__(self) -> None:
        if self.answer and self.answer not in ANSWERS:
            raise unknown("answer", self.answer, ANSWERS)

    def answered(self, answer: str) -> "Expectation":
        """The same with an answer."""
        return replace(self, answer=answer)

    @property
    def question(self) -> str:
        """What a person is asked."""
        return QUESTION.format(preset=self.preset, accuracy=self.accuracy_before)

    def verdict(self, accuracy: float) -> str:
        """Whether it came as expected."""
        difference = accuracy - self.accuracy_before
        came = ANSWERS[1] if abs(difference) <= THE_SAME else ANSWERS[0] if difference > 0 else ANSWERS[2]
        words = f"it is {came}, as you expected" if came == self.answer else f"you expected {self.answer}; it is {came}"
        return (
            f"{self.preset}: {words}. The accuracy is {accuracy:.3f}, and was {self.accuracy_before:.3f} in the run "
            f"before (a difference of up to {THE_SAME} counts as about the same)."
        )
