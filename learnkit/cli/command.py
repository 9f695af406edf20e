"""A command as the command line knows it, and how wrong input is answered."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NoReturn

from learnkit.cli import places

NEEDS_CHECKOUT = (
    "`{program} {name}` needs a checkout of the course, with its tests and tools, and this learnkit is an installed "
    "package ({package}). In a checkout, run: python course.py {name}"
)
UNEXPECTED = "`{program} {name}` was given {given!r}, which it does not take.{suggestion} {see}"
MALFORMED = "`{program} {name}` was not understood: {reason}. {see}"
SEE_HELP = "To see what it takes, run: {program} {name} --help"
SUGGESTION = " Did you mean {near!r}?"


class CourseError(Exception):
    """What cannot be done, in sentences for the person who asked for it."""


@dataclass(frozen=True)
class Command:
    """A command of the command line: its function, what is said of it, and what it takes.

    Parameters
    ----------
    name
        What is typed.
    function
        What it does, with the parsed arguments; it returns the exit status.
    sentence
        What it does, in one sentence.
    arguments
        Each argument's name or flag, with what ``ArgumentParser.add_argument`` is to know of it.
    more
        What else there is to say, shown at the end of its help.
    others
        How its usage calls the words that it hands on, which it finds in ``arguments.rest``; empty if it hands on none.
    needs_checkout
        Whether it works in a checkout only.
    """

    name: str
    function: Callable[[argparse.Namespace], int]
    sentence: str
    arguments: dict[str, dict] = field(default_factory=dict)
    more: str = ""
    others: str = ""
    needs_checkout: bool = False

    def parse(self, words: list[str]) -> argparse.Namespace:
        """The arguments that the words mean.

        Raises
        ------
        CourseError
            If it takes no such words, or if it needs a checkout and there is none.
        """
        parser = Parser(self)
        arguments, rest = parser.parse_known_intermixed_args(words)
        if rest and not self.others:
            near = get_close_matches(rest[0], parser.flags(), n=1, cutoff=0.5)
            suggestion = SUGGESTION.format(near=near[0]) if near else ""
            raise CourseError(fill(UNEXPECTED, self, given=rest[0], suggestion=suggestion, see=fill(SEE_HELP, self)))
        if self.needs_checkout and not places.IS_CHECKOUT:
            raise CourseError(fill(NEEDS_CHECKOUT, self, package=places.PACKAGE))
        return argparse.Namespace(**vars(arguments), rest=rest)


class Parser(argparse.ArgumentParser):
    """Answers wrong input with a CourseError instead of its usage."""

    def __init__(self, command: Command) -> None:
        super().__init__(
            prog=f"{places.PROGRAM} {command.name}",
            usage=f"%(prog)s {command.others}" if command.others else None,
            description=command.sentence,
            epilog=fill(command.more, command),
            allow_abbrev=False,
        )
        self.command = command
        for name, settings in command.arguments.items():
            self.add_argument(name, **settings)

    def flags(self) -> list[str]:
        return [flag for action in self._actions for flag in action.option_strings]

    def error(self, message: str) -> NoReturn:
        raise CourseError(fill(MALFORMED, self.command, reason=message, see=fill(SEE_HELP, self.command)))


def fill(text: str, command: Command, **fields: object) -> str:
    return text.format(program=places.PROGRAM, name=command.name, **fields)


def say(text: str) -> None:
    print(text, flush=True)
