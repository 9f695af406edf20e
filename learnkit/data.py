"""MNIST and its relatives as tensors.

The four files of MNIST are part of this package, so nothing is downloaded. The file format, idx, is simple enough to be
read here in the open; Day 1 takes one apart byte by byte.
"""

import gzip
import hashlib
import math
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from learnkit import doctor
from learnkit.errors import check_whole_number, unknown

PACKAGED = Path(__file__).parent / "mnist"
UNSIGNED_BYTE = 0x08  # the only one of idx's types of number that these data sets use


@dataclass(frozen=True)
class Source:
    """Where a data set comes from: its class in torchvision, how its files' names begin, the names of its classes."""

    torchvision_class: str
    prefix: str
    classes: tuple[str, ...]

    @property
    def files(self) -> list[str]:
        ends = ("train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1")
        if not self.prefix:  # MNIST and those that took its place call the test set "t10k"
            ends = tuple(end.replace("test", "t10k") for end in ends)
        return [f"{self.prefix}{end}-ubyte" for end in ends]


SOURCES = {
    "mnist": Source("MNIST", "", tuple("0123456789")),
    "fashion-mnist": Source(
        "FashionMNIST",
        "",
        ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
    "kmnist": Source("KMNIST", "", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")),
    "emnist-letters": Source("EMNIST", "emnist-letters-", tuple("abcdefghijklmnopqrstuvwxyz")),
}


@dataclass(frozen=True)
class LabelledImages:
    """A data set in memory: images to train on, images to choose by (none, unless asked for), images to test on.

    Pixels are float32 from 0 (paper) to 1 (ink), labels are int64 from 0 to ``len(classes) - 1``.
    """

    train_images: Float32[Tensor, "train height width"]
    train_labels: Int64[Tensor, " train"]
    validation_images: Float32[Tensor, "validation height width"]
    validation_labels: Int64[Tensor, " validation"]
    test_images: Float32[Tensor, "test height width"]
    test_labels: Int64[Tensor, " test"]
    classes: tuple[str, ...]

    def split(self, name: str) -> tuple[Tensor, Tensor]:
        """The images and labels of ``"train"``, ``"validation"`` or ``"test"``."""
        if name not in ("train", "validation", "test"):
            raise unknown("part of the data", name, ("train", "validation", "test"))
        return getattr(self, f"{name}_images"), getattr(self, f"{name}_labels")

    def to(self, device: str | torch.device) -> "LabelledImages":
        """The same data on ``device``; what lies there already is not copied."""
        tensors = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **tensors)

    def __repr__(self) -> str:
        train, validation, test = (len(self.split(name)[0]) for name in ("train", "validation", "test"))
        height, width = self.train_images.shape[1:]
        return (
            f"LabelledImages({train:,} to train, {validation:,} to choose by, {test:,} to test; "
            f"{height} × {width} pixels; {len(self.classes)} classes; on {self.train_images.device})"
        )


def load(
    name: str = "mnist",
    *,
    device: str | torch.device | None = None,
    validation: int = 0,
    seed: int = 0,
    root: str | Path | None = None,
) -> LabelledImages:
    """Load a data set of small grey images.

    Parameters
    ----------
    name
        ``"mnist"`` comes with this package. ``"fashion-mnist"``, ``"kmnist"`` and ``"emnist-letters"`` are looked for
        in a folder, and torchvision downloads them if they are not there.
    device
        Where the tensors shall lie; by default in main memory.
    validation
        How many of the training images to hold out, chosen at random by ``seed``, so that models can be compared on
        images they were not trained on while the test set stays unseen.
    seed
        Of that choice.
    root
        A folder with the four idx files (gzipped or not), or the ``root`` of torchvision's data sets. By default the
        folder of this package for MNIST and torch's cache folder for the others.

    Returns
    -------
    LabelledImages
        For MNIST 60,000 images to train on, less those held out, and 10,000 to test on, of 28 × 28 pixels.

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
    source = SOURCES[name]
    folder = PACKAGED if name == "mnist" and root is None else _folder_with_files(source, root)
    paths = [_path(folder, file) for file in source.files]
    arrays = [read_idx(path) for path in paths]
    if folder == PACKAGED:
        _check_content(paths, arrays)
    train_images, train_labels = _pixels_and_labels(name, *arrays[:2], paths[:2])
    test_images, test_labels = _pixels_and_labels(name, *arrays[2:], paths[2:])
    kept, held_out = _hold_out(len(train_images), validation, seed)
    data = LabelledImages(
        train_images=train_images if validation == 0 else train_images[kept],
        train_labels=train_labels[kept],
        validation_images=train_images[held_out],
        validation_labels=train_labels[held_out],
        test_images=test_images,
        test_labels=test_labels,
        classes=source.classes,
    )
    return data if device is None else data.to(device)


def read_idx(path: str | Path) -> UInt8[Tensor, "..."]:
    """Read a file in the idx format: a header of a few numbers, then one byte after the other.

    The header is two bytes of zero, a byte for the type of number (8: unsigned byte), a byte for the number of axes,
    and then four bytes (the biggest first) for the length of each axis. The bytes that follow run along the last axis
    first: an image's first row from left to right, then its second.

    Parameters
    ----------
    path
        The file; one that ends in ``.gz`` is unpacked.

    Returns
    -------
    Tensor
        Of the shape that the header gives.

    Raises
    ------
    ValueError
        If the file is cut short, altered, or something else than an idx file of bytes.

    References
    ----------
    The format is described on the page of the MNIST database, http://yann.lecun.com/exdb/mnist/.
    """
    path = Path(path)
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise _damaged(path, f"it cannot be unpacked ({error})") from error
    if len(content) < 4:
        raise _damaged(path, f"it holds {len(content)} bytes, fewer than the four that an idx file begins with")
    zeros, kind, axes = struct.unpack_from(">HBB", content)
    if zeros != 0 or kind != UNSIGNED_BYTE or not 1 <= axes <= 3:
        raise _damaged(
            path,
            f"it begins with the bytes {content[:4].hex(' ')}, where an idx file of images has 00 00 08 03 and one of "
            "labels 00 00 08 01",
        )
    start = 4 + 4 * axes
    if len(content) < start:
        raise _damaged(path, f"it ends within its header, after {len(content)} of {start} bytes")
    shape = struct.unpack_from(f">{axes}I", content, offset=4)
    if len(content) - start != math.prod(shape):
        sizes = " × ".join(map(str, shape))
        raise _damaged(
            path, f"its header promises {sizes} = {math.prod(shape)} bytes, and {len(content) - start} follow"
        )
    if math.prod(shape) == 0:
        raise _damaged(path, f"its header gives the sizes {shape}, so there is nothing in it")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=start).view(shape)


def _path(folder: Path, file: str) -> Path:
    packed = folder / f"{file}.gz"
    return packed if packed.exists() else folder / file


def _damaged(path: Path, reason: str) -> ValueError:
    remedy = (
        "It is part of learnkit: restore it with `git checkout -- learnkit/mnist`, or install learnkit again."
        if path.parent == PACKAGED
        else "Delete it and fetch it again."
    )
    return ValueError(f"{path} is damaged or not the file it should be: {reason}. {remedy}")


def _check_content(paths: list[Path], arrays: list[Tensor]) -> None:
    """Hold the packaged files against their checksums, which were taken of the unpacked files, header included."""
    expected = dict(reversed(line.split()) for line in (PACKAGED / "SHA256SUMS").read_text().splitlines())
    for path, array in zip(paths, arrays, strict=True):
        header = struct.pack(f">HBB{array.ndim}I", 0, UNSIGNED_BYTE, array.ndim, *array.shape)
        digest = hashlib.sha256(header)
        digest.update(array.numpy())
        if digest.hexdigest() != expected[path.stem]:
            raise _damaged(path, "its content does not have the SHA-256 that stands in SHA256SUMS")


def _pixels_and_labels(name: str, images: Tensor, labels: Tensor, paths: list[Path]) -> tuple[Tensor, Tensor]:
    image_path, label_path = paths
    if images.ndim != 3:
        raise _damaged(image_path, f"it has {images.ndim} axes where images have three: image, row, column")
    if labels.ndim != 1:
        raise _damaged(label_path, f"it has {labels.ndim} axes where labels have one")
    if len(images) != len(labels):
        raise _damaged(label_path, f"it holds {len(labels)} labels for the {len(images)} images in {image_path.name}")
    labels = labels.long()
    if name == "emnist-letters":  # whose images lie on their side and whose labels run from 1 to 26
        images, labels = images.transpose(1, 2).contiguous(), labels - 1
    classes = len(SOURCES[name].classes)
    if labels.min() < 0 or labels.max() >= classes:
        raise _damaged(label_path, f"its labels run from {labels.min()} to {labels.max()}, where {classes} are known")
    return images.float().div_(255), labels


def _hold_out(count: int, validation: int, seed: int) -> tuple[Tensor, Tensor]:
    """Which of ``count`` images to keep and which to hold out, each in the order of the file."""
    check_whole_number("validation", validation, minimum=0)
    if validation >= count:
        raise ValueError(
            f"validation is {validation:,} of {count:,} images: none would be left to train on. 10_000 is usual."
        )
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[validation:].sort().values, order[:validation].sort().values


def _folder_with_files(source: Source, root: str | Path | None) -> Path:
    """The folder that holds the four files, after a download by torchvision if they are nowhere yet."""
    root = Path(root) if root is not None else Path(torch.hub.get_dir()).parent / "datasets"
    torchvision_folder = root / source.torchvision_class / "raw"
    for folder in (root, torchvision_folder):
        if all(_path(folder, file).exists() for file in source.files):
            return folder
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError) as error:
        raise ImportError(doctor.explain_import_error(error)) from error
    split = {"split": "letters"} if source.torchvision_class == "EMNIST" else {}
    try:
        getattr(datasets, source.torchvision_class)(root, download=True, **split)
    except (OSError, RuntimeError) as error:
        wanted = "\n".join(f"  {file}.gz" for file in source.files)
        raise FileNotFoundError(
            f"{source.torchvision_class} is not in {root} and could not be downloaded ({error}). Fetch these four "
            f"files on a machine with a network and put them into {root}, gzipped or not:\n{wanted}\n"
            "or put them into another folder and name it: load(..., root='that folder')."
        ) from error
    return torchvision_folder
