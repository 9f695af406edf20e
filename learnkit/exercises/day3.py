"""Day 3: what a faster part is worth, a recurrent net in the head, the minutes of an epoch."""

import math
from collections.abc import Sequence
from statistics import mean, median

from learnkit.exercises.exercise import Case, Exercise, Fault

# ---------------------------------------------------------------- what a faster part is worth


def _speedup(share: float, factor: float) -> float:
    return 1 / (1 - share + share / factor)


speedup = Exercise(
    question="the arithmetic is 0.01 of the time of a step. A chip comes that calculates 100 times as fast, and all "
    "else stays as it is. How many times as fast is the step?",
    ask=lambda function: function(0.01, 100.0),
    task="a function of (share, factor) that returns how many times as fast the whole becomes, if a part that takes "
    "this share of its time becomes so many times as fast.",
    solution=_speedup,
    cases=(
        Case("share 0.5 and factor 4", (0.5, 4.0)),
        Case("share 0.9 and factor 10", (0.9, 10.0)),
        Case("share 0.2 and factor 0.5, which is slower", (0.2, 0.5)),
        Case("share 0 and factor 7", (0.0, 7.0)),
    ),
    faults=(
        Fault(
            "That is the time it takes, as a share of the time before; how many times as fast is that?",
            (lambda share, factor: 1 / _speedup(share, factor),),
        ),
        Fault(
            "The two parts have changed places: yours speeds up what stays as it is.",
            (lambda share, factor: _speedup(1 - share, factor),),
        ),
        Fault(
            "Only the part that becomes faster is there. Where is the rest of the time?",
            (
                lambda share, factor: factor,
                lambda share, factor: factor / share,
                lambda share, factor: share / factor,
                lambda share, factor: share * factor,
            ),
        ),
        Fault(
            "It averages speeds. What can be added up is times.",
            (lambda share, factor: 1 - share + share * factor,),
        ),
        Fault(
            "If it is four times as fast, its time is divided by four, not multiplied.",
            (lambda share, factor: 1 / (1 - share + share * factor),),
        ),
        Fault(
            "It takes away what was saved and forgets that something of the part is left.",
            (lambda share, factor: 1 / (1 - share),),
        ),
    ),
    afterwards="One per cent: the better chip, the GPU and the faster power mode in one number. The formula is known "
    "as Amdahl's law.",
)

# ---------------------------------------------------------------- a recurrent net in the head


def _states(inputs: Sequence[float], w: float, u: float, b: float) -> list[float]:
    states, state = [], 0.0
    for x in inputs:
        state = max(0.0, w * x + u * state + b)
        states.append(state)
    return states


def _from(begin: float, inputs: Sequence[float], w: float, u: float, b: float) -> float:
    state = begin
    for x in inputs:
        state = max(0.0, w * x + u * state + b)
    return state


def _without_relu(inputs: Sequence[float], w: float, u: float, b: float) -> float:
    state = 0.0
    for x in inputs:
        state = w * x + u * state + b
    return state


def _relu_at_the_end(inputs: Sequence[float], w: float, u: float, b: float) -> float:
    return max(0.0, _without_relu(inputs, w, u, b))


_NUMBERS = [1.0, -2.0, 0.5, 3.0]

