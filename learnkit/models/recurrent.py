"""A recurrent network: it reads a sequence step by step and carries a state along. Days 3 and 4."""

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from learnkit.errors import check_whole_number, unknown
from learnkit.models import initial

NONLINEARITIES = {"relu": torch.relu, "tanh": torch.tanh}  # the two that torch.nn.RNN knows
READOUTS = ("last", "mean")


class ElmanRNN(nn.Module):
    """Elman's recurrent network, with a linear readout on top.

    The state after step *t* is ``h_t = f(W_x x_t + b + W_h h_{t-1})``; it begins with zeros. The readout makes logits
    of the last state, or of the mean of all states (which is the mean of the logits of all states).

    All three ways to read, ``net(…)``, `last_state` and `states`, take the same: the sequences, a state to begin with,
    and the sequences' lengths where they are not all equally long. To read in pieces, hand the state on::

        for piece in pieces:
            state = net.last_state(piece, state)
        logits = net.hidden_to_logits(state)

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
        Of the random numbers that the net begins with, which come from a generator of its own. They are those of
        `torch.nn.RNN` after ``torch.manual_seed(seed)``: uniform between −1/√hidden_size and 1/√hidden_size (of its two
        biases, which it adds to each other, the sum); then the readout's, as in `torch.nn.Linear`.

    Raises
    ------
    ValueError
        For a size that is not a whole number of at least 1, or an unknown nonlinearity or readout.

    References
    ----------
    Elman: Finding structure in time, Cognitive Science 14 (1990).
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
        self.input_to_hidden = nn.utils.skip_init(nn.Linear, input_size, hidden_size)
        self.hidden_to_hidden = nn.utils.skip_init(nn.Linear, hidden_size, hidden_size, bias=False)
        generator = torch.Generator().manual_seed(seed)
        self._begin(generator)
        self.hidden_to_logits = initial.linear(hidden_size, num_classes, generator)

    def forward(
        self,
        sequences: Float[Tensor, "batch time feature"],
        state: Float[Tensor, "batch hidden"] | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch classes"]:
        """The logits of each sequence.

        Parameters
        ----------
        sequences
            At least one step long.
        state
            To begin with instead of zeros.
        lengths
            How many steps of each sequence count, at least one; the rest is padding, and is not even read.

        Raises
        ------
        ValueError
            If sequences, state or lengths have another shape or type than this net can take.
        """
        if self.readout == "last":
            return self.hidden_to_logits(self.last_state(sequences, state, lengths))
        states = self.states(sequences, state, lengths)
        return self.hidden_to_logits(states.sum(1) / (states.shape[1] if lengths is None else lengths[:, None]))

    def last_state(
        self,
        sequences: Float[Tensor, "batch time feature"],
        state: Float[Tensor, "batch hidden"] | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch hidden"]:
        """The state after the last step of each sequence."""
        if lengths is not None:
            states = self.states(sequences, state, lengths)
            return states[torch.arange(len(states)), lengths - 1]
        begin = self._checked(sequences, state)
        steps = self._steps(self.input_to_hidden(sequences).unbind(dim=1), begin)
        for last in steps:  # noqa: B007 (those before it are only gone through)
            pass
        return last

    def states(
        self,
        sequences: Float[Tensor, "batch time feature"],
        state: Float[Tensor, "batch hidden"] | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch time hidden"]:
        """The state after each step; zeros after the end of a sequence that is shorter than others."""
        state = self._checked(sequences, state, lengths)
        if lengths is None or len(sequences) == 0:
            return torch.stack(list(self._steps(self.input_to_hidden(sequences).unbind(dim=1), state)), dim=1)
        # Sorted by length, so that the sequences that still go on at a step are the first of the batch.
        packed = pack_padded_sequence(sequences, lengths.cpu(), batch_first=True, enforce_sorted=False)
        from_inputs = self.input_to_hidden(packed.data).split(packed.batch_sizes.tolist())
        states = torch.cat(list(self._steps(from_inputs, state[packed.sorted_indices])))
        which = torch.cat([packed.sorted_indices[:count] for count in packed.batch_sizes.tolist()])
        when = torch.arange(len(packed.batch_sizes)).repeat_interleave(packed.batch_sizes).to(which.device)
        # At once, which is several times as fast as torch's pad_packed_sequence with its gradient.
        return states.new_zeros(*sequences.shape[:2], states.shape[1]).index_put((which, when), states)

    def _steps(self, from_inputs: Iterable[Tensor], state: Tensor) -> Iterator[Tensor]:
        """The states. What the input adds to them does not depend on them: it was computed for all steps at once."""
        f = NONLINEARITIES[self.nonlinearity]
        recurrent = self.hidden_to_hidden.weight.T
        for from_input in from_inputs:
            if len(from_input) < len(state):  # the last sequences of the batch have ended
                state = state[: len(from_input)]
            state = f(torch.addmm(from_input, state, recurrent))
            yield state

    @torch.no_grad()
    def _begin(self, generator: torch.Generator) -> None:
        """The numbers with which torch.nn.RNN begins, drawn in its order."""
        bound = self.hidden_to_hidden.in_features**-0.5
        bias = self.input_to_hidden.bias
        second = torch.empty_like(bias)
        for numbers in (self.input_to_hidden.weight, self.hidden_to_hidden.weight, bias, second):
            numbers.uniform_(-bound, bound, generator=generator)
        bias += second

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

    def _checked(self, sequences: Tensor, state: Tensor | None, lengths: Tensor | None = None) -> Tensor:
        """The state to begin with, once all that was given is seen to fit."""
        weight = self.input_to_hidden.weight
        _check_sequences(sequences, weight)
        batch, time, _ = sequences.shape
        hidden = len(weight)
        if state is None:
            state = sequences.new_zeros(batch, hidden)
        if tuple(state.shape) != (batch, hidden):
            raise ValueError(
                f"The state has the shape {tuple(state.shape)}; for {batch} sequences and {hidden} hidden numbers "
                f"expected ({batch}, {hidden})."
            )
        _check_type("state", state, weight)
        if lengths is not None:
            _check_lengths(lengths, batch, time)
        return state


def _check_sequences(sequences: Tensor, weight: Tensor) -> None:
    shape, features = tuple(sequences.shape), weight.shape[1]
    if sequences.ndim != 3:
        advice = ""
        if sequences.ndim == 2 and shape[1] == features:
            advice = " It looks like one sequence: make it a batch of one with sequence[None]."
        elif sequences.ndim == 2 and shape[1] % features == 0:
            advice = f" Cut flattened images into rows first: images.view(-1, {shape[1] // features}, {features})."
        elif sequences.ndim == 4 and shape[1] == 1:
            advice = " Take the channel out first: images.squeeze(1)."
        raise ValueError(f"The sequences have the shape {shape}; expected (batch, time, feature).{advice}")
    if shape[1] == 0:
        raise ValueError(f"The sequences have the shape {shape}, which is no step at all; expected at least one.")
    if shape[2] != features:
        raise ValueError(f"Each step of the sequences has {shape[2]} features; this net takes {features}.")
    _check_type("sequences", sequences, weight)


def _check_type(name: str, numbers: Tensor, weight: Tensor) -> None:
    if numbers.dtype != weight.dtype:
        raise ValueError(
            f"What was given as {name} is of the type {numbers.dtype}, the weights of this net of {weight.dtype}: "
            f"hand over {name}.to({weight.dtype})."
        )


def _check_lengths(lengths: Tensor, batch: int, time: int) -> None:
    if tuple(lengths.shape) != (batch,) or lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise ValueError(
            f"lengths has the shape {tuple(lengths.shape)} and the type {lengths.dtype}; expected a whole number for "
            f"each of {batch} sequences."
        )
    wrong = ((lengths < 1) | (lengths > time)).nonzero().flatten().tolist()
    if wrong:
        raise ValueError(
            f"Sequence {wrong[0]} has the length {lengths[wrong[0]].item()}; expected 1 to {time}, the number of steps "
            "that there are."
        )
