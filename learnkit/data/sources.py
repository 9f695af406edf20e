"""Which data sets there are, and where their files are."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from learnkit import doctor
from learnkit.data.idx import damaged

RESTORE = "It is part of learnkit: restore it with `git checkout -- learnkit/data/mnist`, or reinstall learnkit."
PACKAGED = Path(__file__).parent / "mnist"  # the four files of MNIST are part of this package


@dataclass(frozen=True)
class Source:
    """Where a data set comes from: its class in torchvision, the prefix of its files' names, its classes' names."""

    torchvision_class: str
    prefix: str
    classes: tuple[str, ...]

    @property
    def files(self) -> list[str]:
        """The names of the four idx files: training images and labels, test images and labels."""
        test = "test" if self.prefix else "t10k"  # as in MNIST and its drop-in replacements
        endings = ("train-images-idx3", "train-labels-idx1", f"{test}-images-idx3", f"{test}-labels-idx1")
        return [f"{self.prefix}{ending}-ubyte" for ending in endings]


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


def packaged_files() -> list[Path]:
    """The paths of MNIST's four files in this package, once their checksums have been verified.

    Raises
    ------
    ValueError
        If a file is missing or differs from the one whose SHA-256 is listed in ``SHA256SUMS``.
    """
    lines = (PACKAGED / "SHA256SUMS").read_text().splitlines()
    expected = {name: digest for digest, name in map(str.split, lines)}
    paths = [PACKAGED / f"{file}.gz" for file in SOURCES["mnist"].files]
    for path in paths:
        if not path.exists():
            raise damaged(path, "it is missing", RESTORE)
        if hashlib.sha256(path.read_bytes()).hexdigest() != expected[path.name]:
            raise damaged(path, "its SHA-256 is not the one in SHA256SUMS", RESTORE)
    return paths


def find_files(source: Source, root: str | Path | None) -> list[Path]:
    """The paths of a data set's four files, downloaded by torchvision if they are not there yet.

    Parameters
    ----------
    source
        The data set.
    root
        A folder with the files, or the ``root`` of torchvision's data sets; by default torch's cache folder.

    Raises
    ------
    FileNotFoundError
        If the files are not there and cannot be downloaded; the message says where to put them.
    ImportError
        If torchvision is needed and cannot be imported; the message is the doctor's.
    """
    root = Path(root) if root is not None else Path(torch.hub.get_dir()).parent / "datasets"
    torchvision_folder = root / source.torchvision_class / "raw"
    for folder in (root, torchvision_folder):
        paths = _paths(folder, source)
        if all(path.exists() for path in paths):
            return paths
    try:
        from torchvision import datasets
    except (ImportError, RuntimeError) as error:
        raise ImportError(doctor.explain_import_error(error)) from error
    split = {"split": "letters"} if source.torchvision_class == "EMNIST" else {}
    try:
        getattr(datasets, source.torchvision_class)(root, download=True, **split)
    except (OSError, RuntimeError) as error:
        names = "\n".join(f"  {file}.gz" for file in source.files)
        raise FileNotFoundError(
            f"{source.torchvision_class} is not in {root} and could not be downloaded ({error}). Download these four "
            f"files on a machine with a network and put them into {root}, gzipped or not:\n{names}\n"
            "or put them into another folder and pass that folder: load(..., root='that folder')."
        ) from error
    return _paths(torchvision_folder, source)


def _paths(folder: Path, source: Source) -> list[Path]:
    """The four files, gzipped where they are."""
    gzipped = [folder / f"{file}.gz" for file in source.files]
    return [path if path.exists() else path.with_suffix("") for path in gzipped]
