"""A recurrent network, which reads a sequence step by step and keeps a hidden state. Days 3 and 4."""

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from learnkit.errors import check_whole_number, unknown
from learnkit.models import init

NONLINEARITIES = {"relu": torch.relu, "tanh": torch.tanh}  # those of torch.nn.RNN
READOUTS = ("last", "mean")


class ElmanRNN(nn.Module):
    """Elman's recurrent network, with a linear readout on top.

    The state after step *t* is ``h_t = f(W_x x_t + b + W_h h_{t-1})``; the initial state is zero. The readout computes
    logits from the last state, or from the mean of all states (which gives the mean of the logits of all states).

    ``net(…)``, `last_state` and `states` take the same arguments: the sequences, an initial state, and the lengths of
    the sequences if these differ. To read sequences in chunks, pass the state on::

        for chunk in chunks:
            state = net.last_state(chunk, state)
        logits = net.hidden_to_logits(state)

    Parameters
    ----------
    input_size
        Features of each step: for an image that is read row by row, the pixels of a row.
    hidden_size
        Units of the hidden state.
    num_classes
        Number of logits.
    nonlinearity
        *f*: ``"relu"`` or ``"tanh"``.
    readout
        Which state the logits are computed from: ``"last"`` or ``"mean"``.
    seed
        For the initial weights, which come from the net's own generator. They are those of `torch.nn.RNN` after
        ``torch.manual_seed(seed)``: uniform between −1/√hidden_size and 1/√hidden_size. The bias is the sum of its two
        biases. The readout follows, initialised as in `torch.nn.Linear`.

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
        self._initialise(generator)
        self.hidden_to_logits = init.linear(hidden_size, num_classes, generator)

    def forward(
        self,
        sequences: Float[Tensor, "batch time feature"],
        state: Float[Tensor, "batch hidden"] | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch classes"]:
        """The logits for each sequence.

        Parameters
        ----------
        sequences
            Each has at least one step.
        state
            The initial state, instead of zeros.
        lengths
            The number of steps of each sequence, at least one; what follows is padding and is not read. They decide how
            much there is to compute, so the CPU has to know them: on a GPU, each call waits for it.

        Raises
        ------
        ValueError
            If the shape or dtype of the sequences, the state or the lengths does not fit this net.
        """
        if self.readout == "last":
            return self.hidden_to_logits(self.last_state(sequences, state, lengths))
        states = self.states(sequences, state, lengths)
        steps = states.shape[1] if lengths is None else lengths.to(states)[:, None]
        return self.hidden_to_logits(states.sum(1) / steps)

    def last_state(
        self,
        sequences: Float[Tensor, "batch time feature"],
        state: Float[Tensor, "batch hidden"] | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch hidden"]:
        """The state after the last step of each sequence."""
        if lengths is not None:
            states = self.states(sequences, state, lengths)
            last = lengths.to(states.device, torch.int64) - 1
            return states[torch.arange(len(states), device=states.device), last]
        initial = self._check_inputs(sequences, state)
        steps = self._steps(self.input_to_hidden(sequences).unbind(dim=1), initial)
        for last in steps:  # noqa: B007 (only the last one is used)
            pass
        return last

    def states(
        self,
        sequences: Float[Tensor, "batch time feature"],
        state: Float[Tensor, "batch hidden"] | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch time hidden"]:
        """The state after each step; zeros after the end of a shorter sequence."""
        state = self._check_inputs(sequences, state)
        if lengths is not None:
            lengths = _checked_lengths(lengths, *sequences.shape[:2])
        if lengths is None or len(sequences) == 0:
            return torch.stack(list(self._steps(self.input_to_hidden(sequences).unbind(dim=1), state)), dim=1)
        # Sorted by length, so that the sequences that have not ended at a step are the first of the batch.
        order = lengths.argsort(descending=True)
        counts = (lengths[:, None] > torch.arange(int(lengths.max()))).sum(0)
        which = torch.cat([order[:count] for count in counts.tolist()]).to(sequences.device)
        when = torch.arange(len(counts)).repeat_interleave(counts).to(sequences.device)
        from_inputs = self.input_to_hidden(sequences[which, when]).split(counts.tolist())
        states = torch.cat(list(self._steps(from_inputs, state[which[: len(state)]])))
        # Several times as fast as torch's pad_packed_sequence, counting its gradient.
        return states.new_zeros(*sequences.shape[:2], states.shape[1]).index_put((which, when), states)

    def _steps(self, from_inputs: Iterable[Tensor], state: Tensor) -> Iterator[Tensor]:
        """Yield the states. The input's contribution does not depend on them and was computed for all steps at once."""
        f = NONLINEARITIES[self.nonlinearity]
        recurrent = self.hidden_to_hidden.weight.T
        for from_input in from_inputs:
            if len(from_input) < len(state):  # the last sequences of the batch have ended
                state = state[: len(from_input)]
            state = f(torch.addmm(from_input, state, recurrent))
            yield state

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        """Draw the initial weights of torch.nn.RNN, in its order."""
        bound = self.hidden_to_hidden.in_features**-0.5
        bias = self.input_to_hidden.bias
        second = torch.empty_like(bias)
        for parameter in (self.input_to_hidden.weight, self.hidden_to_hidden.weight, bias, second):
            parameter.uniform_(-bound, bound, generator=generator)
        bias += second

    @torch.no_grad()
    def load_from_torch(self, module: nn.RNN) -> None:
        """Copy the weights of a `torch.nn.RNN`, so that `states` returns its output. The readout is not changed.

        Raises
        ------
        ValueError
            If its sizes or nonlinearity differ, or if it has several layers, two directions, or no bias.
        """
        expected = {
            "input_size": self.input_to_hidden.in_features,
            "hidden_size": self.hidden_to_hidden.in_features,
            "num_layers": 1,
            "bidirectional": False,
            "bias": True,
            "nonlinearity": self.nonlinearity,
        }
        for name, value in expected.items():
            if getattr(module, name) != value:
                raise ValueError(f"The torch.nn.RNN has {name}={getattr(module, name)!r}; expected {value!r}.")
        weights = module.state_dict()
        self.input_to_hidden.weight.copy_(weights["weight_ih_l0"])
        self.input_to_hidden.bias.copy_(weights["bias_ih_l0"] + weights["bias_hh_l0"])  # torch has two and adds them
        self.hidden_to_hidden.weight.copy_(weights["weight_hh_l0"])

    def _check_inputs(self, sequences: Tensor, state: Tensor | None) -> Tensor:
        """Check that the inputs fit this net, and return the initial state."""
        weight = self.input_to_hidden.weight
        _check_sequences(sequences, weight)
        batch, hidden = len(sequences), len(weight)
        if state is None:
            state = sequences.new_zeros(batch, hidden)
        if tuple(state.shape) != (batch, hidden):
            raise ValueError(
                f"The state has the shape {tuple(state.shape)}; expected ({batch}, {hidden}), for {batch} sequences "
                f"and {hidden} hidden units."
            )
        _check_dtype("state", state, weight)
        return state


