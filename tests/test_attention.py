import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from learnkit.models import MultiHeadAttention, causal_mask, padding_mask, scaled_dot_product_attention


def positions(batch: int = 2, time: int = 5, features: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, time, features, generator=torch.Generator().manual_seed(seed))


def some_mask(*shape: int, seed: int = 0) -> torch.Tensor:
    """About half of it True, and at least one key in each row."""
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    mask[..., 0] = True  # torch's layer gives NaN where a query may attend to no key
    return mask


def gradients(outputs: list[torch.Tensor], inputs: list[torch.Tensor], net: nn.Module) -> dict[str, torch.Tensor]:
    """Of a weighted sum of all outputs, with random weights, by inputs and parameters."""
    generator = torch.Generator().manual_seed(1)
    total = sum((output * torch.randn(output.shape, generator=generator)).sum() for output in outputs)
    named = {f"input {number}": tensor for number, tensor in enumerate(inputs)} | dict(net.named_parameters())
    return dict(zip(named, torch.autograd.grad(total, list(named.values())), strict=True))


def close(ours, theirs):
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-5)


@given(
    batch=st.integers(1, 3),
    queries=st.integers(1, 6),
    keys=st.integers(1, 6),
    heads=st.sampled_from([1, 2, 4]),
    bias=st.booleans(),
    masked=st.booleans(),
    cross=st.booleans(),
    need_weights=st.booleans(),
    seed=st.integers(0, 999),
)
def test_output_weights_and_gradients_equal_those_of_torchs_layer(
    batch, queries, keys, heads, bias, masked, cross, need_weights, seed
):
    torch.manual_seed(seed)
    theirs = nn.MultiheadAttention(8, heads, bias=bias, batch_first=True)
    if bias:  # torch's biases are zero at first, which would hide a mix-up
        nn.init.normal_(theirs.in_proj_bias)
        nn.init.normal_(theirs.out_proj.bias)
    ours = MultiHeadAttention(8, heads, bias=bias)
    ours.load_from_torch(theirs)
    query = torch.randn(batch, queries, 8, requires_grad=True)
    if cross:
        key, value = (torch.randn(batch, keys, 8, requires_grad=True) for _ in range(2))
        mine, inputs = (query, key, value), [query, key, value]
    else:
        keys, key, value = queries, query, query
        mine, inputs = (query,), [query]
    mask = some_mask(queries, keys, seed=seed) if masked else None
    blocked = None if mask is None else ~mask
    expected = theirs(query, key, value, need_weights=need_weights, attn_mask=blocked, average_attn_weights=False)
    found = ours(*mine, mask=mask, need_weights=need_weights)
    if not need_weights:
        assert found[1] is expected[1] is None
        found, expected = found[:1], expected[:1]
    close(found, expected)
    mine = gradients(found, inputs, ours)
    reference = gradients(expected, inputs, theirs)
    for kind in ("weight", "bias") if bias else ("weight",):  # torch has one parameter for query, key and value
        mine[f"in_proj_{kind}"] = torch.cat([mine.pop(f"to_{part}.{kind}") for part in ("query", "key", "value")])
        mine[f"out_proj.{kind}"] = mine.pop(f"to_output.{kind}")
    assert set(mine) == set(reference)
    close([mine[name] for name in reference], reference.values())


@given(
    batch=st.integers(1, 2),
    queries=st.integers(1, 5),
    keys=st.integers(1, 5),
    masked=st.booleans(),
    d=st.integers(1, 4),
)
def test_output_and_gradients_equal_those_of_torchs_function(batch, queries, keys, masked, d):
    inputs = [positions(batch, queries, d), positions(batch, keys, d, seed=1), positions(batch, keys, 3, seed=2)]
    inputs = [tensor.requires_grad_() for tensor in inputs]
    mask = some_mask(batch, queries, keys, seed=keys) if masked else None
    output, _ = scaled_dot_product_attention(*inputs, mask)
    expected = functional.scaled_dot_product_attention(*inputs, attn_mask=mask)
    mine, reference = (gradients([of], inputs, nn.Identity()).values() for of in (output, expected))
    close([output, *mine], [expected, *reference])


def test_one_head_equals_the_formula_computed_by_hand():
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


@pytest.mark.parametrize(("qk_dim", "value_dim"), [(None, None), (4, 12), (16, 2)])
def test_rows_sum_to_one_and_the_axes_are_those_of_the_signature(qk_dim, value_dim):
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


