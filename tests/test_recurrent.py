import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from learnkit.models import ElmanRNN
from learnkit.training import Training


def sequences(batch: int = 5, time: int = 7, features: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, time, features, generator=torch.Generator().manual_seed(seed))


def by_hand(net: ElmanRNN, sequence: torch.Tensor) -> torch.Tensor:
    """The states of one sequence, straight from the formula in the docstring."""
    f = {"relu": torch.relu, "tanh": torch.tanh}[net.nonlinearity]
    state, states = torch.zeros(net.hidden_to_hidden.in_features), []
    for step in sequence:
        from_input = net.input_to_hidden.weight @ step + net.input_to_hidden.bias
        state = f(from_input + net.hidden_to_hidden.weight @ state)
        states.append(state)
    return torch.stack(states)


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
@given(
    batch=st.integers(1, 4),
    time=st.integers(1, 6),
    features=st.integers(1, 5),
    hidden=st.integers(1, 6),
    seed=st.integers(0, 999),
)
def test_states_and_gradients_are_those_of_torchs_rnn(nonlinearity, batch, time, features, hidden, seed):
    torch.manual_seed(seed)
    theirs = nn.RNN(features, hidden, nonlinearity=nonlinearity, batch_first=True)
    ours = ElmanRNN(features, hidden, 3, nonlinearity=nonlinearity)
    ours.load_from_torch(theirs)
    inputs = sequences(batch, time, features, seed)
    state = torch.randn(batch, hidden)
    expected, last = theirs(inputs, state[None])
    given_states = ours.states(inputs, state)
    torch.testing.assert_close(given_states, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(given_states[:, -1], last[0], rtol=1e-5, atol=1e-5)
    expected.square().sum().backward()
    given_states.square().sum().backward()
    for mine, reference in (
        (ours.input_to_hidden.weight, theirs.weight_ih_l0),
        (ours.input_to_hidden.bias, theirs.bias_ih_l0),
        (ours.hidden_to_hidden.weight, theirs.weight_hh_l0),
    ):
        torch.testing.assert_close(mine.grad, reference.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
def test_the_logits_are_read_from_the_last_state_or_are_the_mean_of_all(nonlinearity):
    inputs = sequences()
    last = ElmanRNN(4, 6, 3, nonlinearity=nonlinearity, seed=1)
    mean = ElmanRNN(4, 6, 3, nonlinearity=nonlinearity, readout="mean", seed=1)
    states = torch.stack([by_hand(last, sequence) for sequence in inputs])
    torch.testing.assert_close(last.states(inputs), states)
    torch.testing.assert_close(last(inputs), last.hidden_to_logits(states[:, -1]))
    torch.testing.assert_close(mean(inputs), mean.hidden_to_logits(states).mean(1))


def test_a_sequence_read_in_two_pieces_gives_the_same_as_in_one():
    net, inputs = ElmanRNN(4, 6, 3), sequences()
    state = net.states(inputs[:, :3])[:, -1]
    torch.testing.assert_close(net(inputs[:, 3:], state), net(inputs))


def test_the_last_step_matters():
    net, inputs = ElmanRNN(4, 6, 3), sequences()
    other = inputs.clone()
    other[:, -1] += 1
    assert not torch.allclose(net(inputs), net(other))


def test_a_sequence_of_one_step_needs_no_recurrent_weights():
    net, inputs = ElmanRNN(4, 6, 3), sequences(time=1)
    net(inputs).sum().backward()
    assert net.hidden_to_hidden.weight.grad.abs().max() == 0
    assert net(inputs).shape == (5, 3)


def test_each_sequence_is_read_for_itself_so_that_nan_in_one_spoils_no_other():
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
    assert net.double()(images.double()).dtype == torch.float64


def test_its_numbers_come_from_a_generator_of_its_own():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, same, other = (ElmanRNN(4, 6, 3, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    for a, b, c in zip(first.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_the_recurrent_weights_begin_orthogonal():
    weight = ElmanRNN(4, 6, 3).hidden_to_hidden.weight
    torch.testing.assert_close(weight @ weight.T, torch.eye(6))


def test_it_learns_from_images_as_sequences_of_rows(few_images):
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
        (lambda net: net(torch.zeros(2, 7, 5)), "has 5 features; this net takes 4"),
        (lambda net: net(torch.zeros(2, 0, 4)), r"\(2, 0, 4\), which is no step at all"),
        (lambda net: net(torch.zeros(7, 4)), r"make it a batch of one with sequence\[None\]"),
        (lambda net: net(torch.zeros(3, 28)), r"Cut flattened images into rows first: images.view\(-1, 7, 4\)"),
        (lambda net: net(torch.zeros(4)), r"\(4,\); expected \(batch, time, feature\)\.$"),
        (lambda net: net(torch.zeros(2, 7, 4), torch.zeros(3, 6)), r"\(3, 6\); for 2 sequences and 6 .* \(2, 6\)"),
        (lambda net: net(torch.zeros(2, 7, 4), torch.zeros(2, 5)), r"\(2, 5\); for 2 sequences and 6 .* \(2, 6\)"),
        (lambda _: ElmanRNN(4, 6, 3, nonlinearity="relo"), "no nonlinearity called 'relo'. Did you mean 'relu'"),
        (lambda _: ElmanRNN(4, 6, 3, readout="first"), "no readout called 'first'.* Known: 'last', 'mean'"),
        (lambda _: ElmanRNN(4, 0, 3), "hidden_size is 0; expected a whole number, 1 or more"),
        (lambda net: net.load_from_torch(nn.RNN(5, 6, nonlinearity="relu")), "input_size=5; this net needs 4"),
        (lambda net: net.load_from_torch(nn.RNN(4, 8, nonlinearity="relu")), "hidden_size=8; this net needs 6"),
        (lambda net: net.load_from_torch(nn.RNN(4, 6)), "nonlinearity='tanh'; this net needs 'relu'"),
        (lambda net: net.load_from_torch(nn.RNN(4, 6, 2, nonlinearity="relu")), "num_layers=2; this net needs 1"),
    ],
)
def test_what_does_not_fit_is_named_with_what_would(call, message):
    net = ElmanRNN(4, 6, 3)
    before = [parameter.clone() for parameter in net.parameters()]
    with pytest.raises(ValueError, match=message):
        call(net)
    for parameter, kept in zip(net.parameters(), before, strict=True):
        assert torch.equal(parameter, kept)
