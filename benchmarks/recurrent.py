"""Recurrent networks: the ladder of Days 3 and 4, beginning with the notes' loop, on the CPU, forward and backward.

Each implementation reads the same 200 images of 28 rows with a hidden size of 128; all but the first have the same
weights. Then the last states are timed, all states, and the last states of sequences of different lengths.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from benchmarks.measure import interleaved, print_table
from learnkit.models import ElmanRNN
from tools.notebook_definitions import definitions

ROOT = Path(__file__).parent.parent

BATCH, HIDDEN = 200, 128
PASSES = 10  # of the fast implementations in each round
OURS, THEIRS = "learnkit's ElmanRNN", "torch.nn.RNN"
PICTURE = ROOT / "pictures" / "rnn_ladder.png"


def main() -> None:
    size = f"{BATCH} images, {HIDDEN} hidden, {torch.get_num_threads()} threads"
    seconds = ladder()
    print_table(f"Recurrent, forward and backward: {size}", seconds, THEIRS, "ms", 1000)
    ratio = median(next(iter(seconds.values()))) / median(seconds[OURS])
    print(f"The notes' loop takes {ratio:.0f} times as long as {OURS}.")
    picture(seconds).savefig(PICTURE, dpi=100, metadata={"Software": None})
    print(f"The plot is in {PICTURE}.")
    images, theirs, ours = pair()
    lengths = torch.randint(1, 29, (BATCH,), generator=torch.Generator().manual_seed(0))
    packed = partial(pack_padded_sequence, images, lengths, batch_first=True, enforce_sorted=False)
    ways = {
        f"{OURS}, last states": lambda: ours.last_state(images),
        f"{OURS}, all states": lambda: ours.states(images),
        f"{OURS}, last states by lengths": lambda: ours.last_state(images, lengths=lengths),
        THEIRS: lambda: theirs(images)[0],
        f"{THEIRS}, last states": lambda: theirs(images)[1],
        f"{THEIRS}, packed by lengths": lambda: theirs(packed())[1],
    }
    seconds = interleaved({name: partial(repeat, way) for name, way in ways.items()}, rounds=20, warm_up=2)
    print_table(f"Recurrent, last or all states: {size}", seconds, THEIRS, "ms", 1000 / PASSES)
    with torch.no_grad():
        seconds = interleaved({name: partial(repeat, way) for name, way in list(ways.items())[:4]}, rounds=20)
    print_table(f"Recurrent, forward only: {size}", seconds, THEIRS, "ms", 1000 / PASSES)


def ladder() -> dict[str, list[float]]:
    """The seconds of a pass for each implementation in each round; first the notes' loop, which has another readout."""
    images, rnn, ours = pair()
    day3, day4 = definitions("day3_rnn_the_slow_way"), definitions("day4_rnn_vectorised")
    slow, rows = day3["SlowRNN"](HIDDEN), day4["FixedRNN"](28, HIDDEN, 10)
    with torch.no_grad():
        rows.hidden_layer.weight.copy_(torch.cat([ours.input_to_hidden.weight, ours.hidden_to_hidden.weight], dim=1))
        rows.hidden_layer.bias.copy_(ours.input_to_hidden.bias)
        rows.output_layer.load_state_dict(ours.hidden_to_logits.state_dict())
    lstm = nn.LSTM(28, HIDDEN, batch_first=True)
    rungs = {
        "all images, row by row": rows,
        "input hoisted": partial(day4["hoisted"], rows),
        "addmm": partial(day4["with_addmm"], rows),
        "unbind": partial(day4["with_unbind"], rows),
        OURS: ours,
        THEIRS: lambda images: ours.hidden_to_logits(rnn(images)[1][0]),
        "torch.nn.LSTM": lambda images: ours.hidden_to_logits(lstm(images)[1][0][0]),
    }
    compiled = torch.compile(ours)
    try:
        backward(partial(compiled, images))
        rungs[f"{OURS}, compiled"] = compiled
    except RuntimeError as error:
        print(f"torch.compile failed, perhaps because there is no C++ compiler: {error}")
    with torch.no_grad():
        for name, rung in rungs.items():
            assert "LSTM" in name or (rung(images) - ours(images)).abs().max() < 1e-5, name
    ways = {"the notes' loop over images": partial(backward, lambda: slow(images))}
    ways |= {name: partial(repeat, partial(rung, images)) for name, rung in rungs.items()}
    seconds = interleaved(ways, rounds=9, warm_up=2)
    return {name: [value / (PASSES if name in rungs else 1) for value in values] for name, values in seconds.items()}


def pair() -> tuple[Tensor, nn.RNN, ElmanRNN]:
    """Random images, and two nets with the same weights."""
    torch.manual_seed(0)
    theirs = nn.RNN(28, HIDDEN, nonlinearity="relu", batch_first=True)
    ours = ElmanRNN(28, HIDDEN, 10)
    ours.load_from_torch(theirs)
    return torch.rand(BATCH, 28, 28), theirs, ours


def backward(way: Callable[[], Tensor]) -> None:
    outputs = way()
    if outputs.requires_grad:
        outputs.sum().backward()


def repeat(way: Callable[[], Tensor]) -> None:
    for _ in range(PASSES):
        backward(way)


def picture(seconds: dict[str, list[float]]) -> Figure:
    """The ladder as a bar chart with a logarithmic axis."""
    figure = Figure(figsize=(7.5, 3.4), layout="constrained")
    axes = figure.subplots()
    milliseconds = [1000 * median(values) for values in seconds.values()]
    colours = ["#0072B2" if name == OURS else "#A6C8E0" for name in seconds]
    axes.bar_label(axes.barh(list(seconds), milliseconds, color=colours), fmt="%.1f ms", padding=3)
    axes.set(xscale="log", xlim=(1, 6 * max(milliseconds)))
    axes.set_xlabel(f"milliseconds for {BATCH} images, forward and backward (logarithmic)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.invert_yaxis()
    return figure
