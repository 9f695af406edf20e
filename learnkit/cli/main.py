"""From the words of a command line to a command."""

import sys
from io import TextIOWrapper

from learnkit.cli import copies, development, environment, places
from learnkit.cli.command import CourseError, say
from learnkit.errors import unknown

ABOUT = "learnkit: a hands-on introduction to neural networks, in notebooks that you run yourself."
USAGE = "Usage: {program} COMMAND …, and {program} COMMAND --help for what a command takes."
CANNOT_BE_USED = "{name} cannot be read or written: {reason}. Check whose it is, and whether the disk is full."
SEE_HELP = "To see what each of them does, run: {program} --help"
GROUPS = {
    "To take the course:": (*copies.COMMANDS, *environment.COMMANDS),
    "To work on it, in a checkout:": development.COMMANDS,
}


def main(words: list[str] | None = None) -> int | str:
    """Run the command that the words name, by default those that the program was started with.

    Returns
    -------
    int or str
        What ``sys.exit`` is to be given: an exit status, or the sentences that say what cannot be done.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a character that a console lacks must not stop anything
            stream.reconfigure(errors="backslashreplace")
    try:
        return run(sys.argv[1:] if words is None else words)
    except CourseError as error:
        return f"\n{error}"
    except OSError as error:
        if error.filename is None:
            raise
        return f"\n{CANNOT_BE_USED.format(name=error.filename, reason=error.strerror)}"


def run(words: list[str]) -> int:
    """Run the command that the words name.

    Raises
    ------
    CourseError
        If there is no such command, or if it cannot do what it is asked for.
    """
    if not words or words[0] in ("help", "-h", "--help"):
        say(overview())
        return 0
    commands = {command.name: command for group in GROUPS.values() for command in group}
    if words[0] not in commands:
        raise CourseError(f"{unknown('command', words[0], commands)} {SEE_HELP.format(program=places.PROGRAM)}")
    command = commands[words[0]]
    return command.function(command.parse(words[1:]))


def overview() -> str:
    """Every command with its sentence."""
    lines = [ABOUT, USAGE.format(program=places.PROGRAM)]
    for title, commands in GROUPS.items():
        lines += ["", title, *(f"  {command.name:<10} {command.sentence}" for command in commands)]
    return "\n".join(lines)