def _check_sequences(sequences: Tensor, weight: Tensor) -> None:
    shape, features = tuple(sequences.shape), weight.shape[1]
    if sequences.ndim != 3:
        advice = ""
        if sequences.ndim == 2 and shape[1] == features:
            advice = " It looks like one sequence: make it a batch of one with sequences[None]."
        elif sequences.ndim == 2 and shape[1] % features == 0:
            advice = f" Split flattened images into rows first: images.view(-1, {shape[1] // features}, {features})."
        elif sequences.ndim == 4 and shape[1] == 1:
            advice = " Remove the channel first: images.squeeze(1)."
        raise ValueError(f"The sequences have the shape {shape}; expected (batch, time, feature).{advice}")
    if shape[1] == 0:
        raise ValueError(f"The sequences have the shape {shape}, which has no steps; expected at least one.")
    if shape[2] != features:
        raise ValueError(f"Each step of the sequences has {shape[2]} features; this net expects {features}.")
    _check_dtype("sequences", sequences, weight)


def _check_dtype(name: str, values: Tensor, weight: Tensor) -> None:
    if values.dtype != weight.dtype:
        raise ValueError(
            f"{name} has the dtype {values.dtype}; expected {weight.dtype}, that of the weights of this net: pass "
            f"{name}.to({weight.dtype})."
        )


def _checked_lengths(lengths: Tensor, batch: int, time: int) -> Tensor:
    """The lengths on the CPU, as int64."""
    if tuple(lengths.shape) != (batch,) or lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise ValueError(
            f"lengths has the shape {tuple(lengths.shape)} and the dtype {lengths.dtype}; expected a whole number for "
            f"each of {batch} sequences."
        )
    lengths = lengths.to("cpu", torch.int64)
    for number, length in enumerate(lengths.tolist()):
        if not 1 <= length <= time:
            raise ValueError(
                f"Sequence {number} has the length {length}; expected 1 to {time}, the number of steps in the batch."
            )
    return lengths
