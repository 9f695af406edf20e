"""What those who work on the course do in a checkout: test, save outputs, measure."""

import argparse

from learnkit.cli import process
from learnkit.cli.command import Command
from learnkit.cli.copies import notebook_of, short_name
from learnkit.cli.environment import course_python, install

TEST = "Run the tests, including those of the notebooks and in the browser."
TEST_OTHERS = "[-h] [--fast] [--all] [pytest's options]"
TEST_MORE = "Other options are passed on to pytest, for example: {program} test --fast -k metrics"
FAST = "leave out the notebooks and the browser"
ALL = "run the slow tests, too, which seldom fail"
NOTEBOOKS = "Run the notebooks and save them with their outputs."
DAY = "only these days, for example: day1"
STUDIES = "Repeat the long training runs behind the tables in learnkit/stored."
STUDY = "only these tables, for example: day2_depth"
MUTANTS = "Break the library on purpose, place by place, and say which test notices."
WORD = "only mutants with one of these words in their file or name"
CHANGED = "only mutants whose file or tests differ from this revision of git"
BENCH = "Measure speed, mostly against other libraries."
BENCHMARK = "only these benchmarks, for example: training"

# How pytest-xdist shares the tests out: file by file, and what takes longest first, so that the workers end together.
IN_PARALLEL = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
EVERYTHING = ("notebooks", "tests", "--nbval", "--nbval-current-env")
WITHOUT_NOTEBOOKS_AND_BROWSER = ("tests", "--ignore=tests/browser")
NOT_SLOW = ("-m", "not slow")
ON_THE_CPU = {"CUDA_VISIBLE_DEVICES": ""}  # where what is kept in the repository is made


def test(arguments: argparse.Namespace) -> int:
    install({"lab", "cluster", "dev"}, constrained=process.is_ci())
    chosen = WITHOUT_NOTEBOOKS_AND_BROWSER if arguments.fast else EVERYTHING
    left_out = () if arguments.all else NOT_SLOW
    return run_module("pytest", *chosen, *IN_PARALLEL, *left_out, *arguments.rest)


def notebooks(arguments: argparse.Namespace) -> int:
    days = [short_name(notebook_of(day)) for day in arguments.day]
    install({"lab", "dev"}, constrained=True)
    return run_module("tools.save_notebooks", *days, variables=ON_THE_CPU)


def studies(arguments: argparse.Namespace) -> int:
    install({"lab", "dev"}, constrained=True)
    return run_module("tools.save_studies", *arguments.name, variables=ON_THE_CPU)


def mutants(arguments: argparse.Namespace) -> int:
    install({"lab", "dev"}, constrained=process.is_ci())
    changed = ["--changed", arguments.changed] if arguments.changed else []
    return run_module("tools.mutants", *arguments.word, *changed)


def bench(arguments: argparse.Namespace) -> int:
    install({"lab", "dev"}, constrained=process.is_ci())
    return run_module("benchmarks", *arguments.name)


def run_module(module: str, *words: str, variables: dict[str, str] | None = None) -> int:
    return process.run([str(course_python()), "-m", module, *words], {**process.environment(), **(variables or {})})


def flag(text: str) -> dict:
    return {"action": "store_true", "help": text}


def several(text: str) -> dict:
    return {"nargs": "*", "help": text}


COMMANDS = (
    Command("test", test, TEST, {"--fast": flag(FAST), "--all": flag(ALL)}, TEST_MORE, TEST_OTHERS, True),
    Command("notebooks", notebooks, NOTEBOOKS, {"day": several(DAY)}, needs_checkout=True),
    Command("studies", studies, STUDIES, {"name": several(STUDY)}, needs_checkout=True),
    Command(
        "mutants",
        mutants,
        MUTANTS,
        {"word": several(WORD), "--changed": {"metavar": "REVISION", "help": CHANGED}},
        needs_checkout=True,
    ),
    Command("bench", bench, BENCH, {"name": several(BENCHMARK)}, needs_checkout=True),
)
