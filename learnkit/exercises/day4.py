"""Day 4: all sequences at once, the state after the last real step, gradient clipping."""

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


def _last_states(sequences: Tensor, w: Tensor, u: Tensor, b: Tensor, activation: Activation = torch.relu) -> Tensor:
    return _all_states(sequences, w, u, b, activation)[-1]


def _over_the_batch(sequences: Tensor, w: Tensor, u: Tensor, b: Tensor) -> Tensor:
    return _last_states(sequences.transpose(0, 1), w, u, b)


def _linear(sequences: Tensor, w: Tensor, u: Tensor, b: Tensor) -> Tensor:
    return _last_states(sequences, w, u, b, lambda x: x)


def _weights(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    return _random(4, 3, seed=seed), _random(4, 4, seed=seed + 1) / 2, _random(4, seed=seed + 2)


read_all = Exercise(
    question="One number comes in at each step, and the state is one number: W = [[1.0]], U = [[2.0]], b = [0.0]. The "
    "sequence is 1, 0, 0, 0. What is the state at its end?",
    ask=lambda function: function(
        torch.tensor([[[1.0], [0.0], [0.0], [0.0]]]), torch.ones(1, 1), 2 * torch.ones(1, 1), torch.zeros(1)
    )[0][0],
    task="Now write a function of (sequences, W, U, b), of shapes (batch, time, feature), (hidden, feature), (hidden, "
    "hidden) and (hidden,), that returns the last states, (batch, hidden). The states start at zero, and each step "
    "replaces them with relu(W x + U state + b), for all sequences at once: one loop. (If x has a row for each "
    "sequence, x @ W.T is W x for all of them.)",
    solution=_last_states,
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
            "Your loop runs over the batch and treats the sequences as steps. Which axis is time?",
            (_over_the_batch,),
        ),
        Fault("Each step is linear: ReLU is missing.", (_linear,)),
        Fault("It applies ReLU only at the end; it belongs in every step.", (lambda *case: _linear(*case).relu(),)),
        Fault("It applies tanh; the task asks for ReLU.", (lambda x, w, u, b: _last_states(x, w, u, b, torch.tanh),)),
        Fault(
            "U is transposed. It is square, so no shape complains.",
            (lambda x, w, u, b: _last_states(x, w, u.T, b),),
        ),
        Fault("The bias is missing.", (lambda x, w, u, b: _last_states(x, w, u, 0 * b),)),
        Fault("The bias is added twice.", (lambda x, w, u, b: _last_states(x, w, u, 2 * b),)),
        Fault(
            "Each step forgets the state before it: nothing is recurrent.",
            (lambda x, w, u, b: _last_states(x, w, 0 * u, b),),
        ),
        Fault(
            "It is one step behind: the last step is computed and thrown away, as in the notes.",
            (lambda x, w, u, b: [x.new_zeros(len(x), len(u)), *_all_states(x, w, u, b)][-2],),
        ),
        Fault(
            "That is the mean of the states; the task asks for the last.",
            (lambda x, w, u, b: torch.stack(_all_states(x, w, u, b)).mean(0),),
        ),
        Fault(
            "It returns all states; the task asks only for the last.",
            (
                lambda x, w, u, b: torch.stack(_all_states(x, w, u, b), dim=1),
                lambda x, w, u, b: torch.stack(_all_states(x, w, u, b)),
            ),
        ),
    ),
    explanation="1, 2, 4, 8: it doubles at each step. Over 28 rows that would be more than a hundred million, and the "
    "same happens to the gradient on its way back.",
)

# ---------------------------------------------------------------- the state after the last real step

_STATES = _random(3, 5, 2, seed=20)


def _at(states: Tensor, steps: Sequence[int]) -> Tensor:
    return torch.stack([states[i, step] for i, step in enumerate(steps)])


