"""An epoch of MNIST with the net (784, 128, 256, 10) without activation, SGD, batches of 200, on the CPU.

The plain loop is compared in blocks of 50 steps, scaled to the 300 of an epoch; other libraries in whole epochs.
"""

import gzip
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import lightning
import torch
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset
from torchvision import datasets
from torchvision.transforms import ToTensor

from benchmarks.measure import interleaved, print_table
from learnkit import data
from learnkit.models import FullyConnected
from learnkit.training import Training

BLOCK, EPOCH = 50, 300  # steps
SIZES = (784, 128, 256, 10)
MANY = 10**6  # epochs: more than are ever run


def main() -> None:
    mnist = data.load()
    threads = torch.get_num_threads()
    training = Training(FullyConnected(SIZES), mnist, epochs=MANY, device="cpu", threads=threads)
    ways = {
        "learnkit's Training": steps(training, BLOCK),
        "plain loop over shuffled slices": steps(plain_loop(mnist), BLOCK),
        "its matrix products alone, images in order": steps(matrix_products(mnist, shuffled=False), BLOCK),
        "its matrix products alone, images shuffled": steps(matrix_products(mnist, shuffled=True), BLOCK),
    }
    fast = interleaved(ways, rounds=120, warm_up=6)
    title = f"An epoch, {threads} threads, compared with the plain loop"
    print_table(title, fast, "plain loop over shuffled slices", "s", EPOCH / BLOCK)
    print_table(title, fast, "its matrix products alone, images shuffled", "s", EPOCH / BLOCK)
    peers = {
        "learnkit's Training": steps(training, EPOCH),
        "scikit-learn's MLPClassifier": scikit_learn(mnist),
        "skorch": skorch(mnist),
        "Lightning, batches by index": lightning_trainer(mnist),
        "DataLoader of torchvision's MNIST": steps(data_loader(), EPOCH),
    }
    title = f"An epoch, {threads} threads, compared with other libraries"
    print_table(title, interleaved(peers, rounds=5), "learnkit's Training", "s")


def steps(loop: Iterator, count: int) -> Callable[[], object]:
    """A function that runs the next ``count`` steps of a loop."""
    return lambda: [None for _ in islice(loop, count)]


def plain_loop(mnist: data.LabelledImages) -> Iterator[None]:
    net = FullyConnected(SIZES)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(0)
    while True:
        for batch in torch.randperm(60_000, generator=generator).split(200):
            loss = cross_entropy(net(mnist.train_images[batch]), mnist.train_labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield


def matrix_products(mnist: data.LabelledImages, *, shuffled: bool) -> Iterator[None]:
    """The work that no loop can avoid: three products forward and five backward (the images need no gradient)."""
    w1, w2, w3 = (layer.get_parameter("weight").detach() for layer in FullyConnected(SIZES).layers)
    gradient = torch.rand(200, 10)
    images = mnist.train_images.flatten(1)
    while True:
        order = torch.randperm(60_000).split(200) if shuffled else images.split(200)
        for batch in order:
            x = images.index_select(0, batch) if shuffled else batch
            h1 = x @ w1.T
            h2 = h1 @ w2.T
            _ = h2 @ w3.T
            g2 = gradient @ w3
            g1 = g2 @ w2
            _ = gradient.T @ h2, g2.T @ h1, g1.T @ x
            yield


def data_loader() -> Iterator[None]:
    """As in PyTorch's own tutorial: images are decoded and collated one by one."""
    net = FullyConnected(SIZES)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for packed in data.PACKAGED.glob("*.gz"):
            (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
        images = datasets.MNIST(folder, train=True, transform=ToTensor())
    loader = DataLoader(images, batch_size=200, shuffle=True)
    while True:
        for batch, labels in loader:
            loss = cross_entropy(net(batch), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield


def skorch(mnist: data.LabelledImages) -> Callable[[], object]:
    net = NeuralNetClassifier(
        FullyConnected,
        module__sizes=SIZES,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        lr=0.01,
        batch_size=200,
        iterator_train__shuffle=True,
        train_split=None,
        max_epochs=1,
        verbose=0,
    ).initialize()
    return lambda: net.partial_fit(mnist.train_images, mnist.train_labels)


def scikit_learn(mnist: data.LabelledImages) -> Callable[[], object]:
    net = MLPClassifier(
        SIZES[1:-1], activation="identity", solver="sgd", learning_rate_init=0.01, momentum=0, alpha=0, batch_size=200
    )
    images, labels = mnist.train_images.flatten(1).numpy(), mnist.train_labels.numpy()
    return lambda: net.partial_fit(images, labels, classes=range(10))


class Lit(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = FullyConnected(SIZES)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        images, labels = batch
        return cross_entropy(self.net(images), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


def lightning_trainer(mnist: data.LabelledImages) -> Callable[[], object]:
    """An epoch by a new Trainer, over batches that are index slices as well."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    images = TensorDataset(mnist.train_images, mnist.train_labels)
    sampler = BatchSampler(RandomSampler(images), batch_size=200, drop_last=False)
    loader = DataLoader(images, sampler=sampler, batch_size=None)
    model = Lit()

    def fit() -> None:
        trainer = lightning.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(model, loader)

    return fit
