"""What a day teaches is what the library does: a notebook's own definitions against learnkit's."""

import torch
from notebook_definitions import definitions

from learnkit.models import FullyConnected
from learnkit.training import Training

def test_day_1s_network_is_fully_connected(few_images):
    first_network = definitions("day1_metrics_and_first_network")["FirstNetwork"]
    torch.manual_seed(7)
    taught = first_network(784, 128, 256, 10)
    kept = FullyConnected((784, 128, 256, 10), seed=7)
    images = few_images.test_images
    for net in (taught, kept):
        net(images).square().mean().backward()
    assert torch.equal(taught(images), kept(images))
    for theirs, ours in zip(taught.parameters(), kept.parameters(), strict=True):
        assert torch.equal(theirs, ours)
        assert torch.equal(theirs.grad, ours.grad)


def test_day_1s_loop_is_training_weight_for_weight(few_images):
    day1 = definitions("day1_metrics_and_first_network")
    torch.manual_seed(0)
    taught = day1["FirstNetwork"](784, 128, 256, 10)
    images, labels = few_images.split("train")
    losses = day1["train"](taught, images, labels, epochs=4, batch_size=100, learning_rate=0.05, seed=2)
    kept = FullyConnected((784, 128, 256, 10))
    settings = {"epochs": 4, "batch_size": 100, "learning_rate": 0.05, "seed": 2, "device": "cpu"}
    assert [loss.item() for _, _, loss in Training(kept, few_images, **settings)] == losses
    for theirs, ours in zip(taught.parameters(), kept.parameters(), strict=True):
        assert torch.equal(theirs, ours)