last_of_each = Exercise(
    question="The states of one sequence, after each of five steps, are 0, 10, 20, 30 and 40, and its length is 3: "
    "the rest is padding. What is its last state?",
    ask=lambda function: function(10 * torch.arange(5.0)[None, :, None], [3])[0][0],
    task="Now write a function of (states, lengths), a tensor of shape (batch, time, hidden) and a list with a length "
    "for each sequence, that returns the state of each sequence after its last step, (batch, hidden).",
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
            "It is off by one: it stops one step too early.",
            (lambda states, lengths: _at(states, [length - 2 for length in lengths]),),
        ),
        Fault(
            "It reads all sequences at one and the same step, where one of them ends.",
            (
                lambda states, lengths: states[:, max(lengths) - 1],
                lambda states, lengths: states[:, min(lengths) - 1],
                lambda states, lengths: states[:, lengths[0] - 1],
            ),
        ),
        Fault(
            "It returns too much: the state of each sequence at the end of *every* sequence. Which belongs to which?",
            (lambda states, lengths: states[:, [length - 1 for length in lengths]],),
        ),
        Fault(
            "That is the mean of the states of a sequence.",
            (lambda states, lengths: torch.stack([s[:n].mean(0) for s, n in zip(states, lengths, strict=True)]),),
        ),
    ),
    explanation="Counted from 0, the third step has the index 2. On MNIST nobody would notice a mistake; a comparison "
    "with another program shows it at once.",
)

# ---------------------------------------------------------------- gradient clipping


def _norm(gradients: Sequence[float]) -> float:
    return math.sqrt(sum(g * g for g in gradients))


def _scaled(gradients: Sequence[float], factor: float) -> list[float]:
    return [factor * g for g in gradients]


def _clipped(gradients: Sequence[float], largest: float) -> list[float]:
    norm = _norm(gradients)
    return _scaled(gradients, largest / norm) if norm > largest else list(gradients)


clip = Exercise(
    question="The gradient is (3, 4), so its length is 5. It is clipped to a length of 1. What does the 3 become?",
    ask=lambda function: function([3.0, 4.0], 1.0)[0],
    task="Now write a function of (gradients, largest), a list of numbers and the largest length allowed, that "
    "returns a list: a gradient with the same direction that is no longer than that. The length is the square root of "
    "the sum of squares.",
    solution=_clipped,
    cases=(
        Case("gradients [3, -4] and 2.5", ([3.0, -4.0], 2.5)),
        Case("gradients [0.3, 0.4] and 1", ([0.3, 0.4], 1.0)),
        Case("gradients [0.6, 0.7, -0.8] and 1", ([0.6, 0.7, -0.8], 1.0)),
        Case("gradients [0, 0] and 1", ([0.0, 0.0], 1.0)),
    ),
    faults=(
        Fault(
            "Each number is clipped by itself, which changes the direction of the gradient.",
            (
                lambda g, largest: [max(-largest, min(largest, x)) for x in g],
                lambda g, largest: [min(largest, x) for x in g],
            ),
        ),
        Fault(
            "A short gradient is made longer. Only those that are too long should be changed.",
            (lambda g, largest: _scaled(g, largest / _norm(g)),),
        ),
        Fault(
            "You measure the length differently: yours adds up the numbers, or takes the largest.",
            (
                lambda g, largest: _scaled(g, min(1.0, largest / (sum(map(abs, g)) or 1))),
                lambda g, largest: _scaled(g, min(1.0, largest / (max(map(abs, g)) or 1))),
            ),
        ),
        Fault(
            "The square root is missing: that is the square of the length.",
            (lambda g, largest: _scaled(g, largest / _norm(g) ** 2) if _norm(g) ** 2 > largest else list(g),),
        ),
        Fault(
            "A gradient that is too long gets the length 1, whatever length is allowed.",
            (lambda g, largest: _scaled(g, 1 / _norm(g)) if _norm(g) > largest else list(g),),
        ),
        Fault(
            "A gradient that is too long is thrown away. Its direction was still good.",
            (lambda g, largest: list(g) if _norm(g) <= largest else [0.0 for _ in g],),
        ),
    ),
    explanation="Both are divided by 5: (0.6, 0.8), the same direction and a shorter step.",
)
