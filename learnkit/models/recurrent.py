"""A recurrent network: it reads a sequence step by step and carries a state along. Days 3 and 4."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from learnkit.errors import check_whole_number, unknown
from learnkit.models import initial

NONLINEARITIES = {"relu": torch.relu, "tanh": torch.tanh}  # the two that torch.nn.RNN knows
READOUTS = ("last", "mean")


class ElmanRNN(nn.Module):
    """Elman's recurrent network, with a linear readout on top.

    The state after step *t* is ``h_t = f(W_x x_t + b + W_h h_{t-1})``; it begins with zeros. The readout makes logits
    of the last state, or of the mean of all states (which is the mean of the logits of all states).

    Parameters
    ----------
    input_size
        Features in a step: for an image that is read row by row, the pixels of a row.
    hidden_size
        Numbers in the state.
    num_classes
        Logits to return.
    nonlinearity
        *f*: ``"relu"`` or ``"tanh"``.
    readout
        Of which state: ``"last"`` or ``"mean"``.
    seed
        Of the random numbers that the net begins with, which come from a generator of its own. The recurrent weights
        begin as an orthogonal matrix, which neither stretches nor shrinks the state from step to step; all else as in
        `torch.nn.Linear`.

    Raises
    ------
    ValueError
        For a size that is not a whole number of at least 1, or an unknown nonlinearity or readout.

    References
    ----------
    Elman: Finding structure in time, Cognitive Science 14 (1990). For the orthogonal beginning: Saxe, McClelland,
    Ganguli, arXiv:1312.6120.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_classes: int,
        *,
        nonlinearity: str = "relu",
        readout: str = "last",
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size), ("num_classes", num_classes)):
            check_whole_number(name, size)
        if nonlinearity not in NONLINEARITIES:
            raise unknown("nonlinearity", nonlinearity, NONLINEARITIES)
        if readout not in READOUTS:
            raise unknown("readout", readout, READOUTS)
        self.nonlinearity = nonlinearity
        self.readout = readout
        generator = torch.Generator().manual_seed(seed)
        self.input_to_hidden = initial.linear(input_size, hidden_size, generator)
        self.hidden_to_hidden = initial.linear(hidden_size, hidden_size, generator, bias=False)
        nn.init.orthogonal_(self.hidden_to_hidden.weight, generator=generator)
        self.hidden_to_logits = initial.linear(hidden_size, num_classes, generator)

    def forward(
        self, sequences: Float[Tensor, "batch time feature"], state: Float[Tensor, "batch hidden"] | None = None
    ) -> Float[Tensor, "batch classes"]:
        """The logits of each sequence.

        Parameters
        ----------
        sequences
            At least one step long.
        state
            To begin with instead of zeros.

        Raises
        ------
        ValueError
            If sequences or state have another shape than this net can take.
        """
        steps = self._steps(sequences, state)
        if self.readout == "mean":
            return self.hidden_to_logits(torch.stack(list(steps)).mean(0))
        for last in steps:  # noqa: B007 (the earlier states are not needed here, only gone through)
            pass
        return self.hidden_to_logits(last)

    def states(
        self, sequences: Float[Tensor, "batch time feature"], state: Float[Tensor, "batch hidden"] | None = None
    ) -> Float[Tensor, "batch time hidden"]:
        """The state after each step. To read a long sequence in pieces, hand on ``states(...)[:, -1]``."""
        return torch.stack(list(self._steps(sequences, state)), dim=1)

    def _steps(self, sequences: Tensor, state: Tensor | None) -> Iterator[Tensor]:
        self._check_shapes(sequences, state)
        if state is None:
            state = sequences.new_zeros(len(sequences), self.hidden_to_hidden.in_features)
        f = NONLINEARITIES[self.nonlinearity]
        recurrent = self.hidden_to_hidden.weight.T
        # What the input adds to the state does not depend on the state: it is computed for all steps at once.
        for from_input in self.input_to_hidden(sequences).unbind(dim=1):
            state = f(torch.addmm(from_input, state, recurrent))
            yield state

    @torch.no_grad()
    def load_from_torch(self, module: nn.RNN) -> None:
        """Take over the weights of a `torch.nn.RNN`; from then on `states` is its output. The readout stays.

        Raises
        ------
        ValueError
            If it has other sizes, another nonlinearity, several layers, two directions, or no bias.
        """
        ours = {
            "input_size": self.input_to_hidden.in_features,
            "hidden_size": self.hidden_to_hidden.in_features,
            "num_layers": 1,
            "bidirectional": False,
            "bias": True,
            "nonlinearity": self.nonlinearity,
        }
        for name, value in ours.items():
            if getattr(module, name) != value:
                raise ValueError(f"The torch.nn.RNN has {name}={getattr(module, name)!r}; this net needs {value!r}.")
        self.input_to_hidden.weight.copy_(module.weight_ih_l0)
        self.input_to_hidden.bias.copy_(module.bias_ih_l0 + module.bias_hh_l0)  # torch keeps two and adds both
        self.hidden_to_hidden.weight.copy_(module.weight_hh_l0)

    def _check_shapes(self, sequences: Tensor, state: Tensor | None) -> None:
        shape = tuple(sequences.shape)
        features, hidden = self.input_to_hidden.in_features, self.hidden_to_hidden.in_features
        if sequences.ndim != 3:
            single = sequences.ndim == 2 and shape[1] == features
            advice = " It looks like one sequence: make it a batch of one with sequence[None]." if single else ""
            if sequences.ndim == 2 and shape[1] % features == 0 and not single:
                advice = f" Cut flattened images into rows first: images.view(-1, {shape[1] // features}, {features})."
            raise ValueError(f"The sequences have the shape {shape}; expected (batch, time, feature).{advice}")
        if shape[1] == 0:
            raise ValueError(f"The sequences have the shape {shape}, which is no step at all; expected at least one.")
        if shape[2] != features:
            raise ValueError(f"Each step of the sequences has {shape[2]} features; this net takes {features}.")
        if state is not None and tuple(state.shape) != (shape[0], hidden):
            raise ValueError(
                f"The state has the shape {tuple(state.shape)}; for {shape[0]} sequences and {hidden} hidden numbers "
                f"expected ({shape[0]}, {hidden})."
            )
