"""An exercise: a question to answer first, a function to write, and the mistakes that are recognised."""

import copy
import html
import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

WIDTH = 88  # characters in a line of text
TOLERANCE = 1e-4  # absolute and relative: enough for float32 and for sums in another order

QUESTION = "First, predict: {question}"
NOT_ANSWERED = "Nothing is answered yet.\n{question}\n{task}"
NOT_A_CHOICE = "Your prediction is {prediction!r}; expected {choices}."
OR = " or "
NOT_A_NUMBER = "Your prediction is {prediction!r}; expected a number, such as 0.5."
NOT_WRITTEN = "You predict {prediction}. {task}"
NOT_CALLABLE = "Your function is {function!r}; expected a function. Give its name alone, without brackets."
ALWAYS_NOTHING = "You predict {prediction}. {task} Your function returns nothing so far; does it end with return?"
RIGHT = "Your function is right. You predicted {prediction}; it returns {result}. {explanation}"
NOT_YET = "Not yet. {hint}"
RAISES = "With {case}, your function raises an error: {error}: {message}"
NOTHING = "With {case}, your function returns nothing. Does it end with return?"
WRONG = "With {case}, your function returns {result}, which is not right. Work this case out on paper."


@dataclass(frozen=True, eq=False)  # tensors among the arguments have no single truth value
class Case:
    """Arguments that a function is tried on, and a description of them."""

    description: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Fault:
    """A typical mistake: a hint, and functions that make the mistake, by which it is recognised."""

    hint: str
    examples: tuple[Callable[..., Any], ...]


@dataclass(frozen=True)
class Answer:
    """The result of a check; true if the function is right."""

    right: bool
    message: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return _in_lines(self.message)

    def _repr_html_(self) -> str:
        return _in_paragraphs(self.message)


@dataclass(frozen=True, eq=False, repr=False)
class Exercise:
    """A question and a task. In a notebook, its name alone in a cell shows both.

    Parameters
    ----------
    question
        What the learner predicts before writing anything.
    ask
        Computes the answer to the question with a function that solves the task.
    choices
        The possible predictions, if they are words; none, if the prediction is a number.
    task
        What the function must do.
    solution
        A function that does it.
    cases
        What a function is tried on: it is right if it does the same as the solution in all cases.
    faults
        A function that does the same as an example of a fault in all cases gets the hint of that fault.
    explanation
        Why the answer to the question is what it is, shown when the function is right.
    """

    question: str
    ask: Callable[[Callable[..., Any]], Any]
    task: str
    solution: Callable[..., Any]
    cases: Sequence[Case]
    faults: Sequence[Fault]
    explanation: str
    choices: Sequence[str] = ()

    def __repr__(self) -> str:
        return _in_lines(self._text)

    def _repr_html_(self) -> str:
        return _in_paragraphs(self._text)

    @property
    def _text(self) -> str:
        return f"{QUESTION.format(question=self.question)}\n{self.task}"

    def check(self, prediction: object, function: object) -> Answer:
        """Say whether a function solves the task and, if not, what is wrong with it, but not how to do it.

        It never raises an error, so a notebook whose exercises are still open runs to its end.

        Parameters
        ----------
        prediction
            The answer to the question, as a number or one of the choices. It may be wrong, but it must come first.
        function
            The function itself: its name without brackets.
        """
        fields = {"prediction": prediction, "task": self.task, "explanation": self.explanation}
        if prediction is ... or prediction is None:
            return Answer(False, NOT_ANSWERED.format(question=QUESTION.format(question=self.question), **fields))
        if self.choices and prediction not in self.choices:
            return Answer(False, NOT_A_CHOICE.format(choices=OR.join(map(repr, self.choices)), **fields))
        if not self.choices and not _is_number(prediction):
            return Answer(False, NOT_A_NUMBER.format(**fields))
        if function is ...:
            return Answer(False, NOT_WRITTEN.format(**fields))
        if not callable(function):
            return Answer(False, NOT_CALLABLE.format(function=function))
        outcomes = [_outcome(function, case) for case in self.cases]
        if all(outcome is None or outcome is ... for outcome in outcomes):
            return Answer(False, ALWAYS_NOTHING.format(**fields))
        expected = [_outcome(self.solution, case) for case in self.cases]
        if _alike(outcomes, expected):
            return Answer(True, RIGHT.format(result=_format(self.ask(function)), **fields))
        for fault in self.faults:
            for example in fault.examples:
                if _explains([_outcome(example, case) for case in self.cases], outcomes, expected):
                    return Answer(False, NOT_YET.format(hint=fault.hint))
        return Answer(False, NOT_YET.format(hint=self._first_difference(outcomes, expected)))

    def _first_difference(self, outcomes: list[Any], expected: list[Any]) -> str:
        number = next(n for n, pair in enumerate(zip(outcomes, expected, strict=True)) if not _same(*pair))
        case, outcome = self.cases[number].description, outcomes[number]
        if isinstance(outcome, Exception):
            return RAISES.format(case=case, error=type(outcome).__name__, message=outcome)
        if outcome is None:
            return NOTHING.format(case=case)
        return WRONG.format(case=case, result=_format(outcome))


def _in_lines(text: str) -> str:
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="    ") for line in text.splitlines())


def _in_paragraphs(text: str) -> str:
    """For a web page, which wraps lines itself, however narrow it is."""
    return "".join(f"<p>{html.escape(line)}</p>" for line in text.splitlines())


def _is_number(prediction: object) -> bool:
    return isinstance(prediction, Real) and not isinstance(prediction, bool) and math.isfinite(prediction)


def _outcome(function: Callable[..., Any], case: Case) -> Any:
    """What a function returns for a case, or the error that it raises. It gets copies, which it may change."""
    try:
        return _plain(function(*copy.deepcopy(case.arguments)))
    except Exception as error:
        return error


def _plain(value: Any) -> Any:
    """Python numbers and tuples, whether the value comes from torch, NumPy or Python."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def _explains(fault: list[Any], outcomes: list[Any], expected: list[Any]) -> bool:
    """Whether a fault gives the same outcomes. If some outcomes are broken by a second fault, the others decide."""
    valid = [n for n, outcome in enumerate(outcomes) if not _broken(outcome)]
    if any(not _same(outcomes[n], expected[n]) for n in valid):
        return all(_same(fault[n], outcomes[n]) for n in valid)
    return _alike(fault, outcomes)


def _broken(outcome: Any) -> bool:
    if isinstance(outcome, tuple):
        return any(map(_broken, outcome))
    return isinstance(outcome, Exception) or (isinstance(outcome, float) and math.isnan(outcome))


def _alike(outcomes: list[Any], others: list[Any]) -> bool:
    return all(_same(one, other) for one, other in zip(outcomes, others, strict=True))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and _alike(list(one), list(other))
    if isinstance(one, Real) and isinstance(other, Real):
        both_nan = math.isnan(one) and math.isnan(other)
        return both_nan or math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(one, Exception):
        return type(one) is type(other)
    return type(one) is type(other) and one == other


def _format(value: Any) -> str:
    value = _plain(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_format, value))})"
    return f"{value:.4g}" if isinstance(value, float) else repr(value)
