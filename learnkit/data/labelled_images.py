"""A data set in memory."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from learnkit.errors import unknown

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and their labels, split into a training set, a validation set (empty unless asked for) and a test set.

    Pixels are float32 from 0 (paper) to 1 (ink), labels are int64 from 0 to ``len(classes) - 1``. A data set is equal
    only to itself: comparing the pixels is left to `torch.equal`.
    """

    train_images: Float32[Tensor, "train height width"]
    train_labels: Int64[Tensor, " train"]
    validation_images: Float32[Tensor, "validation height width"]
    validation_labels: Int64[Tensor, " validation"]
    test_images: Float32[Tensor, "test height width"]
    test_labels: Int64[Tensor, " test"]
    classes: tuple[str, ...]

    def split(self, name: str) -> tuple[Float32[Tensor, "images height width"], Int64[Tensor, " images"]]:
        """The images and labels of ``"train"``, ``"validation"`` or ``"test"``.

        Raises
        ------
        ValueError
            For any other name.
        """
        if name not in SPLITS:
            raise unknown("split of the data", name, SPLITS)
        return getattr(self, f"{name}_images"), getattr(self, f"{name}_labels")

    def to(self, device: str | torch.device) -> "LabelledImages":
        """The same data on ``device``; tensors that are already there are not copied."""
        tensors: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **tensors)

    def __repr__(self) -> str:
        train, validation, test = (len(self.split(name)[1]) for name in SPLITS)
        height, width = self.train_images.shape[1:]
        return (
            f"LabelledImages({train:,} training, {validation:,} validation and {test:,} test images; "
            f"{height} × {width} pixels; {len(self.classes)} classes; on {self.train_images.device})"
        )
