"""Training as an iterator.

::

    training = Training(model, data, epochs=20)
    for epoch, step, loss in training:
        ...

Whoever iterates decides everything else. To pause, stop asking for the next step; to continue, ask again. A checkpoint
is the state between two steps.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from learnkit import checkpoint, metrics
from learnkit.data import LabelledImages
from learnkit.devices import choose_device
from learnkit.errors import check_whole_number, unknown
from learnkit.threads import number_for, using

OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
STEPS_BETWEEN_CHECKS = 50  # checking that the loss is finite waits for the device, so it is not done at every step
EVAL_BATCH_SIZE = 2_000  # images: enough to be fast, few enough for the activations of a wide net to fit in memory


class Progress(NamedTuple):
    """What `Training` yields after each step."""

    epoch: int  # counted from 1
    step: int  # counted from 1, over all epochs
    loss: Float[Tensor, ""]  # of this step's batch, before the update; on the device, so reading it waits for the step


class TrainingDiverged(RuntimeError):
    """The loss or a weight became NaN or infinite. The model has the weights of the last check again."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a model performs on one split of the data. Its tensors are on the CPU, wherever the model was trained."""

    loss: float  # mean cross-entropy, in nats
    labels: Int64[Tensor, " images"]
    logits: Float[Tensor, "images classes"]

    @cached_property
    def predictions(self) -> Int64[Tensor, " images"]:
        """The class with the largest logit, for each image."""
        return self.logits.argmax(1)

    @cached_property
    def confusion_matrix(self) -> Int64[Tensor, "true predicted"]:
        """Rows are the true classes, columns the predicted ones."""
        return metrics.confusion_matrix(self.labels, self.predictions, self.logits.shape[1])

    @property
    def accuracy(self) -> float:
        """The fraction of images that are classified correctly."""
        return metrics.accuracy(self.confusion_matrix).item()


