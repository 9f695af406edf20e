"""What accuracy costs: five libraries train the same net in the same way, and are tested after as many epochs.

The net is (784, 128, 256, 10) with ReLU, the optimizer Adam with its usual rate of 0.001, a batch has 200 images. The
number of epochs is that with the best mean accuracy on 10,000 validation images. Then each way trains on all 60,000
images with 20 seeds, turn by turn, and looks at the test images once, at the end. Seconds are counted from the first
step. On a GPU each way uses it that can. Writes its report to benchmarks/accuracy.md; takes about an hour.
"""

import gzip
import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from random import Random
from statistics import mean, median, stdev

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from benchmarks.measure import environment, processor
from learnkit import data
from learnkit.devices import choose_device, describe_device
from learnkit.models import FullyConnected
from learnkit.training import Training

REPORT = Path(__file__).parent / "accuracy.md"
SIZES, BATCH, RATE = (784, 128, 256, 10), 200, 1e-3
SEEDS, MOST_EPOCHS, GOALS = range(20), 12, (0.97, 0.975)
VALIDATED = 3  # seeds, to choose the number of epochs with
DEVICE = choose_device()

Result = tuple[float, Tensor]  # seconds, and the predictions for the test images
Way = Callable[[data.LabelledImages, int, int], Result]


def main() -> None:
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    validated = validation_accuracies()
    epochs = 1 + max(range(MOST_EPOCHS), key=validated.__getitem__)
    ways = {name: way for name, (package, way) in WAYS.items() if find_spec(package)}
    mnist = data.load()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for seed in SEEDS:
        order = list(ways)
        Random(seed).shuffle(order)
        for name in order:
            seconds, predictions = ways[name](mnist, epochs, seed)
            accuracy = (predictions.cpu() == mnist.test_labels).sum().item() / len(mnist.test_labels)
            found[name].append((seconds, accuracy))
            print(f"seed {seed}: {name}, {seconds:.1f} s, {accuracy:.4f}", flush=True)
        REPORT.write_text(report(found, validated, epochs), encoding="utf-8")


def report(found: dict[str, list[tuple[float, float]]], validated: list[float], epochs: int) -> str:
    """The table in Markdown. Ratios are medians over the seeds."""
    base = [seconds for seconds, _ in found["learnkit's Training"]]
    columns = "way", "seconds", "ratio", "test accuracy", "spread", *(f"seeds at {goal} or more" for goal in GOALS)
    rows = [columns, ["---"] * len(columns)]
    for name, results in found.items():
        seconds, accuracies = zip(*results, strict=True)
        ratio = median(one / other for one, other in zip(seconds, base, strict=False))
        reached = [sum(accuracy >= goal for accuracy in accuracies) for goal in GOALS]
        spread = stdev(accuracies) if len(accuracies) > 1 else 0
        numbers = f"{median(seconds):.1f}", f"{ratio:.2f}", f"{mean(accuracies):.4f}", f"{spread:.4f}"
        rows.append([name, *numbers, *map(str, reached)])
    packages = [name for name in ("torch", "scikit-learn", "skorch", "lightning") if find_spec(IMPORTS.get(name, name))]
    where = processor() if DEVICE.type == "cpu" else describe_device(str(DEVICE))
    return "\n".join(
        [
            "# What accuracy costs",
            "",
            f"MNIST, n = {len(base)} seeds, {epochs} epochs, on {where}. {environment(*packages)}",
            f"Validation accuracy after each epoch, mean of {VALIDATED} seeds: "
            f"{', '.join(f'{accuracy:.4f}' for accuracy in validated)}.",
            "Seconds are medians, from the first step to the end of the last; the spread is a standard deviation.",
            "",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
        ]
    )


def validation_accuracies() -> list[float]:
    """After each epoch, the mean over some seeds."""
    held_out, all_accuracies = data.load(validation=10_000), []
    for seed in range(VALIDATED):
        training = our_training(held_out, MOST_EPOCHS, seed)
        accuracies = []
        for _, step, _ in training:
            if step % training.steps_per_epoch == 0:
                accuracies.append(training.evaluate("validation").accuracy)
        all_accuracies.append(accuracies)
    return [mean(of_epoch) for of_epoch in zip(*all_accuracies, strict=True)]


# ---------------------------------------------------------------- the ways


def net(seed: int) -> FullyConnected:
    return FullyConnected(SIZES, "relu", seed=seed)


