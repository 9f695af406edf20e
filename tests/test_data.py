import gzip
import hashlib
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchvision import datasets

from learnkit import data
from learnkit.data import load, read_idx


def write_idx(path: Path, values: torch.Tensor, *, header: bytes | None = None) -> Path:
    if header is None:
        header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    content = header + values.to(torch.uint8).numpy().tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_data_set(folder: Path, prefix: str = "", test: str = "t10k", *, classes: int = 10, ending: str = "") -> Path:
    """Four small idx files: 30 training images and 20 test images, of 5 × 4 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    for name, count in (("train", 30), (test, 20)):
        images = torch.randint(256, (count, 5, 4), generator=generator)
        labels = torch.arange(count) % classes
        write_idx(folder / f"{prefix}{name}-images-idx3-ubyte{ending}", images)
        write_idx(folder / f"{prefix}{name}-labels-idx1-ubyte{ending}", labels)
    return folder


def test_mnist_comes_with_the_package(mnist):
    assert mnist.train_images.shape == (60_000, 28, 28)
    assert mnist.test_images.shape == (10_000, 28, 28)
    assert mnist.train_images.dtype == torch.float32
    assert mnist.train_images.min() == 0
    assert mnist.train_images.max() == 1
    assert mnist.train_labels.dtype == torch.int64
    assert mnist.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test_labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.classes == tuple("0123456789")
    assert len(mnist.validation_labels) == 0
    assert "60,000 training, 0 validation and 10,000 test images; 28 × 28 pixels" in repr(mnist)


def test_pixels_and_labels_are_those_that_torchvision_reads(mnist, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for packed in data.PACKAGED.glob("*.gz"):
        (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    theirs = datasets.MNIST(tmp_path, train=False)
    assert torch.equal(mnist.test_images, theirs.data / 255)
    assert torch.equal(mnist.test_labels, theirs.targets)


def test_held_out_images_depend_on_the_seed_and_none_is_lost_or_duplicated(mnist):
    held_out = load(validation=10_000, seed=3)
    again, other = load(validation=10_000, seed=3), load(validation=10_000, seed=4)
    assert len(held_out.train_images) == 50_000
    assert torch.equal(held_out.validation_images, again.validation_images)
    assert not torch.equal(held_out.validation_labels, other.validation_labels)
    assert torch.equal(held_out.test_images, mnist.test_images)

    def fingerprints(images):
        return (images.flatten(1) @ torch.arange(784.0).sqrt()).sort().values

    together = fingerprints(torch.cat([held_out.train_images, held_out.validation_images]))
    torch.testing.assert_close(together, fingerprints(mnist.train_images), rtol=1e-5, atol=1e-3)


def test_labels_stay_with_their_images_when_some_are_held_out(tmp_path):
    folder = write_data_set(tmp_path)
    everything, held_out = load(root=folder), load(root=folder, validation=10)
    for images, labels in (held_out.split("train"), held_out.split("validation")):
        for image, label in zip(images, labels, strict=True):
            same = (everything.train_images == image).all(dim=(1, 2))
            assert everything.train_labels[same].tolist() == [label]


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "kmnist"])
def test_a_plain_folder_of_idx_files_is_read(tmp_path, name, ending):
    loaded = load(name, root=write_data_set(tmp_path, ending=ending))
    assert loaded.train_images.shape == (30, 5, 4)
    assert len(loaded.classes) == 10


def test_letters_are_upright_and_labelled_from_zero(tmp_path):
    folder = write_data_set(tmp_path, "emnist-letters-", "test", classes=26)
    labels = torch.arange(30) % 26 + 1
    write_idx(folder / "emnist-letters-train-labels-idx1-ubyte", labels)
    write_idx(folder / "emnist-letters-test-labels-idx1-ubyte", labels[:20])
    transposed = read_idx(folder / "emnist-letters-train-images-idx3-ubyte")
    letters = load("emnist-letters", root=folder)
    assert letters.train_images.shape == (30, 4, 5)
    assert torch.equal(letters.train_images[0], transposed[0].T / 255)
    assert letters.train_labels[:3].tolist() == [0, 1, 2]
    assert "".join(letters.classes) == "abcdefghijklmnopqrstuvwxyz"


def test_files_that_torchvision_downloaded_are_found(tmp_path):
    write_data_set(tmp_path / "FashionMNIST" / "raw")
    assert load("fashion-mnist", root=tmp_path).train_images.shape == (30, 5, 4)


@pytest.mark.parametrize(("name", "kind"), [("fashion-mnist", "FashionMNIST"), ("emnist-letters", "EMNIST")])
def test_missing_files_are_downloaded_by_torchvision_once(tmp_path, monkeypatch, name, kind):
    downloads = []

    def download(root, *, download, split="letters"):
        downloads.append((root, download, split))
        prefix, test = ("emnist-letters-", "test") if kind == "EMNIST" else ("", "t10k")
        folder = write_data_set(root / kind / "raw", prefix, test)
        for path in folder.glob(f"{prefix}*labels*") if prefix else ():
            write_idx(path, read_idx(path) + 1)

    monkeypatch.setattr(datasets, kind, download)
    for _ in range(2):
        assert len(load(name, root=tmp_path).train_images) == 30
    assert downloads == [(tmp_path, True, "letters")]


def test_data_moves_to_a_device_and_is_not_copied_if_it_is_already_there(few_images):
    assert load(device="meta").train_images.device.type == "meta"
    assert few_images.to("cpu").train_images.data_ptr() == few_images.train_images.data_ptr()


def test_data_can_be_compared_and_hashed_and_is_equal_only_to_itself(few_images):
    assert few_images == few_images
    assert few_images != replace(few_images)
    assert len({few_images, replace(few_images)}) == 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-7], "3 × 5 = 15 bytes, but 8 follow"),
        (lambda content: content + b"?", "3 × 5 = 15 bytes, but 16 follow"),
        (lambda content: b"\x00\x00\x0d" + content[3:], "starts with the bytes 00 00 0d 02"),
        (lambda content: b"PNG!" + content[4:], "starts with the bytes"),
        (lambda content: content[:6], "ends within its header, after 6 of 12 bytes"),
        (lambda content: content[:2], "has 2 bytes, fewer than the four"),
        (lambda content: b"\x00\x00\x08\x02" + bytes(8), r"the shape \(0, 0\), so it holds no data"),
    ],
)
def test_a_damaged_idx_file_raises_an_error_that_says_why(tmp_path, damage, message):
    path = write_idx(tmp_path / "digits", torch.zeros(3, 5))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(path)
    assert "Replace it with an intact copy." in str(caught.value)


def test_a_truncated_gzip_file_raises_an_error(tmp_path):
    path = write_idx(tmp_path / "digits.gz", torch.arange(200).view(10, 20))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="cannot be decompressed"):
        read_idx(path)


def test_an_altered_packaged_file_fails_its_checksum(tmp_path, monkeypatch):
    packaged = tmp_path / "mnist"
    packaged.mkdir()
    for file in data.PACKAGED.iterdir():
        (packaged / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr("learnkit.data.sources.PACKAGED", packaged)
    labels = read_idx(packaged / "t10k-labels-idx1-ubyte.gz")
    labels[17] = 3
    write_idx(packaged / "t10k-labels-idx1-ubyte.gz", labels)
    with pytest.raises(ValueError, match=r"t10k-labels.*SHA-256.*git checkout"):
        load()


def test_the_checksums_are_in_the_format_of_sha256sum_and_those_of_the_files_as_they_are():
    listed = (data.PACKAGED / "SHA256SUMS").read_text(encoding="utf-8")
    files = sorted(data.PACKAGED.glob("*.gz"))
    assert len(files) == 4
    assert listed == "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)


def test_a_file_of_the_package_that_is_missing_or_was_unpacked_says_how_to_restore_it(tmp_path, monkeypatch):
    shutil.copytree(data.PACKAGED, tmp_path / "mnist")
    monkeypatch.setattr("learnkit.data.sources.PACKAGED", tmp_path / "mnist")
    labels = tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz"
    labels.with_suffix("").write_bytes(gzip.decompress(labels.read_bytes()))
    labels.unlink()
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte\.gz is damaged .*: it is missing\. .*git checkout"):
        load("mnist")


def test_more_labels_than_images_raise_an_error(tmp_path):
    write_idx(write_data_set(tmp_path) / "t10k-labels-idx1-ubyte", torch.zeros(21))
    with pytest.raises(ValueError, match="21 labels for the 20 images"):
        load(root=tmp_path)


def test_a_label_without_a_class_raises_an_error(tmp_path):
    write_idx(write_data_set(tmp_path) / "train-labels-idx1-ubyte", torch.full((30,), 10))
    with pytest.raises(ValueError, match="labels go from 10 to 10, but there are 10 classes"):
        load(root=tmp_path)


def test_swapped_image_and_label_files_raise_an_error(tmp_path):
    folder = write_data_set(tmp_path)
    (folder / "train-labels-idx1-ubyte").rename(folder / "train-images-idx3-ubyte")
    write_idx(folder / "train-labels-idx1-ubyte", torch.zeros(30))
    with pytest.raises(ValueError, match="it has 1 axes; images have three"):
        load(root=folder)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "fashon-mnist"}, "no data set called 'fashon-mnist'. Did you mean 'fashion-mnist'"),
        ({"name": "cifar"}, "Known: 'mnist', 'fashion-mnist', 'kmnist', 'emnist-letters'"),
        ({"validation": 60_000}, "validation is 60,000 of 60,000 images, which leaves none to train on"),
        ({"validation": -1}, "validation is -1; expected a whole number, 0 or more"),
        ({"validation": 0.1}, "validation is 0.1; expected a whole number"),
    ],
)
def test_invalid_arguments_raise_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        load(**arguments)


def test_without_a_network_the_error_says_which_files_to_put_where(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(datasets, "FashionMNIST", no_network)
    with pytest.raises(FileNotFoundError) as caught:
        load("fashion-mnist", root=tmp_path)
    message = str(caught.value)
    assert str(tmp_path) in message
    for file in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        assert f"{file}-ubyte.gz" in message
