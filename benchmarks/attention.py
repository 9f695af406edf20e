"""Attention against torch.nn.MultiheadAttention, and plots of its weights against a grid of axes, on the CPU.

learnkit is expected to be slower in evaluation with weights and without a mask: torch has one kernel for the whole
layer there, and learnkit keeps its three matrices separate, so that they can be read. That costs 10 to 40%, depending
on the processor.
"""

import io
from collections.abc import Callable
from itertools import product

import seaborn
import torch
from matplotlib.figure import Figure
from torch import nn

from benchmarks.measure import interleaved, print_table
from learnkit.models import MultiHeadAttention, causal_mask, padding_mask
from learnkit.plots import attention_heatmap

SIZES = ((64, 4, 32, 64, 8), (256, 8, 8, 256, 1))  # embed_dim, heads, batch, length, passes per measurement


def main() -> None:
    for embed_dim, heads, batch, length, passes in SIZES:
        torch.manual_seed(0)
        theirs = nn.MultiheadAttention(embed_dim, heads, batch_first=True)
        ours = MultiHeadAttention(embed_dim, heads)
        ours.load_from_torch(theirs)
        x = torch.randn(batch, length, embed_dim)
        causal, padding = causal_mask(length), padding_mask(torch.randint(1, length + 1, (batch,)), length)
        # The mask in our convention, True where a query may look, and in theirs, True where it may not.
        masks = {
            "": (None, {}),
            ", causal": (causal, {"attn_mask": ~causal}),
            ", padding": (padding, {"key_padding_mask": ~padding[:, 0, 0]}),
        }
        size = f"embed {embed_dim}, {heads} heads, batch {batch}, length {length}, {torch.get_num_threads()} threads"
        for training, mask, need_weights in product((True, False), masks, (True, False)):
            theirs.train(training)
            attend = both(ours, theirs, x, *masks[mask], need_weights=need_weights)
            results = [attend_once() for attend_once in attend.values()]
            assert (results[0] - results[1]).abs().max() < 1e-5
            seconds = interleaved(
                {name: repeat(attend_once, passes, training=training) for name, attend_once in attend.items()},
                rounds=20,
                warm_up=3,
            )
            what = f"{'training' if training else 'evaluation'}{mask}, {'with' if need_weights else 'without'} weights"
            print_table(f"Attention, {what}: {size}", seconds, "torch.nn.MultiheadAttention", "ms", 1000 / passes)
    plots()


def both(
    ours: nn.Module, theirs: nn.Module, x: torch.Tensor, mask: torch.Tensor | None, blocked: dict, *, need_weights: bool
) -> dict[str, Callable[[], torch.Tensor]]:
    options = {"need_weights": need_weights, "average_attn_weights": False}
    return {
        "learnkit": lambda: ours(x, mask=mask, need_weights=need_weights)[0],
        "torch.nn.MultiheadAttention": lambda: theirs(x, x, x, **options, **blocked)[0],
    }


def repeat(attend: Callable[[], torch.Tensor], passes: int, *, training: bool) -> Callable[[], None]:
    def train() -> None:
        for _ in range(passes):
            attend().sum().backward()

    def evaluate() -> None:
        with torch.no_grad():
            for _ in range(passes):
                attend()

    return train if training else evaluate


def plots() -> None:
    generator = torch.Generator().manual_seed(0)
    layers = torch.randn(12, 12, 64, 64, generator=generator).softmax(-1)
    words = [f"word{number}" for number in range(64)]
    long = torch.randn(1024, 1024, generator=generator).softmax(-1)
    ways = {
        "learnkit, 144 heads of 64 tokens": lambda: png(attention_heatmap(layers)),
        "a grid of 144 axes, imshow in each": lambda: png(axes_with_imshow(layers.flatten(0, 1))),
        "learnkit, 8 heads of 64 tokens": lambda: png(attention_heatmap(layers[0, :8])),
        "learnkit, 8 heads of 64 tokens, with words": lambda: png(attention_heatmap(layers[0, :8], words)),
        "learnkit, a head of 1,024 tokens": lambda: png(attention_heatmap(long)),
        "the same without PNG compression": lambda: pixels(attention_heatmap(long)),
    }
    title = "Heads to PNG"
    print_table(title, interleaved(ways, rounds=5), "a grid of 144 axes, imshow in each", "s")
    grid = {"a grid of 8 axes, seaborn.heatmap in each": lambda: png(axes_with_seaborn(layers[0, :8]))}
    grid["learnkit, 8 heads of 64 tokens"] = ways["learnkit, 8 heads of 64 tokens"]
    print_table(title, interleaved(grid, rounds=3), "a grid of 8 axes, seaborn.heatmap in each", "s")


def png(figure: Figure) -> None:
    figure.savefig(io.BytesIO(), format="png")


def pixels(figure: Figure) -> None:
    """Draw without compression: compressing a million pixels of noise takes longer than drawing them."""
    figure.savefig(io.BytesIO(), format="rgba")


def axes_with_imshow(heads: torch.Tensor) -> Figure:
    figure = Figure(figsize=(10, 9))
    for axes, head in zip(figure.subplots(12, 12).flat, heads.numpy(), strict=True):
        axes.imshow(head, cmap="Blues", vmin=0, vmax=heads.max())
        axes.set(xticks=[], yticks=[])
    return figure


def axes_with_seaborn(heads: torch.Tensor) -> Figure:
    figure = Figure(figsize=(10, 5))
    for axes, head in zip(figure.subplots(2, 4).flat, heads.numpy(), strict=True):
        seaborn.heatmap(head, cmap="Blues", vmin=0, vmax=heads.max(), cbar=False, ax=axes)
    return figure
