"""TransformerLab as a widget."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from learnkit import plots
from learnkit.labs.common.esm import css, esm
from learnkit.labs.common.lab import LabThatTrains
from learnkit.labs.transformer.digits import DigitTraining
from learnkit.labs.transformer.state import TransformerState
from learnkit.models import TinyTransformer

HERE = Path(__file__).parent


class TransformerLab(LabThatTrains):
    """Press Train, and see where each head of a transformer looks while it learns.

    It learns in the background: no cell has to be running, and others can run beside it. What is shown of the heads is
    how they read one example; the accuracy is that on 500 other sequences, drawn beforehand. Its settings are traits.

    Parameters
    ----------
    task
        ``"reverse"``, ``"copy"`` or ``"sort"``.
    length
        Digits in a sequence, up to 16.
    num_heads, num_blocks, embed_dim
        Of the `learnkit.models.TinyTransformer`.
    learning_rate
        Of Adam.
    steps
        After so many it ends.
    seed
        Of the net's first weights, and of the digits.

    Attributes
    ----------
    state
        The `TransformerState` that the lab shows.

    Raises
    ------
    ValueError
        For a setting that cannot be.

    Examples
    --------
    ::

        TransformerLab("sort", num_heads=4)
    """

    _esm = esm(HERE / "view.js")
    _css = css(HERE / "view.css")

    actions = ("train", "pause", "reset")
    state: TransformerState

    def __init__(
        self,
        task: str = "reverse",
        *,
        length: int = 6,
        num_heads: int = 2,
        num_blocks: int = 1,
        embed_dim: int = 32,
        learning_rate: float = 5e-4,
        steps: int = 2_000,
        seed: int = 0,
    ) -> None:
        sizes = {"length": length, "num_heads": num_heads, "num_blocks": num_blocks, "embed_dim": embed_dim}
        super().__init__(TransformerState(task=task, **sizes, learning_rate=learning_rate, steps=steps, seed=seed))

    @property
    def training(self) -> DigitTraining:
        """The newest training, with its losses and accuracies."""
        return self.state.training

    @property
    def model(self) -> TinyTransformer:
        """The net."""
        return self.state.training.model

    @property
    def accuracy(self) -> float:
        """The share of digits said right in 500 sequences, when it was last tested."""
        return self.state.training.accuracy

    def figure(self) -> Figure:
        """The heatmaps as a picture."""
        digits, snapshot = self.training.digits[0].tolist(), self.training.snapshot
        said = [f"{digit} → {says}" for digit, says in zip(digits, snapshot.answer, strict=True)]
        weights = snapshot.weights[0] if len(snapshot.weights) == 1 else snapshot.weights
        return plots.attention_heatmap(weights, said, [str(digit) for digit in digits])

    def __repr__(self) -> str:
        state = self.state
        return (
            f"TransformerLab({state.settings['task']}; {state.status}: {state.progress}, accuracy {self.accuracy:.3f})"
        )

    def change(self, **values: Any) -> None:
        """Take other values, such as ``task="sort"``, and train a new net. If one cannot be taken, none is."""
        self._take(values)
        self.train()

    def train(self) -> None:
        """Go on; or begin again, if the training is over."""
        self._start(self.state.train())

    def reset(self) -> None:
        """Back to a net that has not been trained yet."""
        self.pause()
        self._take({})
        self._show()