def our_training(mnist: data.LabelledImages, epochs: int, seed: int) -> Training:
    return Training(
        net(seed),
        mnist,
        epochs=epochs,
        batch_size=BATCH,
        optimizer="adam",
        learning_rate=RATE,
        seed=seed,
        device=DEVICE,
        threads=1,
    )


def with_learnkit(
    mnist: data.LabelledImages, epochs: int, seed: int, *, fused: bool = False, falling: bool = False
) -> Result:
    training = our_training(mnist, epochs, seed)
    if fused:
        training.optimizer = torch.optim.Adam(training.model.parameters(), lr=RATE, fused=True)
    schedule = CosineAnnealingLR(training.optimizer, len(training)) if falling else None
    start = time.perf_counter()
    for _ in training:
        if schedule is not None:
            schedule.step()
    return waited(start), training.evaluate("test").predictions


def with_scikit_learn(mnist: data.LabelledImages, epochs: int, seed: int) -> Result:
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    theirs = MLPClassifier(
        SIZES[1:-1], batch_size=BATCH, learning_rate_init=RATE, alpha=0, max_iter=epochs, tol=0, random_state=seed
    )
    images, labels = mnist.train_images.flatten(1).numpy(), mnist.train_labels.numpy()
    with threadpool_limits(1):
        start = time.perf_counter()
        theirs.fit(images, labels)
        seconds = time.perf_counter() - start
        return seconds, torch.from_numpy(theirs.predict(mnist.test_images.flatten(1).numpy()))


def with_skorch(mnist: data.LabelledImages, epochs: int, seed: int) -> Result:
    from skorch import NeuralNetClassifier

    theirs = NeuralNetClassifier(
        net(seed).to(DEVICE),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=RATE,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        max_epochs=epochs,
        verbose=0,
        device=str(DEVICE),
    ).initialize()
    torch.manual_seed(seed)
    start = time.perf_counter()
    theirs.partial_fit(mnist.train_images, mnist.train_labels)
    return waited(start), tested(theirs.module_, mnist)


def with_lightning(mnist: data.LabelledImages, epochs: int, seed: int) -> Result:
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net(seed)

        def on_train_start(self) -> None:
            self.start = time.perf_counter()

        def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
            images, labels = batch
            return cross_entropy(self.net(images), labels)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=RATE)

    torch.manual_seed(seed)
    images = TensorDataset(mnist.train_images, mnist.train_labels)
    batches = BatchSampler(RandomSampler(images), batch_size=BATCH, drop_last=False)
    module = Module()
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    accelerator = "cpu" if DEVICE.type == "cpu" else "gpu"
    trainer = lightning.Trainer(max_epochs=epochs, accelerator=accelerator, devices=1, **quiet)
    trainer.fit(module, DataLoader(images, sampler=batches, batch_size=None))
    return waited(module.start), tested(module.net.to(DEVICE), mnist)


def with_data_loader(mnist: data.LabelledImages, epochs: int, seed: int) -> Result:
    """As in PyTorch's own tutorial: images are decoded and collated one by one."""
    from torchvision import datasets
    from torchvision.transforms import ToTensor

    torch.manual_seed(seed)
    theirs = net(seed).to(DEVICE)
    optimizer = torch.optim.Adam(theirs.parameters(), lr=RATE)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for packed in data.PACKAGED.glob("*.gz"):
            (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
        loader = DataLoader(datasets.MNIST(folder, transform=ToTensor()), batch_size=BATCH, shuffle=True)
    start = time.perf_counter()
    for _ in range(epochs):
        for images, labels in loader:
            loss = cross_entropy(theirs(images.to(DEVICE)), labels.to(DEVICE))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return waited(start), tested(theirs, mnist)


def waited(start: float) -> float:
    """Seconds since then, with all that was begun on a GPU."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


@torch.no_grad()
def tested(model: nn.Module, mnist: data.LabelledImages) -> Tensor:
    return model(mnist.test_images.to(DEVICE)).argmax(1)


IMPORTS = {"scikit-learn": "sklearn"}
WAYS: dict[str, tuple[str, Way]] = {
    "learnkit's Training": ("torch", with_learnkit),
    "learnkit's Training, Adam with fused=True": ("torch", partial(with_learnkit, fused=True)),
    "learnkit's Training, its rate falling to 0": ("torch", partial(with_learnkit, falling=True)),
    "scikit-learn's MLPClassifier": ("sklearn", with_scikit_learn),
    "skorch": ("skorch", with_skorch),
    "Lightning, batches by index": ("lightning", with_lightning),
    "DataLoader of torchvision's MNIST": ("torchvision", with_data_loader),
}


if __name__ == "__main__":
    main()
