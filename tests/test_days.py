"""What a day teaches is what the library does: a notebook's own definitions against learnkit's."""

import torch
from notebook_definitions import definitions

from learnkit.models import ElmanRNN, FullyConnected, MultiHeadAttention
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


def test_day_4_begins_with_day_3s_network(few_images):
    torch.manual_seed(1)
    yesterday = definitions("day3_rnn_the_slow_way")["SlowRNN"](16)
    today = definitions("day4_rnn_vectorised")["SlowRNN"](16)
    today.load_state_dict(yesterday.state_dict())
    images = few_images.test_images[:3]
    assert torch.equal(today(images), yesterday(images))


def test_day_4s_loop_over_rows_is_day_3s_loop_over_images(few_images):
    day4 = definitions("day4_rnn_vectorised")
    torch.manual_seed(1)
    slow, rows = day4["SlowRNN"](16), day4["RowsRNN"](16)
    rows.load_state_dict(slow.state_dict())
    images = few_images.test_images[:5]
    for net in (slow, rows):
        net(images).square().sum().backward()
    torch.testing.assert_close(rows(images), slow(images), rtol=1e-5, atol=1e-5)
    for theirs, ours in zip(slow.parameters(), rows.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


def test_day_4s_mended_network_is_elman_rnn(few_images):
    torch.manual_seed(1)
    taught = definitions("day4_rnn_vectorised")["FixedRNN"](28, 16, 10)
    kept = ElmanRNN(28, 16, 10)
    with torch.no_grad():
        kept.input_to_hidden.weight.copy_(taught.hidden_layer.weight[:, :28])
        kept.hidden_to_hidden.weight.copy_(taught.hidden_layer.weight[:, 28:])
        kept.input_to_hidden.bias.copy_(taught.hidden_layer.bias)
        kept.hidden_to_logits.load_state_dict(taught.output_layer.state_dict())
    images = few_images.test_images
    torch.testing.assert_close(kept(images), taught(images), rtol=1e-5, atol=1e-5)


def test_day_5s_attention_is_multi_head_attention():
    torch.manual_seed(1)
    taught = definitions("day5_attention")["Attention"](8, 4)
    kept = MultiHeadAttention(8, 4)
    kept.load_state_dict(taught.state_dict())
    sentences = torch.randn(3, 5, 8)
    for ours, theirs in zip(kept(sentences), taught(sentences), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
