#!/usr/bin/env python3
"""The way into a checkout, the same on Linux, macOS and Windows: `python course.py --help` lists what it can do.

The commands are in learnkit/cli. This file is written so that Pythons too old for them can read it and say so.
"""

import os
import sys

OLDEST_PYTHON = (3, 10)
TOO_OLD = """
This course needs Python {oldest} or newer, and this is Python {given} ({path}).
Install a newer Python and start the course with it, for example: python3.12 course.py {words}"""


def main():
    if sys.version_info < OLDEST_PYTHON:
        given, oldest = [".".join(map(str, version[:2])) for version in (sys.version_info, OLDEST_PYTHON)]
        words = " ".join(sys.argv[1:]) or "lab"
        return TOO_OLD.format(oldest=oldest, given=given, path=sys.executable, words=words)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from learnkit.cli.main import main as run_command

    return run_command()


if __name__ == "__main__":
    sys.exit(main())