class Training(Iterator[Progress]):
    """Train a model on labelled images, one step each time the next item is requested.

    In every epoch the images come in a new random order, in batches; each step follows the gradient of the
    cross-entropy on one batch. The order is drawn on the CPU from this training's own generator, so it is the same on
    every device, and torch's global generator is neither read nor advanced.

    Parameters
    ----------
    model
        Takes ``(batch, height, width)`` and returns logits, ``(batch, classes)``. It is moved to the device and trained
        in place.
    data
        What to train on, as returned by `learnkit.data.load`. It is copied to the device once, unless it is there.
    epochs
        How many times to go through all training images.
    batch_size
        Images in a step. The last batch of an epoch may be smaller; with more than there are, one batch holds all.
    optimizer
        ``"sgd"``, ``"adam"`` or ``"adamw"``, as in torch.optim, with its defaults.
    learning_rate
        The step size of the optimizer.
    seed
        For the order of the images.
    device
        Where to compute; by default a GPU of NVIDIA, AMD or Intel, or else the CPU. A Mac's has to be asked for: "mps".
    threads
        CPU threads for each step; by default one for a small net and more for a large one, see `learnkit.threads`.

    Attributes
    ----------
    optimizer
        Of torch.optim. Between two steps another can take its place, or a torch.optim.lr_scheduler change its rate.
    step
        How many steps have been made.
    steps_per_epoch
        How many steps make an epoch; ``len(training)`` is how many make the whole training.

    Raises
    ------
    ValueError
        For invalid settings, or images or labels that do not fit the model.
    RuntimeError
        If the requested device cannot be used; the message says why.
    """

    def __init__(
        self,
        model: nn.Module,
        data: LabelledImages,
        *,
        epochs: int = 20,
        batch_size: int = 200,
        optimizer: str = "sgd",
        learning_rate: float = 0.01,
        seed: int = 0,
        device: str | torch.device | None = None,
        threads: int | None = None,
    ) -> None:
        check_whole_number("epochs", epochs)
        check_whole_number("batch_size", batch_size)
        if optimizer not in OPTIMIZERS:
            raise unknown("optimizer", optimizer, OPTIMIZERS)
        if not isinstance(learning_rate, float | Real) or not 0 < learning_rate < math.inf:  # NaN fails this too
            raise ValueError(f"learning_rate={learning_rate!r}; expected a number above 0, such as 0.01.")
        if threads is not None:
            check_whole_number("threads", threads)
        self.device = choose_device(device)
        self.model = model.to(self.device)
        self.data = data.to(self.device)
        self.epochs = epochs
        self.batch_size = min(batch_size, len(data.train_labels))
        self.threads = number_for(model, self.batch_size) if threads is None else threads
        self.step = 0
        self._check_model_fits(data.train_labels)
        self.optimizer = OPTIMIZERS[optimizer](model.parameters(), lr=learning_rate)
        self._settings = {"optimizer": optimizer, "batch_size": self.batch_size, "images": len(data.train_labels)}
        self._generator = torch.Generator().manual_seed(seed)
        self._shuffle()
        self._losses: list[Tensor] = []  # since the last check
        self._keep_weights()

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.data.train_labels) / self.batch_size)

    def __len__(self) -> int:
        return self.epochs * self.steps_per_epoch

    def __next__(self) -> Progress:
        """Make one training step.

        Raises
        ------
        TrainingDiverged
            If a loss or a weight is NaN or infinite. This is checked every 50 steps and at the end of each epoch.
        """
        if self.step >= len(self):
            raise StopIteration
        finished_epochs, batch = divmod(self.step, self.steps_per_epoch)
        if batch == 0 and self.step > 0:
            self._shuffle()
        chosen = self._order[batch * self.batch_size : (batch + 1) * self.batch_size]
        with using(self.threads):
            images = self.data.train_images.index_select(0, chosen)  # twice as fast as [chosen]
            loss = cross_entropy(self.model(images), self.data.train_labels.index_select(0, chosen))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        self.step += 1
        loss = loss.detach()
        self._losses.append(loss)
        if len(self._losses) == STEPS_BETWEEN_CHECKS or batch + 1 == self.steps_per_epoch:
            self._check_finite()
        return Progress(finished_epochs + 1, self.step, loss)

    def evaluate(self, split: str = "test") -> Evaluation:
        """How the model performs now on the ``"test"``, ``"validation"`` or ``"train"`` images.

        Raises
        ------
        ValueError
            If there is no such split, or it is empty.
        """
        *_, evaluation = self.evaluate_in_parts(split)
        assert evaluation is not None
        return evaluation

    def evaluate_in_parts(self, split: str = "test") -> Iterator[Evaluation | None]:
        """As `evaluate`, with a stop after each part of the images: each yields None, and at the end the evaluation."""
        images, labels = self.data.split(split)
        if len(images) == 0:
            raise ValueError(f"There are no {split} images. Hold out training images: load(..., validation=10_000).")
        logits = []
        for batch in images.split(EVAL_BATCH_SIZE):
            with _eval_mode(self.model), using(self.threads):
                logits.append(self.model(batch))
            yield None
        together, labels = torch.cat(logits).cpu(), labels.cpu()  # once, so that nothing waits for the device again
        yield Evaluation(cross_entropy(together, labels).item(), labels, together)

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue from here, bit for bit: a copy, which later steps do not change."""
        return deepcopy(
            {
                "settings": self._settings,
                "step": self.step,
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "generator": self._generator_before_epoch,
            }
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state; if it does not fit, nothing is changed.

        Raises
        ------
        ValueError
            If this is not the state of a training run, or is of another network, optimizer, batch size or number of
            training images. The learning rate is taken from the state.
        """
        current = self.state_dict()
        try:
            checkpoint.check_fits(state, current)
            self._restore(state)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            self._restore(current)
            raise ValueError(f"This checkpoint cannot be loaded here. {error}") from error
        self._losses.clear()
        self._keep_weights()

    def save(self, path: str | Path) -> None:
        """Write the state to a file. If that is interrupted, the file still holds the old state."""
        checkpoint.write(self.state_dict(), Path(path))

    def load(self, path: str | Path) -> None:
        """Continue from a file written by `save`; if it does not fit, nothing is changed.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is truncated, not a checkpoint, or does not fit (see `load_state_dict`).
        """
        self.load_state_dict(checkpoint.read(Path(path)))

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(deepcopy(state["optimizer"]))
        self._generator.set_state(state["generator"])
        self.step = state["step"]
        self._shuffle()

    def _shuffle(self) -> None:
        """Draw this epoch's order, and move it to the device in one piece."""
        self._generator_before_epoch = self._generator.get_state()
        self._order = torch.randperm(len(self.data.train_labels), generator=self._generator).to(self.device)

    def _keep_weights(self) -> None:
        self._kept = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self._kept_at = self.step

    def _check_finite(self) -> None:
        """The only place in a step that reads from the device: one number, unless the training has diverged."""
        losses = torch.stack(self._losses)
        self._losses.clear()
        if torch.stack([tensor.isfinite().all() for tensor in (losses, *self.model.parameters())]).all():
            self._keep_weights()
            return
        wrong = (~losses.isfinite()).nonzero().flatten().tolist()
        step = self.step - len(losses) + wrong[0] + 1 if wrong else self.step
        what = f"The loss became {losses[wrong[0]].item()}" if wrong else "A weight became NaN or infinite"
        self.model.load_state_dict(self._kept)
        rate = self.optimizer.param_groups[0]["lr"]
        raise TrainingDiverged(
            f"{what} at step {step} (epoch {(step - 1) // self.steps_per_epoch + 1}). The model was reset to the "
            f"weights of step {self._kept_at}, the last known to be finite. The learning rate is {rate:g}: try "
            f"{rate / 10:g}. If that does not help, look for NaN in the images."
        )

    def _check_model_fits(self, labels: Int64[Tensor, " train"]) -> None:
        """Try one image, so that a model that does not fit raises an error now and not in the middle of a loop."""
        with _eval_mode(self.model):
            logits = self.model(self.data.train_images[:1])
        if logits.ndim != 2:
            raise ValueError(f"The model returns {tuple(logits.shape)} for one image; expected (1, classes).")
        low, high = torch.stack(labels.aminmax()).tolist()
        if low < 0 or high >= logits.shape[1]:
            raise ValueError(
                f"The labels go from {low} to {high}, but the model has {logits.shape[1]} outputs, for the classes 0 "
                f"to {logits.shape[1] - 1}. Give its last layer {high + 1} neurons."
            )


@contextmanager
def _eval_mode(model: nn.Module) -> Iterator[None]:
    """No gradients, and modules such as dropout in evaluation mode; afterwards the model is in its old mode again."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)
