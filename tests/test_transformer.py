from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from learnkit.models import TinyTransformer, TransformerBlock, causal_mask


def some_digits(count: int = 3, length: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 10, (count, length), generator=torch.Generator().manual_seed(seed))


def test_a_block_equals_torchs_encoder_layer_that_normalises_first():
    torch.manual_seed(0)
    theirs = nn.TransformerEncoderLayer(8, 2, dim_feedforward=20, dropout=0, norm_first=True, batch_first=True)
    ours = TransformerBlock(8, 2, hidden_size=20)
    ours.attention.load_from_torch(theirs.self_attn)
    ours.feed_forward[0].load_state_dict(theirs.linear1.state_dict())
    ours.feed_forward[2].load_state_dict(theirs.linear2.state_dict())
    with torch.no_grad():
        for mine, norm in ((ours.norm_before_attention, theirs.norm1), (ours.norm_before_feed_forward, theirs.norm2)):
            norm.weight.normal_()
            norm.bias.normal_()
            mine.load_state_dict(norm.state_dict())
    x = torch.randn(3, 5, 8)
    for mask in (None, causal_mask(5)):
        expected = theirs(x, src_mask=None if mask is None else ~mask)
        for need_weights in (True, False):
            output, weights = ours(x, mask, need_weights=need_weights)
            torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)
            assert (weights is not None) == need_weights


def trained(net: TinyTransformer, task: Callable[[torch.Tensor], torch.Tensor], steps: int) -> TinyTransformer:
    optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
    for step in range(steps):
        digits = some_digits(64, seed=step)
        logits, _ = net(digits, need_weights=False)
        optimizer.zero_grad()
        cross_entropy(logits.flatten(0, 1), task(digits).flatten()).backward()
        optimizer.step()
    return net


def reversed_digits(digits: torch.Tensor) -> torch.Tensor:
    return digits.flip(1)


def sorted_digits(digits: torch.Tensor) -> torch.Tensor:
    return digits.sort(dim=1).values


@pytest.mark.parametrize(("task", "steps"), [(torch.clone, 100), (sorted_digits, 600)], ids=["copying", "sorting"])
def test_a_tiny_transformer_learns_copying_and_sorting(task, steps):
    net, digits = trained(TinyTransformer(10, 6), task, steps), some_digits(1000, seed=steps)
    assert (net(digits)[0].argmax(-1) == task(digits)).double().mean() >= 0.99


def test_it_learns_reversing_by_attending_from_the_end():
    net, digits = trained(TinyTransformer(10, 6, num_heads=1), reversed_digits, 200), some_digits(1000, seed=200)
    logits, (weights,) = net(digits)
    assert (logits.argmax(-1) == reversed_digits(digits)).double().mean() >= 0.99
    assert weights.mean((0, 1)).flip(1).diagonal().min() > 0.9


def test_permuted_tokens_give_permuted_logits_only_without_positions():
    net, digits, order = TinyTransformer(10, 6), torch.tensor([[3, 1, 4, 1, 5, 9]]), torch.tensor([3, 0, 5, 4, 1, 2])
    assert not torch.allclose(net(digits[:, order])[0], net(digits)[0][:, order], atol=1e-3)
    nn.init.zeros_(net.position.weight)
    torch.testing.assert_close(net(digits[:, order])[0], net(digits)[0][:, order])


def test_each_block_returns_its_weights_and_sequences_may_be_shorter():
    net = TinyTransformer(10, 6, num_heads=4, num_blocks=3)
    logits, weights = net(some_digits(2, 5), causal_mask(5))
    assert logits.shape == (2, 5, 10)
    assert [tuple(of_block.shape) for of_block in weights] == [(2, 4, 5, 5)] * 3
    assert all((of_block.triu(1) == 0).all() for of_block in weights)
    without, nothing = net(some_digits(2, 5), causal_mask(5), need_weights=False)
    torch.testing.assert_close(without, logits, rtol=1e-5, atol=1e-5)
    assert nothing is None


def test_its_weights_come_from_its_own_generator_and_no_two_layers_have_the_same():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    net = TinyTransformer(10, 6, num_blocks=2, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    again = TinyTransformer(10, 6, num_blocks=2, seed=3)
    for mine, same in zip(net.parameters(), again.parameters(), strict=True):
        assert torch.equal(mine, same)
    firsts = [parameter.flatten()[0].item() for name, parameter in net.named_parameters() if "norm" not in name]
    assert len(set(firsts)) == len(firsts)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: net(torch.tensor([3, 1])), r"\(2,\); expected \(batch, time\)\. If it is one .* tokens\[None\]"),
        (lambda net: net(some_digits(2, 7)), "are 7 tokens long; this net expects 1 to 6"),
        (lambda net: net(some_digits(2, 0)), "are 0 tokens long; this net expects 1 to 6"),
        (lambda net: net(some_digits().float()), r"dtype torch.float32; expected torch.int64: pass tokens.long\(\)"),
        (lambda net: net(torch.tensor([[3, 10]])), "go from 3 to 10; this net expects 0 to 9"),
        (lambda net: net(torch.tensor([[-1, 2]])), "go from -1 to 2; this net expects 0 to 9"),
        (lambda _: TinyTransformer(0, 6), "vocab_size is 0; expected"),
        (lambda _: TinyTransformer(10, 2.5), "max_length is 2.5; expected"),
        (lambda _: TinyTransformer(10, 6, num_blocks=0), "num_blocks is 0; expected"),
        (
            lambda _: TinyTransformer(10, 6, embed_dim=30, num_heads=4),
            "embed_dim is 30, which is not divisible by num_heads=4; .*: 28 and 32",
        ),
        (lambda _: TransformerBlock(8, 2, hidden_size=0), "hidden_size is 0; expected"),
    ],
)
def test_invalid_arguments_raise_an_error_that_says_what_is_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call(TinyTransformer(10, 6))
