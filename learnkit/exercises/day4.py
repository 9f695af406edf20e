"""Day 4: all sequences at once, the state after the last real step, a gradient that is clipped."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from learnkit.exercises.exercise import Case, Exercise, Fault


def _random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- all sequences at once


Activation = Callable[[Tensor], Tensor]


def _all_states(
    sequences: Tensor, w: Tensor, u: Tensor, b: Tensor, activation: Activation = torch.relu
) -> list[Tensor]:
    states, state = [], sequences.new_zeros(len(sequences), len(u))
    for x in sequences.unbind(dim=1):
        state = activation(x @ w.T + state @ u.T + b)
        states.append(state)
    return states


def _read(sequences: Tensor, w: Tensor, u: Tensor, b: Tensor, activation: Activation = torch.relu) -> Tensor:
    return _all_states(sequences, w, u, b, activation)[-1]


def _over_the_batch(sequences: Tensor, w: Tensor, u: Tensor, b: Tensor) -> Tensor:
    return _read(sequences.transpose(0, 1), w, u, b)


def _linear(sequences: Tensor, w: Tensor, u: Tensor, b: Tensor) -> Tensor:
    return _read(sequences, w, u, b, lambda x: x)


def _weights(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    return _random(4, 3, seed=seed), _random(4, 4, seed=seed + 1) / 2, _random(4, seed=seed + 2)


read_all = Exercise(
    question="one number comes in at each step, and the state is one number: W = [[1.0]], U = [[2.0]], b = [0.0]. The "
    "sequence is 1, 0, 0, 0. What is the state at its end?",
    ask=lambda function: function(
        torch.tensor([[[1.0], [0.0], [0.0], [0.0]]]), torch.ones(1, 1), 2 * torch.ones(1, 1), torch.zeros(1)
    )[0][0],
    task="a function of (sequences, W, U, b), of the shapes (batch, time, feature), (hidden, feature), "
    "(hidden, hidden) and (hidden,), that returns the last states, (batch, hidden). A state begins with zeros, and "
    "each step makes relu(W x + U state + b) of it, for all sequences at once: one loop. (Where x has a row for "
    "each sequence, x @ W.T is W x of them all.)",
    solution=_read,
    cases=(
        Case(
            "2 sequences of 5 steps with 3 features, and 4 numbers in the state",
            (_random(2, 5, 3, seed=0), *_weights(1)),
        ),
        Case(
            "5 sequences of 5 steps with 3 features, and 4 numbers in the state",
            (_random(5, 5, 3, seed=4), *_weights(5)),
        ),
        Case(
            "3 sequences of 1 step with 3 features, and 4 numbers in the state",
            (_random(3, 1, 3, seed=8), *_weights(9)),
        ),
    ),
    faults=(
        Fault(
            "Your loop goes over the batch, and takes the sequences for steps of one another. Which axis is time?",
            (_over_the_batch,),
        ),
        Fault("Nothing bends what passes through: a step without ReLU.", (_linear,)),
        Fault("It bends at the end only. ReLU belongs into every step.", (lambda *case: _linear(*case).relu(),)),
        Fault("It bends with tanh. Asked for is ReLU.", (lambda *case: _read(*case, torch.tanh),)),
        Fault(
            "U is the wrong way round. It is square, so that no shape complains.",
            (lambda x, w, u, b: _read(x, w, u.T, b),),
        ),
        Fault("The bias is missing.", (lambda x, w, u, b: _read(x, w, u, 0 * b),)),
        Fault("The bias counts twice.", (lambda x, w, u, b: _read(x, w, u, 2 * b),)),
        Fault(
            "Each step forgets the state before it: there is nothing recurrent in it.",
            (lambda x, w, u, b: _read(x, w, 0 * u, b),),
        ),
        Fault(
            "It is one step behind: the last step is computed and thrown away, as in the notes.",
            (lambda x, w, u, b: [x.new_zeros(len(x), len(u)), *_all_states(x, w, u, b)][-2],),
        ),
        Fault(
            "That is the mean of the states. Asked for is the last.",
            (lambda x, w, u, b: torch.stack(_all_states(x, w, u, b)).mean(0),),
        ),
        Fault(
            "All states come back, and not the last alone.",
            (
                lambda x, w, u, b: torch.stack(_all_states(x, w, u, b), dim=1),
                lambda x, w, u, b: torch.stack(_all_states(x, w, u, b)),
            ),
        ),
    ),
    afterwards="1, 2, 4, 8: it doubles. Over 28 rows that would be a hundred million, and the same happens to the "
    "gradient on its way back.",
)

# ---------------------------------------------------------------- the state after the last real step

_STATES = _random(3, 5, 2, seed=20)


def _at(states: Tensor, steps: Sequence[int]) -> Tensor:
    return torch.stack([states[i, step] for i, step in enumerate(steps)])


last_of_each = Exercise(
    question="the states of one sequence, after each of five steps, are 0, 10, 20, 30 and 40, and its length is 3: the "
    "rest is padding. What is its last state?",
    ask=lambda function: function(10 * torch.arange(5.0)[None, :, None], [3])[0][0],
    task="a function of (states, lengths), a tensor (batch, time, hidden) and a list with a length for each sequence, "
    "that returns each sequence's state after its last step, (batch, hidden).",
    solution=lambda states, lengths: _at(states, [length - 1 for length in lengths]),
    cases=(
        Case("states of the shape (3, 5, 2) and lengths [2, 4, 3]", (_STATES, [2, 4, 3])),
        Case("states of the shape (3, 5, 2) and lengths [1, 1, 2]", (_STATES, [1, 1, 2])),
        Case("states of the shape (3, 5, 2) and lengths [5, 1, 2]", (_STATES, [5, 1, 2])),
    ),
    faults=(
        Fault("That is the state after the padding.", (lambda states, lengths: states[:, -1],)),
        Fault("It is off by one: it reads one step too far.", (_at,)),
        Fault(
            "It is off by one: a step is missing at the end.",
            (lambda states, lengths: _at(states, [length - 2 for length in lengths]),),
        ),
        Fault(
            "All sequences are read to where one of them ends.",
            (
                lambda states, lengths: states[:, max(lengths) - 1],
                lambda states, lengths: states[:, min(lengths) - 1],
                lambda states, lengths: states[:, lengths[0] - 1],
            ),
        ),
        Fault(
            "Too much comes back: each sequence's state at *every* sequence's end. Which belongs to which?",
            (lambda states, lengths: states[:, [length - 1 for length in lengths]],),
        ),
        Fault(
            "That is the mean of a sequence's states.",
            (lambda states, lengths: torch.stack([s[:n].mean(0) for s, n in zip(states, lengths, strict=True)]),),
        ),
    ),
    afterwards="Counted from 0, the third step has the number 2. On MNIST nobody would notice if you were wrong; a "
    "comparison with another program notices at once.",
)

# ---------------------------------------------------------------- clipping


def _norm(gradients: Sequence[float]) -> float:
    return math.sqrt(sum(g * g for g in gradients))


def _scaled(gradients: Sequence[float], factor: float) -> list[float]:
    return [factor * g for g in gradients]


def _clipped(gradients: Sequence[float], largest: float) -> list[float]:
    norm = _norm(gradients)
    return _scaled(gradients, largest / norm) if norm > largest else list(gradients)


clip = Exercise(
    question="the gradient is (3, 4), so that its length is 5. It is clipped to a length of 1. What becomes of the 3?",
    ask=lambda function: function([3.0, 4.0], 1.0)[0],
    task="a function of (gradients, largest), a list of numbers and the largest length allowed, that returns a list: "
    "the gradient in the same direction, but no longer than that. The length is the root of the sum of squares.",
    solution=_clipped,
    cases=(
        Case("gradients [3, -4] and 2.5", ([3.0, -4.0], 2.5)),
        Case("gradients [0.3, 0.4] and 1", ([0.3, 0.4], 1.0)),
        Case("gradients [0.6, 0.7, -0.8] and 1", ([0.6, 0.7, -0.8], 1.0)),
        Case("gradients [0, 0] and 1", ([0.0, 0.0], 1.0)),
    ),
    faults=(
        Fault(
            "Each number is cut by itself, which turns the gradient into another direction.",
            (
                lambda g, largest: [max(-largest, min(largest, x)) for x in g],
                lambda g, largest: [min(largest, x) for x in g],
            ),
        ),
        Fault(
            "A short gradient is made longer. Only those that are too long are to be changed.",
            (lambda g, largest: _scaled(g, largest / _norm(g)),),
        ),
        Fault(
            "The length is another: yours adds up the numbers, or takes the largest.",
            (
                lambda g, largest: _scaled(g, min(1.0, largest / (sum(map(abs, g)) or 1))),
                lambda g, largest: _scaled(g, min(1.0, largest / (max(map(abs, g)) or 1))),
            ),
        ),
        Fault(
            "The root is missing: that is the square of the length.",
            (lambda g, largest: _scaled(g, largest / _norm(g) ** 2) if _norm(g) ** 2 > largest else list(g),),
        ),
        Fault(
            "What is too long comes back with the length 1, whatever was allowed.",
            (lambda g, largest: _scaled(g, 1 / _norm(g)) if _norm(g) > largest else list(g),),
        ),
        Fault(
            "What is too long is thrown away. Its direction was still good.",
            (lambda g, largest: list(g) if _norm(g) <= largest else [0.0 for _ in g],),
        ),
    ),
    afterwards="Both are divided by 5: (0.6, 0.8), the same direction, a shorter step.",
)
