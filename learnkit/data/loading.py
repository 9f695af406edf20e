"""From files to tensors: read, check, scale, hold out."""

from pathlib import Path

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from learnkit.data.idx import damaged, read_idx
from learnkit.data.labelled_images import LabelledImages
from learnkit.data.sources import SOURCES, find_files, packaged_files
from learnkit.errors import check_whole_number, unknown


def load(
    name: str = "mnist",
    *,
    device: str | torch.device | None = None,
    validation: int = 0,
    seed: int = 0,
    root: str | Path | None = None,
) -> LabelledImages:
    """Load a data set of small greyscale images.

    Parameters
    ----------
    name
        ``"mnist"`` comes with this package. ``"fashion-mnist"``, ``"kmnist"`` and ``"emnist-letters"`` are looked for
        in a folder, and torchvision downloads them if they are not there.
    device
        Where to put the tensors; by default in main memory.
    validation
        How many of the training images to hold out, chosen at random with ``seed``, so that models can be compared on
        images they were not trained on while the test set stays unseen.
    seed
        For that choice.
    root
        A folder with the four idx files (gzipped or not), or the ``root`` of torchvision's data sets. By default the
        folder of this package for MNIST and torch's cache folder for the others.

    Returns
    -------
    LabelledImages
        For MNIST 60,000 training images, minus those held out, and 10,000 test images, of 28 × 28 pixels.

    Raises
    ------
    ValueError
        For an unknown name, a damaged file, or a ``validation`` that leaves nothing to train on.
    FileNotFoundError
        If the files are not there and cannot be downloaded; the message says where to put them.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, Proc. IEEE 86 (1998).
    The other three: Xiao et al., arXiv:1708.07747; Clanuwat et al., arXiv:1812.01718; Cohen et al., arXiv:1702.05373.
    """
    if name not in SOURCES:
        raise unknown("data set", name, SOURCES)
    paths = packaged_files() if name == "mnist" and root is None else find_files(SOURCES[name], root)
    train_images, train_labels = _read(name, *paths[:2])
    test_images, test_labels = _read(name, *paths[2:])
    kept, held_out = _hold_out(len(train_images), validation, seed)
    data = LabelledImages(
        train_images=train_images if validation == 0 else train_images[kept],
        train_labels=train_labels[kept],
        validation_images=train_images[held_out],
        validation_labels=train_labels[held_out],
        test_images=test_images,
        test_labels=test_labels,
        classes=SOURCES[name].classes,
    )
    return data if device is None else data.to(device)


def _read(
    name: str, image_path: Path, label_path: Path
) -> tuple[Float32[Tensor, "images height width"], Int64[Tensor, " images"]]:
    """Pixels from 0 to 1, and labels from 0, from two idx files that belong together."""
    images, labels = read_idx(image_path), read_idx(label_path)
    if images.ndim != 3:
        raise damaged(image_path, f"it has {images.ndim} axes; images have three: image, row, column")
    if labels.ndim != 1:
        raise damaged(label_path, f"it has {labels.ndim} axes; labels have one")
    if len(images) != len(labels):
        raise damaged(label_path, f"it holds {len(labels)} labels for the {len(images)} images in {image_path.name}")
    labels = labels.long()
    if name == "emnist-letters":  # whose images are transposed, and whose labels go from 1 to 26
        images, labels = images.transpose(1, 2).contiguous(), labels - 1
    classes = len(SOURCES[name].classes)
    if labels.min() < 0 or labels.max() >= classes:
        raise damaged(
            label_path, f"its labels go from {labels.min()} to {labels.max()}, but there are {classes} classes"
        )
    return images.float().div_(255), labels


def _hold_out(count: int, validation: int, seed: int) -> tuple[Int64[Tensor, " kept"], Int64[Tensor, " held_out"]]:
    """Which of ``count`` images to keep and which to hold out, each in file order."""
    check_whole_number("validation", validation, minimum=0)
    if validation >= count:
        raise ValueError(
            f"validation is {validation:,} of {count:,} images, which leaves none to train on. 10_000 is usual."
        )
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[validation:].sort().values, order[:validation].sort().values