@pytest.mark.parametrize("need_weights", [True, False])
def test_true_in_the_mask_allows_attention_and_a_query_without_keys_gets_weights_of_zero(need_weights):
    net, words = MultiHeadAttention(8, 2), positions().requires_grad_()
    mask = torch.ones(5, 5, dtype=torch.bool)
    mask[1, 3] = False
    mask[4] = False
    output, weights = net(words, mask=mask, need_weights=need_weights)
    if need_weights:
        assert (weights[:, :, 1, 3] == 0).all()
        assert (weights[:, :, 0] > 0).all()
        assert (weights[:, :, 4] == 0).all()
    torch.testing.assert_close(output[:, 4], net.to_output.bias.expand(2, 8))
    (with_word_3,) = torch.autograd.grad(output[:, 1].sum(), words, retain_graph=True)
    assert (with_word_3[:, 3] == 0).all()
    output.sum().backward()
    for tensor in (words, *net.parameters()):
        assert tensor.grad.isfinite().all()


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_mask_that_is_false_everywhere_leaves_only_the_bias(need_weights):
    net = MultiHeadAttention(8, 2)
    output, weights = net(positions(), mask=torch.zeros(5, 5, dtype=torch.bool), need_weights=need_weights)
    torch.testing.assert_close(output, net.to_output.bias.expand(2, 5, 8))
    assert weights is None or (weights == 0).all()


