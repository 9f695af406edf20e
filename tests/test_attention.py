import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from learnkit.models import MultiHeadAttention, scaled_dot_product_attention


def positions(batch: int = 2, time: int = 5, features: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, time, features, generator=torch.Generator().manual_seed(seed))


@given(
    batch=st.integers(1, 3),
    queries=st.integers(1, 6),
    keys=st.integers(1, 6),
    heads=st.sampled_from([1, 2, 4]),
    bias=st.booleans(),
    masked=st.booleans(),
    seed=st.integers(0, 999),
)
def test_output_and_weights_are_those_of_torchs_layer(batch, queries, keys, heads, bias, masked, seed):
    torch.manual_seed(seed)
    theirs = nn.MultiheadAttention(8, heads, bias=bias, batch_first=True)
    if bias:  # torch begins with biases of zero, which would hide a mix-up
        nn.init.normal_(theirs.in_proj_bias)
        nn.init.normal_(theirs.out_proj.bias)
    ours = MultiHeadAttention(8, heads, bias=bias)
    ours.load_from_torch(theirs)
    query, key, value = torch.randn(batch, queries, 8), torch.randn(batch, keys, 8), torch.randn(batch, keys, 8)
    mask = None
    if masked:
        mask = torch.rand(queries, keys) < 0.5
        mask[:, 0] = True  # torch's layer gives NaN where there is nothing to look at
    blocked = None if mask is None else ~mask
    expected = theirs(query, key, value, attn_mask=blocked, average_attn_weights=False)
    for mine, reference in zip(ours(query, key, value, mask), expected, strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-5)


def test_self_attention_is_torchs_too():
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(8, 2, batch_first=True)
    ours = MultiHeadAttention(8, 2)
    ours.load_from_torch(theirs)
    words = positions()
    for mine, reference in zip(ours(words), theirs(words, words, words, average_attn_weights=False), strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-5)


def test_one_head_by_hand():
    net = MultiHeadAttention(3, 1, qk_dim=2, value_dim=4)
    (words,) = positions(1, 5, 3)
    rows = []
    for word in words:
        query = net.to_query(word)
        scores = [math.exp((query @ net.to_key(other)).item() / math.sqrt(2)) for other in words]
        rows.append([score / sum(scores) for score in scores])
    expected = torch.tensor(rows)
    output, weights = net(words[None])
    torch.testing.assert_close(weights[0, 0], expected)
    torch.testing.assert_close(output[0], net.to_output(expected @ net.to_value(words)))


def test_the_core_agrees_with_torchs_function_mask_included():
    query, key, value = positions(2, 5, 4), positions(2, 6, 4, seed=1), positions(2, 6, 3, seed=2)
    mask = torch.ones(5, 6, dtype=torch.bool).tril()
    output, _ = scaled_dot_product_attention(query, key, value, mask)
    expected = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    torch.testing.assert_close(output, expected)


@pytest.mark.parametrize(("qk_dim", "value_dim"), [(None, None), (4, 12), (16, 2)])
def test_rows_sum_to_one_and_each_axis_is_where_the_signature_says(qk_dim, value_dim):
    net = MultiHeadAttention(8, 2, qk_dim=qk_dim, value_dim=value_dim)
    output, weights = net(positions(3, 5), positions(3, 7, seed=1))
    assert output.shape == (3, 5, 8)
    assert weights.shape == (3, 2, 5, 7)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 5))


def test_permuting_the_words_permutes_the_output():
    net, words = MultiHeadAttention(8, 4), positions()
    order = torch.tensor([3, 0, 4, 1, 2])
    output, weights = net(words)
    permuted_output, permuted_weights = net(words[:, order])
    torch.testing.assert_close(permuted_output, output[:, order])
    torch.testing.assert_close(permuted_weights, weights[..., order, :][..., order])


def test_true_in_the_mask_means_may_look_and_who_may_look_nowhere_gets_zeros():
    net, words = MultiHeadAttention(8, 2), positions().requires_grad_()
    mask = torch.ones(5, 5, dtype=torch.bool)
    mask[1, 3] = False
    mask[4] = False
    output, weights = net(words, mask=mask)
    assert (weights[:, :, 1, 3] == 0).all()
    assert (weights[:, :, 0] > 0).all()
    assert (weights[:, :, 4] == 0).all()
    torch.testing.assert_close(output[:, 4], net.to_output.bias.expand(2, 8))
    output.sum().backward()
    assert words.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(5, 5), (1, 5), (2, 1, 1, 5), (1, 2, 5, 5), (2, 2, 5, 5)])
