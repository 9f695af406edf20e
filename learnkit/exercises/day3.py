"""Day 3: the speed-up from a faster part, a recurrent net on paper, the minutes of an epoch."""

import math
from collections.abc import Sequence
from statistics import mean, median

from learnkit.exercises.exercise import Case, Exercise, Fault

# ---------------------------------------------------------------- the speed-up from a faster part


def _speedup(share: float, factor: float) -> float:
    return 1 / (1 - share + share / factor)


speedup = Exercise(
    question="The arithmetic takes 0.01 of the time of a step. A new chip calculates 100 times as fast, and "
    "everything else stays the same. How many times as fast is the step?",
    ask=lambda function: function(0.01, 100.0),
    task="Now write a function of (share, factor) that returns how many times as fast the whole becomes, if a part "
    "that takes this share of the time becomes faster by this factor.",
    solution=_speedup,
    cases=(
        Case("share 0.5 and factor 4", (0.5, 4.0)),
        Case("share 0.9 and factor 10", (0.9, 10.0)),
        Case("share 0.2 and factor 0.5, which is slower", (0.2, 0.5)),
        Case("share 0 and factor 7", (0.0, 7.0)),
    ),
    faults=(
        Fault(
            "That is the new time as a share of the old. How many times as fast is that?",
            (lambda share, factor: 1 / _speedup(share, factor),),
        ),
        Fault(
            "The two parts are swapped: yours speeds up the part that stays the same.",
            (lambda share, factor: _speedup(1 - share, factor),),
        ),
        Fault(
            "Only the part that becomes faster is counted. Where is the rest of the time?",
            (
                lambda share, factor: factor,
                lambda share, factor: factor / share,
                lambda share, factor: share / factor,
                lambda share, factor: share * factor,
            ),
        ),
        Fault(
            "It averages speeds; what adds up is times.",
            (lambda share, factor: 1 - share + share * factor,),
        ),
        Fault(
            "If a part is four times as fast, its time is divided by four and not multiplied.",
            (lambda share, factor: 1 / (1 - share + share * factor),),
        ),
        Fault(
            "It removes all the time of the part; the faster part still takes some.",
            (lambda share, factor: 1 / (1 - share),),
        ),
    ),
    explanation="The gain is one per cent: so much for the better chip, the GPU and the faster power mode. The "
    "formula is known as Amdahl's law.",
)

# ---------------------------------------------------------------- a recurrent net on paper


def _states(inputs: Sequence[float], w: float, u: float, b: float) -> list[float]:
    states, state = [], 0.0
    for x in inputs:
        state = max(0.0, w * x + u * state + b)
        states.append(state)
    return states


def _last_state_from(initial: float, inputs: Sequence[float], w: float, u: float, b: float) -> float:
    state = initial
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
    question="Let w = 1, u = 0.5 and b = 0, and let the inputs be 1, 0, 0, 0. What is the state after the fourth step?",
    ask=lambda function: function([1.0, 0.0, 0.0, 0.0], 1.0, 0.5, 0.0),
    task="Now write a function of (inputs, w, u, b), a list of numbers and three numbers, that returns the last "
    "state. The state starts at 0, and each step replaces it with max(0, w * x + u * state + b).",
    solution=lambda *case: _states(*case)[-1],
    cases=(
        Case(f"inputs {_NUMBERS}, w = 1, u = 0.5, b = 0.1", (_NUMBERS, 1.0, 0.5, 0.1)),
        Case("inputs [2, 1, -4], w = 1, u = 2, b = 0", ([2.0, 1.0, -4.0], 1.0, 2.0, 0.0)),
        Case("inputs [1, -3, 2], w = 2, u = -1, b = 0.5", ([1.0, -3.0, 2.0], 2.0, -1.0, 0.5)),
        Case("inputs [1], w = -1, u = 1, b = 0", ([1.0], -1.0, 1.0, 0.0)),
    ),
    faults=(
        Fault(
            "Each step starts with an empty memory: the state of the step before is lost.",
            (lambda inputs, w, u, b: max(0.0, w * inputs[-1] + b),),
        ),
        Fault(
            "It is one step behind: the last input is never read, or its state is thrown away.",
            (
                lambda *case: [0.0, *_states(*case)][-2],
                lambda *case: _states(*case)[-2],
            ),
        ),
        Fault("Your state can be negative: something is missing from each step.", (_without_relu,)),
        Fault("The maximum belongs in every step, and not only at the end.", (_relu_at_the_end,)),
        Fault("It returns all states; the task asks for the last.", (_states,)),
        Fault("One of w, u and b is not used.", (lambda x, w, u, b: _states(x, w, u, 0.0)[-1],)),
        Fault(
            "It stops after the first step. Is return inside the loop?",
            (lambda *case: _states(*case)[0],),
        ),
        Fault("Its state does not start at 0.", (lambda *case: _last_state_from(1.0, *case),)),
    ),
    explanation="Each step halves it: 1, 0.5, 0.25, 0.125. After 28 steps hardly anything would be left of the first "
    "row. Tomorrow you will meet this again, as the vanishing gradient.",
)

# ---------------------------------------------------------------- the minutes of an epoch


def _minutes(step: float, images: int, batch_size: int) -> float:
    return step * math.ceil(images / batch_size) / 60


_SECONDS = [2.0, 0.21, 0.2, 0.22, 0.19]

epoch_minutes = Exercise(
    question="You measured five steps with 64 images each: 2.0, 0.21, 0.2, 0.22 and 0.19 seconds. (The first is "
    "always slower.) About how many minutes does an epoch of 60,000 images take?",
    ask=lambda function: function(_SECONDS, 60_000, 64),
    task="Now write a function of (seconds, images, batch_size), a list of measured steps and two whole numbers, that "
    "returns the minutes that an epoch takes, according to the median of the steps. The last batch may be smaller; it "
    "is a step like the others.",
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
        Fault("The first step does not represent the others.", (lambda s, images, size: _minutes(s[0], images, size),)),
        Fault(
            "The last, smaller batch is missing.",
            (lambda seconds, images, size: median(seconds) * (images // size) / 60,),
        ),
        Fault(
            "It counts a fraction of a step. A batch that is not full is still a whole step.",
            (lambda seconds, images, size: median(seconds) * images / size / 60,),
        ),
        Fault(
            "It returns seconds; the task asks for minutes.",
            (lambda seconds, images, size: 60 * _minutes(median(seconds), images, size),),
        ),
        Fault(
            "In yours, every image is a step of its own.",
            (lambda seconds, images, size: median(seconds) * images / 60,),
        ),
    ),
    explanation="The mean would have said almost nine minutes. You need not measure for a quarter of an hour to be "
    "right; the median of five steps is enough.",
)