last_state = Exercise(
    question="w = 1, u = 0.5, b = 0, and the inputs are 1, 0, 0, 0. What is the state after the fourth step?",
    ask=lambda function: function([1.0, 0.0, 0.0, 0.0], 1.0, 0.5, 0.0),
    task="a function of (inputs, w, u, b), a list of numbers and three numbers, that returns the last state. The state "
    "begins with 0, and each step makes max(0, w * x + u * state + b) of it.",
    solution=lambda *case: _states(*case)[-1],
    cases=(
        Case(f"inputs {_NUMBERS}, w = 1, u = 0.5, b = 0.1", (_NUMBERS, 1.0, 0.5, 0.1)),
        Case("inputs [2, 1, -4], w = 1, u = 2, b = 0", ([2.0, 1.0, -4.0], 1.0, 2.0, 0.0)),
        Case("inputs [1, -3, 2], w = 2, u = -1, b = 0.5", ([1.0, -3.0, 2.0], 2.0, -1.0, 0.5)),
        Case("inputs [1], w = -1, u = 1, b = 0", ([1.0], -1.0, 1.0, 0.0)),
    ),
    faults=(
        Fault(
            "Each step begins with an empty memory: the state of the step before is lost.",
            (lambda inputs, w, u, b: max(0.0, w * inputs[-1] + b),),
        ),
        Fault(
            "It is one step behind: the last input is never read, or read and thrown away.",
            (
                lambda *case: [0.0, *_states(*case)][-2],
                lambda *case: _states(*case)[-2],
            ),
        ),
        Fault("A state can be below zero in yours: something is missing at each step.", (_without_relu,)),
        Fault("The maximum belongs into every step, not only at the end.", (_relu_at_the_end,)),
        Fault("All states come back. Asked for is the last.", (_states,)),
        Fault("One of w, u and b is not used.", (lambda x, w, u, b: _states(x, w, u, 0.0)[-1],)),
        Fault(
            "Where does return stand? It stops after the first step.",
            (lambda *case: _states(*case)[0],),
        ),
        Fault("It begins with another memory than 0.", (lambda *case: _from(1.0, *case),)),
    ),
    afterwards="Each step halves it: 1, 0.5, 0.25, 0.125. After 28 steps hardly anything would be left of the first "
    "row; tomorrow you will meet this again, as the gradient that vanishes.",
)

# ---------------------------------------------------------------- the minutes of an epoch


def _minutes(one_step: float, images: int, batch_size: int) -> float:
    return one_step * math.ceil(images / batch_size) / 60


_SECONDS = [2.0, 0.21, 0.2, 0.22, 0.19]

epoch_minutes = Exercise(
    question="you measured five steps with 64 images each: 2.0, 0.21, 0.2, 0.22 and 0.19 seconds. (The first is "
    "always slower.) About how many minutes does an epoch of 60,000 images take?",
    ask=lambda function: function(_SECONDS, 60_000, 64),
    task="a function of (seconds, images, batch_size), a list of measured steps and two whole numbers, that returns "
    "the minutes of an epoch, by the median of the steps. The last batch may be smaller; it is a step like the others.",
    solution=lambda seconds, images, batch_size: _minutes(median(seconds), images, batch_size),
    cases=(
        Case(f"seconds {_SECONDS}, 1,000 images in batches of 64", (_SECONDS, 1000, 64)),
        Case("seconds [0.5, 0.1, 0.3], 600 images in batches of 200", ([0.5, 0.1, 0.3], 600, 200)),
    ),
    faults=(
        Fault(
            "One slow step spoils it: you took the mean.",
            (
                lambda seconds, images, size: _minutes(mean(seconds), images, size),
                lambda seconds, images, size: mean(seconds) * images / size / 60,
            ),
        ),
        Fault("The first step is no measure of the others.", (lambda s, images, size: _minutes(s[0], images, size),)),
        Fault(
            "The last, smaller batch is missing.",
            (lambda seconds, images, size: median(seconds) * (images // size) / 60,),
        ),
        Fault(
            "It counts with a part of a step. A batch that is not full takes its time all the same.",
            (lambda seconds, images, size: median(seconds) * images / size / 60,),
        ),
        Fault(
            "Those are seconds.",
            (lambda seconds, images, size: 60 * _minutes(median(seconds), images, size),),
        ),
        Fault(
            "In yours, every image is a step of its own.",
            (lambda seconds, images, size: median(seconds) * images / 60,),
        ),
    ),
    afterwards="The mean would have said eleven minutes. A quarter of an hour's measuring is not needed to be right; "
    "the median of five steps is.",
)
