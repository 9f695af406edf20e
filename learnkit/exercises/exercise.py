"""An exercise: a question to be answered beforehand, a function to be written, and the ways in which it goes wrong."""

import copy
import html
import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

WIDTH = 88  # of a line, in letters, where an exercise speaks
TOLERANCE = 1e-4  # of numbers, in proportion where they are large: float32 and another order of summing shall pass


@dataclass(frozen=True)
class Case:
    """Arguments on which a function is tried, and how to speak of them."""

    told: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Fault:
    """A typical mistake: what is said about it, and functions that make it, by which it is recognised."""

    hint: str
    wrong: tuple[Callable[..., Any], ...]


@dataclass(frozen=True)
class Answer:
    """What a check says; true if the function is right."""

    right: bool
    words: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return "\n".join(map(_in_lines, self.words.splitlines()))

    def _repr_html_(self) -> str:
        return _in_paragraphs(self.words)


@dataclass(frozen=True, repr=False)
class Exercise:
    """A question and a task. In a notebook, its name alone in a cell shows both.

    Parameters
    ----------
    question
        What the learner is to predict before anything is written.
    ask
        Gets the answer to the question out of a function that fulfils the task.
    choices
        The words among which to predict; none, if it is a number.
    task
        What the function shall do.
    solution
        A function that does it.
    cases
        What functions are tried on: a function is right if it does what the solution does with all of them.
    faults
        A function that does the same as one of a fault's, with all cases, gets that fault's hint.
    afterwards
        What there is to say about the question when all is done.
    """

    question: str
    ask: Callable[[Callable[..., Any]], Any]
    task: str
    solution: Callable[..., Any]
    cases: Sequence[Case]
    faults: Sequence[Fault]
    afterwards: str
    choices: Sequence[str] = ()

    def __repr__(self) -> str:
        return f"{_in_lines(self._first)}\n{_in_lines(self._then)}"

    def _repr_html_(self) -> str:
        return _in_paragraphs(f"{self._first}\n{self._then}")

    @property
    def _first(self) -> str:
        return f"First, predict: {self.question}"

    @property
    def _then(self) -> str:
        return f"Then, write: {self.task}"

    def check(self, prediction: object, function: object) -> Answer:
        """Say whether a function fulfils the task, and if not, what is wrong with it, but not how to do it.

        Nothing is raised, so that a notebook with open exercises runs to its end.

        Parameters
        ----------
        prediction
            The answer to the question, as a number or one of the words. Right or wrong, it is only needed first.
        function
            The function itself: its name without brackets.
        """
        if prediction is ... or prediction is None:
            return Answer(False, f"Nothing is answered yet.\n{self._first}\n{self._then}")
        if problem := self._problem_with(prediction):
            return Answer(False, problem)
        if function is ...:
            return Answer(False, f"You predict {prediction}. {self._then}")
        if not callable(function):
            return Answer(False, f"This is no function but {function!r}. Hand over its name alone, without brackets.")
        outcomes = [_outcome(function, case) for case in self.cases]
        if all(outcome is None or outcome is ... for outcome in outcomes):
            words = f"You predict {prediction}. {self._then} It returns nothing so far; does it end with return?"
            return Answer(False, words)
        expected = [_outcome(self.solution, case) for case in self.cases]
        if _alike(outcomes, expected):
            said = f"You predicted {prediction}; it says {_shown(self.ask(function))}."
            return Answer(True, f"Your function is right. {said} {self.afterwards}")
        for fault in self.faults:
            for wrong in fault.wrong:
                if _explains([_outcome(wrong, case) for case in self.cases], outcomes, expected):
                    return Answer(False, f"Not yet. {fault.hint}")
        return Answer(False, f"Not yet. {self._first_difference(outcomes, expected)}")

    def _problem_with(self, prediction: object) -> str:
        if self.choices:
            words = " or ".join(map(repr, self.choices))
            return "" if prediction in self.choices else f"Your prediction is {prediction!r}; expected {words}."
        is_number = isinstance(prediction, Real) and not isinstance(prediction, bool) and math.isfinite(prediction)
        return "" if is_number else f"Your prediction is {prediction!r}; expected a number, such as 0.5."

    def _first_difference(self, outcomes: list[Any], expected: list[Any]) -> str:
        number = next(n for n, pair in enumerate(zip(outcomes, expected, strict=True)) if not _same(*pair))
        told, outcome = self.cases[number].told, outcomes[number]
        if isinstance(outcome, Exception):
            return f"With {told}, your function stops: {type(outcome).__name__}: {outcome}"
        if outcome is None:
            return f"With {told}, your function returns nothing. Does it end with return?"
        return f"With {told}, your function returns {_shown(outcome)}, which is not right. Work this case out on paper."


def _in_lines(text: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent="    ")


def _in_paragraphs(text: str) -> str:
    """For a page, which breaks lines by itself, however narrow it is."""
    return "".join(f"<p>{html.escape(line)}</p>" for line in text.splitlines())


def _outcome(function: Callable[..., Any], case: Case) -> Any:
    """What a function returns, or the error that it raises; it cannot change the case for the others."""
    try:
        return _plain(function(*copy.deepcopy(case.arguments)))
    except Exception as error:
        return error


def _plain(value: Any) -> Any:
    """Numbers as Python's own, whether they come from torch, numpy or Python."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def _explains(fault: list[Any], outcomes: list[Any], expected: list[Any]) -> bool:
    """Whether a fault gives the same outcomes. If there is another beside it that breaks some, the rest must do."""
    sound = [n for n, outcome in enumerate(outcomes) if not _broken(outcome)]
    if any(not _same(outcomes[n], expected[n]) for n in sound):
        return all(_same(fault[n], outcomes[n]) for n in sound)
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
        both_undefined = math.isnan(one) and math.isnan(other)
        return both_undefined or math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(one, Exception):
        return type(one) is type(other)
    return type(one) is type(other) and one == other


def _shown(value: Any) -> str:
    value = _plain(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))})"
    return f"{value:.4g}" if isinstance(value, float) else repr(value)
