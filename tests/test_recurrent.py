import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from learnkit.models import ElmanRNN
from learnkit.training import Training


def sequences(batch: int = 5, time: int = 7, features: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, time, features, generator=torch.Generator().manual_seed(seed))


def by_hand(net: ElmanRNN, sequence: torch.Tensor) -> torch.Tensor:
    """The states of one sequence, computed with the formula in the docstring."""
    f = {"relu": torch.relu, "tanh": torch.tanh}[net.nonlinearity]
    state, states = torch.zeros(net.hidden_to_hidden.in_features), []
    for step in sequence:
        from_input = net.input_to_hidden.weight @ step + net.input_to_hidden.bias
        state = f(from_input + net.hidden_to_hidden.weight @ state)
        states.append(state)
    return torch.stack(states)


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    padding=st.integers(0, 2),
    with_lengths=st.booleans(),
    features=st.integers(1, 5),
    hidden=st.integers(1, 6),
    seed=st.integers(0, 999),
)
def test_states_and_gradients_equal_those_of_torchs_rnn(
    nonlinearity, lengths, padding, with_lengths, features, hidden, seed
):
    torch.manual_seed(seed)
    theirs = nn.RNN(features, hidden, nonlinearity=nonlinearity, batch_first=True)
    ours = ElmanRNN(features, hidden, 3, nonlinearity=nonlinearity)
    ours.load_from_torch(theirs)
    batch, time = len(lengths), max(lengths) + padding
    inputs, state = sequences(batch, time, features, seed), torch.randn(batch, hidden)
    if with_lengths:
        lengths = torch.tensor(lengths)
        packed, last = theirs(pack_padded_sequence(inputs, lengths, True, False), state[None])
        expected, _ = pad_packed_sequence(packed, batch_first=True, total_length=time)
    else:
        lengths = None
        expected, last = theirs(inputs, state[None])
    states, last_state = ours.states(inputs, state, lengths), ours.last_state(inputs, state, lengths)
    torch.testing.assert_close(states, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(last_state, last[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours(inputs, state, lengths), ours.hidden_to_logits(last[0]), rtol=1e-5, atol=1e-5)
    (expected.square().mean() + last.square().mean()).backward()
    (states.square().mean() + last_state.square().mean()).backward()
    for mine, reference in (
        (ours.input_to_hidden.weight, theirs.weight_ih_l0),
        (ours.input_to_hidden.bias, theirs.bias_ih_l0),
        (ours.hidden_to_hidden.weight, theirs.weight_hh_l0),
    ):
        torch.testing.assert_close(mine.grad, reference.grad, rtol=1e-5, atol=1e-5)


def test_its_initial_weights_are_those_of_torchs_rnn():
    for seed in (1, 2):
        torch.manual_seed(seed)
        theirs, ours = nn.RNN(4, 6, nonlinearity="relu", batch_first=True), ElmanRNN(4, 6, 3, seed=seed)
        torch.testing.assert_close(ours.states(sequences()), theirs(sequences())[0])


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
def test_the_logits_come_from_the_last_state_or_are_the_mean_over_all_states(nonlinearity):
    inputs = sequences()
    last = ElmanRNN(4, 6, 3, nonlinearity=nonlinearity, seed=1)
    mean = ElmanRNN(4, 6, 3, nonlinearity=nonlinearity, readout="mean", seed=1)
    states = torch.stack([by_hand(last, sequence) for sequence in inputs])
    torch.testing.assert_close(last.states(inputs), states)
    torch.testing.assert_close(last(inputs), last.hidden_to_logits(states[:, -1]))
    torch.testing.assert_close(mean(inputs), mean.hidden_to_logits(states).mean(1))


@pytest.mark.parametrize("readout", ["last", "mean"])
def test_with_lengths_each_sequence_gives_the_logits_that_it_gives_alone(readout):
    net, inputs, lengths = ElmanRNN(4, 6, 3, readout=readout), sequences(), torch.tensor([3, 7, 1, 7, 2])
    alone = [net(inputs[None, i, :length]) for i, length in enumerate(lengths)]
    torch.testing.assert_close(net(inputs, lengths=lengths), torch.cat(alone))


def test_padding_is_not_read():
    net, lengths = ElmanRNN(4, 6, 3), torch.tensor([3, 7, 1, 7, 2])
    clean, spoiled = sequences(), sequences()
    for sequence, length in zip(spoiled, lengths, strict=True):
        sequence[length:] = torch.nan
    gradients = []
    for inputs in (clean, spoiled):
        net.zero_grad()
        net(inputs, lengths=lengths).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in net.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_a_sequence_read_in_two_chunks_gives_the_same_as_in_one():
    net, inputs = ElmanRNN(4, 6, 3), sequences()
    state = net.last_state(inputs[:, :3])
    torch.testing.assert_close(net(inputs[:, 3:], state), net(inputs))


def test_no_state_is_kept_from_one_batch_to_the_next():
    net, inputs = ElmanRNN(4, 6, 3), sequences()
    assert torch.equal(net(inputs), net(inputs))


@pytest.mark.parametrize("readout", ["last", "mean"])
def test_a_batch_may_contain_one_sequence_or_none(readout):
    net, inputs = ElmanRNN(4, 6, 3, readout=readout), sequences()
    torch.testing.assert_close(net(inputs[:1]), net(inputs)[:1])
    assert net(inputs[:0]).shape == (0, 3)
    assert net(inputs[:0], lengths=torch.ones(0, dtype=torch.int64)).shape == (0, 3)


def test_the_logits_depend_on_the_last_step():
    net, inputs = ElmanRNN(4, 6, 3), sequences()
    other = inputs.clone()
    other[:, -1] += 1
    assert not torch.allclose(net(inputs), net(other))


def test_a_sequence_of_one_step_does_not_use_the_recurrent_weights():
    net, inputs = ElmanRNN(4, 6, 3), sequences(time=1)
    net(inputs).sum().backward()
    assert net.hidden_to_hidden.weight.grad.abs().max() == 0
    assert net(inputs).shape == (5, 3)


def test_nan_in_one_sequence_does_not_affect_another():
    net, inputs = ElmanRNN(4, 6, 3), sequences()
    clean = net(inputs)
    inputs[2, 3, 1] = torch.nan
    spoiled = net(inputs)
    assert spoiled[2].isnan().all()
    torch.testing.assert_close(spoiled[[0, 1, 3, 4]], clean[[0, 1, 3, 4]])


def test_it_computes_on_the_device_of_its_weights():
    net = ElmanRNN(28, 16, 10).to("meta")
    images = torch.empty(6, 28, 28, device="meta")
    assert net(images).device.type == "meta"
    assert net.states(images).device.type == "meta"
    assert net.last_state(images).device.type == "meta"
    assert net.double()(images.double()).dtype == torch.float64


def test_its_weights_come_from_its_own_generator():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, same, other = (ElmanRNN(4, 6, 3, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    for a, b, c in zip(first.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_it_learns_images_as_sequences_of_rows(few_images):
    training = Training(
        ElmanRNN(28, 32, 10), few_images, epochs=20, batch_size=50, optimizer="adam", learning_rate=0.003, device="cpu"
    )
    losses = [loss.item() for _, _, loss in training]
    assert losses[0] == pytest.approx(2.3, abs=0.1)
    assert training.evaluate("train").accuracy > 0.6


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: net(torch.zeros(2, 7, 5)), "has 5 features; this net expects 4"),
        (lambda net: net(torch.zeros(2, 0, 4)), r"\(2, 0, 4\), which has no steps"),
        (lambda net: net(torch.zeros(7, 4)), r"make it a batch of one with sequences\[None\]"),
        (lambda net: net(torch.zeros(3, 28)), r"Split flattened images into rows first: images.view\(-1, 7, 4\)"),
        (lambda net: net(torch.zeros(4)), r"\(4,\); expected \(batch, time, feature\)\.$"),
        (
            lambda net: net(torch.zeros(2, 7, 4), torch.zeros(3, 6)),
            r"\(3, 6\); expected \(2, 6\), for 2 sequences and 6 hidden units",
        ),
        (
            lambda net: net(torch.zeros(2, 7, 4), torch.zeros(2, 5)),
            r"\(2, 5\); expected \(2, 6\), for 2 sequences and 6 hidden units",
        ),
        (lambda net: net(torch.zeros(2, 1, 7, 4)), r"Remove the channel first: images.squeeze\(1\)"),
        (
            lambda net: net(torch.zeros(2, 7, 4).double()),
            r"sequences has the dtype torch.float64; expected torch.float32.* pass sequences.to\(torch.float32",
        ),
        (lambda net: net(torch.zeros(2, 7, 4).byte()), "sequences has the dtype torch.uint8; expected torch.float32"),
        (
            lambda net: net(torch.zeros(2, 7, 4), torch.zeros(2, 6).double()),
            "state has the dtype torch.float64; .*pass state.to",
        ),
        (lambda net: net(torch.zeros(2, 7, 4), lengths=torch.tensor([7, 8])), "Sequence 1 has the length 8; .* 1 to 7"),
        (lambda net: net(torch.zeros(2, 7, 4), lengths=torch.tensor([0, 7])), "Sequence 0 has the length 0; .* 1 to 7"),
        (lambda net: net(torch.zeros(2, 7, 4), lengths=torch.tensor([7])), r"lengths has the shape \(1,\).*of 2 seq"),
        (
            lambda net: net(torch.zeros(2, 7, 4), lengths=torch.tensor([7.0, 7])),
            "torch.float32; expected a whole number",
        ),
        (lambda _: ElmanRNN(4, 6, 3, nonlinearity="relo"), "no nonlinearity called 'relo'. Did you mean 'relu'"),
        (lambda _: ElmanRNN(4, 6, 3, readout="first"), "no readout called 'first'.* Known: 'last', 'mean'"),
        (lambda _: ElmanRNN(4, 0, 3), "hidden_size is 0; expected a whole number, 1 or more"),
        (lambda net: net.load_from_torch(nn.RNN(5, 6, nonlinearity="relu")), "input_size=5; expected 4"),
        (lambda net: net.load_from_torch(nn.RNN(4, 8, nonlinearity="relu")), "hidden_size=8; expected 6"),
        (lambda net: net.load_from_torch(nn.RNN(4, 6)), "nonlinearity='tanh'; expected 'relu'"),
        (lambda net: net.load_from_torch(nn.RNN(4, 6, 2, nonlinearity="relu")), "num_layers=2; expected 1"),
    ],
)
def test_invalid_arguments_raise_an_error_that_says_what_is_expected(call, message):
    net = ElmanRNN(4, 6, 3)
    before = [parameter.clone() for parameter in net.parameters()]
    with pytest.raises(ValueError, match=message):
        call(net)
    for parameter, kept in zip(net.parameters(), before, strict=True):
        assert torch.equal(parameter, kept)