def test_with_the_causal_mask_each_position_attends_to_itself_and_those_before_it():
    assert causal_mask(3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    net, words = MultiHeadAttention(8, 2), positions()
    before, weights = net(words, mask=causal_mask(5))
    assert (weights > 0).equal(causal_mask(5).expand(2, 2, 5, 5))
    words[:, 3] += 1  # a later position does not change earlier outputs
    after, _ = net(words, mask=causal_mask(5))
    torch.testing.assert_close(after[:, :3], before[:, :3])
    assert not torch.isclose(after[:, 3:], before[:, 3:]).all(-1).any()


def test_padding_changes_nothing():
    net, words = MultiHeadAttention(8, 2), positions(3, 5)
    output, weights = net(words, mask=padding_mask(torch.tensor([5, 2, 0]), 5))
    short, short_weights = net(words[1:2, :2])
    torch.testing.assert_close(output[1:2, :2], short)
    torch.testing.assert_close(weights[1:2, :, :2, :2], short_weights)
    assert (weights[1, :, :, 2:] == 0).all()
    assert (weights[2] == 0).all()  # an empty sequence
    both = padding_mask(torch.tensor([5, 2, 0]), 5) & causal_mask(5)
    assert (net(words, mask=both)[1][0] > 0).equal(causal_mask(5).expand(2, 5, 5))


@pytest.mark.parametrize("shape", [(5, 5), (1, 5), (2, 1, 1, 5), (1, 2, 5, 5), (2, 2, 5, 5)])
def test_a_mask_may_differ_between_sequences_and_heads_or_be_the_same_for_all(shape):
    net, words = MultiHeadAttention(8, 2), positions()
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.7
    _, weights = net(words, mask=mask)
    assert torch.equal(weights > 0, mask.expand(2, 2, 5, 5))


def test_two_heads_with_the_same_parameters_have_the_same_weights():
    net = MultiHeadAttention(8, 2)
    with torch.no_grad():
        for layer in (net.to_query, net.to_key):
            layer.weight[4:] = layer.weight[:4]
            layer.bias[4:] = layer.bias[:4]
    _, weights = net(positions())
    torch.testing.assert_close(weights[:, 0], weights[:, 1])


@pytest.mark.parametrize("spoiler", [torch.nan, torch.inf])
@pytest.mark.parametrize("need_weights", [True, False])
def test_nan_or_infinity_in_one_sequence_does_not_affect_another(spoiler, need_weights):
    net, words = MultiHeadAttention(8, 2), positions()
    clean, _ = net(words, need_weights=need_weights)
    words[1, 2, 3] = spoiler
    spoiled, _ = net(words, need_weights=need_weights)
    torch.testing.assert_close(spoiled[0], clean[0])
    assert spoiled[1].isnan().all()


def test_a_sequence_of_one_position_attends_to_itself():
    _, weights = MultiHeadAttention(8, 2)(positions(time=1))
    assert (weights == 1).all()


def test_it_computes_on_the_device_of_its_weights_and_has_its_own_generator():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    net = MultiHeadAttention(8, 2).to("meta")
    assert torch.equal(torch.get_rng_state(), before)
    for result in net(torch.empty(2, 5, 8, device="meta")):
        assert result.device.type == "meta"
    assert causal_mask(5, device="meta").device.type == "meta"


@pytest.mark.parametrize("need_weights", [True, False])
def test_bfloat16_stays_bfloat16_with_a_mask_too(need_weights):
    net = MultiHeadAttention(8, 2).bfloat16()
    output, weights = net(positions().bfloat16(), mask=causal_mask(5), need_weights=need_weights)
    assert output.dtype == torch.bfloat16
    assert weights is None or weights.dtype == torch.bfloat16


def test_a_generator_may_be_passed_as_the_seed_and_is_advanced():
    generator = torch.Generator().manual_seed(3)
    first, second = MultiHeadAttention(8, 2, seed=generator), MultiHeadAttention(8, 2, seed=generator)
    assert torch.equal(first.to_query.weight, MultiHeadAttention(8, 2, seed=3).to_query.weight)
    assert not torch.equal(first.to_query.weight, second.to_query.weight)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: net(torch.zeros(2, 5, 6)), "position of query has 6 features; this layer expects 8"),
        (lambda net: net(positions(), torch.zeros(2, 5, 6)), "position of key has 6 features; this layer expects 8"),
        (lambda net: net(torch.zeros(2, 0, 8)), r"\(2, 0, 8\), which has no positions"),
        (lambda net: net(torch.zeros(5, 8)), r"make it a batch of one with query\[None\]"),
        (lambda net: net(positions(), positions(3)), "query is a batch of 2 and key of 3; expected equally many"),
        (lambda net: net(positions(), positions(), positions(time=4)), "There are 5 keys and 4 values"),
        (lambda net: net(positions(), mask=torch.ones(5, 5)), "dtype torch.float32; expected torch.bool, True where"),
        (
            lambda _: scaled_dot_product_attention(*3 * [positions()], torch.ones(5, 5).int()),
            r"dtype torch.int32; .*pass mask.bool\(\)",
        ),
        (lambda net: net(positions(), mask=torch.ones(4, 5).bool()), r"\(4, 5\); expected .* = \(5, 5\), or .*\(2, 2,"),
        (lambda net: net(positions(), mask=torch.ones(2, 5, 5).bool()), r"has the shape \(2, 5, 5\); expected"),
        (lambda net: net(positions(), mask=torch.ones(2, 5, 5).bool()), r"pass mask\[:, None\]\."),
        (lambda net: net(positions(), mask=torch.ones(2, 5).bool()), r"pass mask\[:, None, None\]\."),
        (lambda _: causal_mask(0), "length is 0; expected a whole number, 1 or more"),
        (lambda _: padding_mask(torch.tensor([2, 6]), 5), r"lengths are \[2, 6\]; expected 0 to 5"),
        (lambda _: padding_mask(torch.tensor([-1]), 5), r"lengths are \[-1\]; expected 0 to 5"),
        (lambda _: MultiHeadAttention(10, 4), "embed_dim is 10, which is not divisible by num_heads=4; .*: 8 and 12"),
        (
            lambda _: MultiHeadAttention(8, 4, qk_dim=9),
            "qk_dim is 9, which is not divisible by num_heads=4; .*: 8 and 12",
        ),
        (
            lambda _: MultiHeadAttention(8, 4, value_dim=3),
            r"value_dim is 3, which is not divisible by num_heads=4; .*: 4\.",
        ),
        (lambda _: MultiHeadAttention(8, 0), "num_heads is 0; expected"),
        (lambda net: net.load_from_torch(nn.MultiheadAttention(16, 2)), "embed_dim=16; expected 8"),
        (lambda net: net.load_from_torch(nn.MultiheadAttention(8, 4)), "num_heads=4; expected 2"),
        (lambda net: net.load_from_torch(nn.MultiheadAttention(8, 2, kdim=6)), "kdim=6; expected 8"),
        (
            lambda net: net.load_from_torch(nn.MultiheadAttention(8, 2, bias=False)),
            "bias=False; expected True",
        ),
        (
            lambda _: MultiHeadAttention(8, 2, qk_dim=4).load_from_torch(nn.MultiheadAttention(8, 2)),
            "This layer has qk_dim=4; in torch it always equals embed_dim, 8",
        ),
    ],
)
def test_invalid_arguments_raise_an_error_that_says_what_is_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call(MultiHeadAttention(8, 2))
