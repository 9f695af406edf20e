"""What the page of a TrainingLab shows of a run: its net, its curves, its latest evaluation. Data in, JSON out."""

import base64
import io
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from learnkit.labs.common.curves import in_blocks, rounded, thinned
from learnkit.labs.common.state import Settings, computed_on
from learnkit.run import Run
from learnkit.training import Evaluation

MISTAKES = 12
POINTS_OF_A_PIN = 100

PROGRESS = "epoch {epoch} of {epochs}, step {step:,} of {steps:,}"
SECONDS_LEFT = "{progress}, {seconds:.0f} s left"


class RunFrames:
    """A run as its page shows it; what seldom changes is made once.

    Parameters
    ----------
    run
        At its beginning.
    classes
        What its data's classes are called.
    """

    def __init__(self, run: Run, classes: tuple[str, ...]) -> None:
        self._run = run
        self._classes = classes
        training = run.training
        self._of_run = {
            "network": network(training.model),
            "computed_on": computed_on(str(training.device), training.threads),
            "split": run.held_out,
        }
        self._rows = -1  # when the last evaluation was made into JSON
        self._of_epochs: dict[str, Any] = {}

    def frame(self, status: str) -> tuple[dict[str, Any], bytes]:
        """By names, as JSON; and the curve of the losses: means, lowest and highest values of its blocks of steps."""
        run, training, losses = self._run, self._run.training, self._run.losses
        curve, block = in_blocks(losses)
        if self._rows != len(run.rows):
            self._rows = len(run.rows)
            self._of_epochs = self._evaluated()
        return {
            **self._of_run,
            **self._of_epochs,
            "progress": progress(run, status),
            "share": round(training.step / len(training), 4),
            "epochs": training.epochs,
            "steps": len(losses),
            "block": block,
            "steps_per_epoch": training.steps_per_epoch,
            "batch_loss": rounded(losses[-1]) if len(losses) else None,
        }, curve.astype("<f4").tobytes()

    def _evaluated(self) -> dict[str, Any]:
        rows, evaluation = self._run.rows, self._run.evaluation
        loss, accuracy = (
            np.array([row[f"{self._run.held_out}_{name}"] for row in rows]) for name in ("loss", "accuracy")
        )
        images, _ = self._run.training.data.split("validation")
        shown = None
        if evaluation is not None:
            shown = {
                "confusion": evaluation.confusion_matrix.tolist(),
                "mistakes": mistakes(evaluation, images, self._classes),
            }
        return {"evaluated": {"loss": thinned(loss), "accuracy": thinned(accuracy)}, "evaluation": shown}


class Pin:
    """What stays of a run that is pinned.

    Attributes
    ----------
    label
        Its settings in a few words.
    row
        Its settings, and what came out of it so far: the latest row of its results.
    """

    def __init__(self, run: Run, settings: Settings, label: str) -> None:
        training, rows, losses = run.training, list(run.rows), run.losses
        self.label = label
        self.rows = rows
        self.row = {
            **settings,
            "images": len(training.data.train_labels),
            "parameters": run.parameters,
            "steps": training.step,
            "seconds": run.seconds,
            **(rows[-1] if rows else {}),
        }
        (mean, *_), block = in_blocks(losses, POINTS_OF_A_PIN)
        accuracy = np.array([row[f"{run.held_out}_accuracy"] for row in rows])
        results = {
            name: self.row.get(f"{run.held_out}_{name}") for name in ("loss", "accuracy", "precision", "recall", "f1")
        }
        self.for_page = {
            "label": label,
            "split": run.held_out,
            "steps": len(losses),
            "block": block,
            "steps_per_epoch": training.steps_per_epoch,
            "loss": [rounded(value) for value in mean.tolist()],
            "accuracy": thinned(accuracy),
            "parameters": run.parameters,
            "seconds": round(self.row["seconds"], 1),
            "results": results,
        }


def progress(run: Run, status: str) -> str:
    """Where a run stands, in words."""
    step, training = run.training.step, run.training
    epoch = min(step // training.steps_per_epoch + 1, training.epochs)
    words = PROGRESS.format(epoch=epoch, epochs=training.epochs, step=step, steps=len(training))
    is_running = status == "training" and step > 0
    return SECONDS_LEFT.format(progress=words, seconds=run.seconds_left) if is_running else words


def network(model: nn.Module) -> dict[str, Any]:
    """The linear layers of a net, from the input on."""
    layers = [
        {
            "name": name,
            "inputs": layer.in_features,
            "outputs": layer.out_features,
            "parameters": sum(parameter.numel() for parameter in layer.parameters()),
        }
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear)
    ]
    return {"layers": layers, "parameters": sum(parameter.numel() for parameter in model.parameters())}


def mistakes(
    evaluation: Evaluation, images: Float[Tensor, "images height width"], classes: tuple[str, ...]
) -> dict[str, Any]:
    """Images that the net is wrong about, the surest mistake first: side by side in a PNG, and what it says."""
    probability, predicted = evaluation.logits.softmax(1).max(1)
    wrong = (predicted != evaluation.labels).nonzero().flatten()
    worst = wrong[probability[wrong].argsort(descending=True)[:MISTAKES]]
    pairs = torch.stack([evaluation.labels[worst], predicted[worst]], 1).tolist()
    if not pairs:
        return {"url": "", "captions": []}
    shown = images[worst.to(images.device)].cpu()
    strip = (shown.transpose(0, 1).flatten(1).clamp(0, 1) * -255 + 255).round().to(torch.uint8).numpy()
    file = io.BytesIO()
    Image.fromarray(strip).save(file, format="png", optimize=True)
    url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return {"url": url, "captions": [[classes[true], classes[says]] for true, says in pairs]}
