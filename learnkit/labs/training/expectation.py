"""What do you expect? Asked before an experiment runs, and answered when it has run."""

from dataclasses import dataclass, replace

from learnkit.errors import unknown

ANSWERS = ("better", "about the same", "worse")
QUESTION = "{preset}: what do you expect, compared with the run before (accuracy {accuracy:.3f})?"
THE_SAME = 0.01  # accuracies that differ by no more than this are about the same


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