def test_a_mask_may_be_given_for_all_or_for_each(shape):
    net, words = MultiHeadAttention(8, 2), positions()
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.7
    _, weights = net(words, mask=mask)
    assert torch.equal(weights > 0, mask.expand(2, 2, 5, 5))


def test_two_heads_with_the_same_weights_find_the_same():
    net = MultiHeadAttention(8, 2)
    with torch.no_grad():
        for layer in (net.to_query, net.to_key):
            layer.weight[4:] = layer.weight[:4]
            layer.bias[4:] = layer.bias[:4]
    _, weights = net(positions())
    torch.testing.assert_close(weights[:, 0], weights[:, 1])


def test_nan_in_one_sequence_spoils_no_other():
    net, words = MultiHeadAttention(8, 2), positions()
    clean, _ = net(words)
    words[1, 2, 3] = torch.nan
    spoiled, _ = net(words)
    torch.testing.assert_close(spoiled[0], clean[0])
    assert spoiled[1].isnan().all()


def test_a_sequence_of_one_looks_at_itself():
    _, weights = MultiHeadAttention(8, 2)(positions(time=1))
    assert (weights == 1).all()


def test_it_computes_on_the_device_of_its_weights_and_draws_from_its_own_generator():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    net = MultiHeadAttention(8, 2).to("meta")
    assert torch.equal(torch.get_rng_state(), before)
    mask = torch.ones(5, 5, dtype=torch.bool, device="meta")
    for given_back in net(torch.empty(2, 5, 8, device="meta"), mask=mask):
        assert given_back.device.type == "meta"


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: net(torch.zeros(2, 5, 6)), "position of query has 6 features; this layer takes 8"),
        (lambda net: net(positions(), torch.zeros(2, 5, 6)), "position of key has 6 features; this layer takes 8"),
        (lambda net: net(torch.zeros(2, 0, 8)), r"\(2, 0, 8\), which is no position at all"),
        (lambda net: net(torch.zeros(5, 8)), r"make it a batch of one with query\[None\]"),
        (lambda net: net(positions(), positions(3)), "query is a batch of 2 and key one of 3"),
        (lambda net: net(positions(), positions(), positions(time=4)), "There are 5 keys and 4 values"),
        (lambda net: net(positions(), mask=torch.ones(5, 5)), "of torch.float32; expected True where"),
        (lambda net: net(positions(), mask=torch.ones(4, 5).bool()), r"\(4, 5\); expected .* = \(5, 5\), or .*\(2, 2,"),
        (lambda net: net(positions(), mask=torch.ones(2, 5, 5).bool()), r"has the shape \(2, 5, 5\); expected"),
        (lambda _: MultiHeadAttention(10, 4), "qk_dim is 10, which 4 heads cannot share evenly; .* is 8"),
        (lambda _: MultiHeadAttention(8, 4, value_dim=3), "value_dim is 3, which 4 heads .* is 4"),
        (lambda _: MultiHeadAttention(8, 0), "num_heads is 0; expected"),
        (lambda net: net.load_from_torch(nn.MultiheadAttention(16, 2)), "embed_dim=16; this layer needs 8"),
        (lambda net: net.load_from_torch(nn.MultiheadAttention(8, 4)), "num_heads=4; this layer needs 2"),
        (lambda net: net.load_from_torch(nn.MultiheadAttention(8, 2, kdim=6)), "kdim=6; this layer needs 8"),
        (
            lambda net: net.load_from_torch(nn.MultiheadAttention(8, 2, bias=False)),
            "bias=False; this layer needs True",
        ),
        (
            lambda _: MultiHeadAttention(8, 2, qk_dim=4).load_from_torch(nn.MultiheadAttention(8, 2)),
            "This layer has qk_dim=4; torch's always has its embed_dim there, 8",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_what_would(call, message):
    with pytest.raises(ValueError, match=message):
        call(MultiHeadAttention(8, 2))
