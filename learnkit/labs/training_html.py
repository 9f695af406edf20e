"""What a TrainingLab shows besides its curves, as HTML: data in, text out."""

import base64
import html
import io
from collections.abc import Sequence
from itertools import pairwise
from math import log2

import matplotlib.image
import pandas as pd
from jaxtyping import Float, Int64
from torch import Tensor, nn

from learnkit.labs.live_curves import WINDOW
from learnkit.labs.training_run import Run
from learnkit.training import Evaluation

MISTAKES = 12
PIXELS = 28


def network(model: nn.Module) -> str:
    """The net as a row of bars, one for the input and one for each linear layer, higher the more numbers it has.

    From bar to bar goes a band, so that a bottleneck is seen. The heights grow as the logarithm of the numbers.
    """
    layers = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    sizes = [layers[0][1].in_features, *(layer.out_features for _, layer in layers)]
    heights = [100 * log2(size + 1) / log2(max(*sizes, 1024) + 1) for size in sizes]
    cells = [_bar(sizes[0], heights[0])]
    for (name, layer), size, (left, right) in zip(layers, sizes[1:], pairwise(heights), strict=True):
        count = sum(parameter.numel() for parameter in layer.parameters())
        shape = (
            f"0 {50 - left / 2:.0f}%, 100% {50 - right / 2:.0f}%, 100% {50 + right / 2:.0f}%, 0 {50 + left / 2:.0f}%"
        )
        title = f"{name}: {layer.in_features:,} to {layer.out_features:,}, {count:,} parameters"
        cells.append(f'<i title="{html.escape(title)}" style="clip-path:polygon({shape})"></i>{_bar(size, right)}')
    total = sum(parameter.numel() for parameter in model.parameters())
    words = " to ".join(f"{size:,}" for size in sizes)
    return (
        f'<div class="learnkit-net" role="img" aria-label="The net, {words} numbers, {total:,} parameters">'
        f"{''.join(cells)}</div><p>{total:,} parameters</p>"
    )


def _bar(size: int, height: float) -> str:
    return f'<b><u style="height:{height:.0f}%"></u><span>{size:,}</span></b>'


def confusion(matrix: Int64[Tensor, "true predicted"] | None, classes: Sequence[str]) -> str:
    """A confusion matrix as a table; the darker a cell, the larger its share of its row (its square root)."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in classes)
    rows = []
    for number, name in enumerate(classes):
        counts = [0] * len(classes) if matrix is None else matrix[number].tolist()
        total = max(1, sum(counts))
        cells = "".join(_count(count, (count / total) ** 0.5) for count in counts)
        rows.append(f'<tr><th scope="row">{html.escape(name)}</th>{cells}</tr>')
    return (
        '<table class="learnkit-confusion"><caption>row: what it is, column: what the net says</caption>'
        f"<tr><td></td>{head}</tr>{''.join(rows)}</table>"
    )


def _count(count: int, shade: float) -> str:
    if count == 0:
        return "<td></td>"
    white = ";color:#fff" if shade > 0.6 else ""
    return f'<td style="--s:{shade:.2f}{white}">{count}</td>'


def mistakes(
    evaluation: Evaluation | None, images: Float[Tensor, "images height width"], classes: Sequence[str]
) -> str:
    """Images that the net is wrong about, those first of which it is surest, with what it says.

    The room of those that are missing is left free, so that nothing moves on the page when they come.
    """
    figures, url = [], ""
    if evaluation is not None:
        probability, predicted = evaluation.logits.softmax(1).max(1)
        wrong = (predicted != evaluation.labels).nonzero().flatten()
        worst = wrong[probability[wrong].argsort(descending=True)[:MISTAKES]]
        for place, index in enumerate(worst.tolist()):
            true, said = (html.escape(classes[which]) for which in (evaluation.labels[index], predicted[index]))
            figures.append(f'<figure><i style="--k:{place}"></i>is {true}<br>says {said}</figure>')
        if figures:
            url = f"--n:{len(worst)};--url:url({_strip(images[worst])})"
        else:
            figures = ["<figure>There is none.</figure>"]
    free = '<figure style="visibility:hidden"><i></i>&nbsp;<br>&nbsp;</figure>' * (MISTAKES - len(figures))
    return f'<div class="learnkit-mistakes" style="{url}">{"".join(figures)}{free}</div>'


def _strip(images: Float[Tensor, "images height width"]) -> str:
    """Images side by side, as the URL of a PNG."""
    file = io.BytesIO()
    pixels = images.transpose(0, 1).flatten(1).cpu().numpy()
    matplotlib.image.imsave(file, pixels, cmap="gray_r", vmin=0, vmax=1, format="png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def status(words: str, run: Run) -> str:
    """Where the training stands: a bar, words, and the newest figures."""
    share, losses = run.training.step / len(run.training), run.losses
    figures = []
    if len(losses):
        figures.append(f"loss of this batch <b>{_short(losses[-1])}</b>")
    if run.epochs:
        last = run.epochs[-1]
        figures.append(f"{looked_at(run)} loss <b>{last.loss:.3f}</b>, accuracy <b>{last.accuracy:.3f}</b>")
    return (
        f'<progress aria-label="of this training" max="1" value="{share:.4f}"></progress>'
        f"<p>{html.escape(words)}</p><p>{' · '.join(figures)}&nbsp;</p>"
    )


def computed_on(run: Run) -> str:
    """Where the net is trained, and on a CPU with how many threads, which the size of the net decides."""
    kind, threads = run.training.device.type, run.training.threads
    how = f"the CPU, with {threads} thread{'s' if threads > 1 else ''}" if kind == "cpu" else kind
    return f"<p>Trained on {how}.</p>"


def _short(loss: float) -> str:
    return f"{loss:.3f}" if loss < 1_000 else f"{loss:.2g}"


def legends(run: Run) -> tuple[str, str]:
    """The titles of the two pictures, which say what their curves are."""
    which = looked_at(run)
    point = f'<i class="learnkit-points"></i>{which}'
    return (
        f'<h4 title="thick: the mean of {WINDOW} steps">loss <i class="learnkit-line"></i>train {point}</h4>',
        f"<h4>accuracy {point}</h4>",
    )


def looked_at(run: Run) -> str:
    """What the images are that are looked at after each epoch."""
    return "validation" if run.split == "validation" else "trained-on images"


def pinned(runs: pd.DataFrame, labels: Sequence[str], colours: Sequence[str]) -> str:
    """The table of the pinned runs."""
    if runs.empty:
        return ""
    heads = ("", "setting", "parameters", "seconds", "images", "loss", "accuracy", "precision", "recall", "F1")
    rows = []
    for (number, run), label, colour in zip(runs.iterrows(), labels, colours, strict=False):
        figures = "".join(
            f"<td>{'' if run[name] != run[name] else format(run[name], '.3f')}</td>"
            for name in ("loss", "accuracy", "precision", "recall", "f1")
        )
        split = "validation" if run["split"] == "validation" else "trained on"
        rows.append(
            f'<tr><th scope="row"><i style="background:{colour}"></i>{number}</th><td>{html.escape(label)}</td>'
            f"<td>{run['parameters']:,}</td><td>{run['seconds']:.1f}</td><td>{split}</td>{figures}</tr>"
        )
    head = "".join(f'<th scope="col">{name}</th>' if name else "<td></td>" for name in heads)
    return f'<table class="learnkit-pinned"><tr>{head}</tr>{"".join(rows)}</table>'
