"""Claims, their intervals and their verdicts."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from learnkit.study import compare, stored, study
from learnkit.study.comparison import _verdict, _welch_interval, mean_interval

CASES = 2_000
MARGIN = 0.005


def table_of(narrow: list[float], wide: list[float], seeds: range | None = None) -> pd.DataFrame:
    """A table as from study, with two epochs, the first of which must not count; the wide net may have other seeds."""
    rows = []
    for sizes, values, numbers in (((784, 10), narrow, range(len(narrow))), ((784, 9, 10), wide, seeds)):
        for seed, value in zip(numbers or range(len(values)), values, strict=True):
            rows.append({"sizes": sizes, "activation": None, "seed": seed, "epoch": 1, "accuracy": 0.1})
            rows.append({"sizes": sizes, "activation": None, "seed": seed, "epoch": 2, "accuracy": value})
    return pd.DataFrame(rows)


NARROW, WIDE = {"sizes": (784, 10)}, {"sizes": (784, 9, 10)}


def compared(wide, narrow, claim="higher", margin=MARGIN, seeds=None):
    return compare(table_of(narrow, wide, seeds), WIDE, NARROW, "accuracy", claim, margin)


def test_with_the_same_seeds_the_interval_is_that_of_the_paired_t_test():
    random = np.random.default_rng(0)
    wide, narrow = random.normal(0.9, 0.01, (2, 7))
    result = compared(wide, narrow)
    low, high = stats.ttest_rel(wide, narrow).confidence_interval(0.95)
    assert (result.low, result.high) == pytest.approx((low, high), rel=1e-9)
    assert result.difference == pytest.approx((wide - narrow).mean(), rel=1e-9)
    assert (result.paired, result.seeds) == (True, 7)


def test_with_different_seeds_the_interval_is_that_of_welchs_t_test():
    random = np.random.default_rng(1)
    wide, narrow = random.normal(0.9, 0.01, 6), random.normal(0.9, 0.03, 8)
    result = compared(wide, narrow, seeds=range(100, 106))
    low, high = stats.ttest_ind(wide, narrow, equal_var=False).confidence_interval(0.95)
    assert (result.low, result.high) == pytest.approx((low, high), rel=1e-9)
    assert (result.paired, result.seeds) == (False, 6)
    assert "no seeds in common, at least 6" in str(result)


def test_if_only_some_seeds_are_in_common_only_those_count():
    result = compared([0.9] * 6, [0.8] * 4 + [0.7] * 4, seeds=range(3, 9))
    assert (result.seeds, result.paired) == (5, True)
    assert (result.mean_a, result.mean_b) == pytest.approx((0.9, 0.72))


UP, DOWN, LITTLE, WAVERING = [0.02, 0.03, 0.02, 0.03, 0.02], [-0.02, -0.03] * 3, [0.001, -0.001] * 3, [0.04, -0.03] * 3


@pytest.mark.parametrize(
    ("differences", "higher", "lower", "same"),
    [
        (UP, "holds", "fails", "fails"),
        (DOWN, "fails", "holds", "fails"),
        (LITTLE, "open", "open", "holds"),
        (WAVERING, "open", "open", "open"),
        ([0.002, 0.003] * 3, "holds", "fails", "holds"),  # certainly higher, and certainly by less than matters
        ([0.005, 0.006] * 3, "holds", "fails", "open"),
    ],
)
def test_the_verdict_follows_from_where_the_interval_lies(differences, higher, lower, same):
    narrow = [0.8] * len(differences)
    wide = [0.8 + difference for difference in differences]
    for claim, verdict in (("higher", higher), ("lower", lower), ("same", same)):
        assert compared(wide, narrow, claim).verdict == verdict


def test_a_larger_margin_makes_more_settings_the_same_and_does_not_affect_higher():
    wide, narrow = [0.82, 0.83] * 3, [0.8] * 6
    assert [compared(wide, narrow, "same", margin).verdict for margin in (0.01, 0.025, 0.1)] == [
        "fails",
        "open",
        "holds",
    ]
    assert {compared(wide, narrow, "higher", margin).verdict for margin in (0.01, 0.025, 0.1)} == {"holds"}


def test_without_variation_the_interval_has_no_width():
    result = compared([1.0] * 5, [0.5] * 5)
    assert (result.low, result.high, result.verdict) == (0.5, 0.5, "holds")
    assert compared([1.0] * 5, [0.5] * 5, seeds=range(5, 10)).low == 0.5
    assert compared([0.5] * 5, [0.5] * 5, "same").verdict == "holds"


def share_that_holds(claim: str, shift: float, paired: bool, seeds: int) -> float:
    """The share of 2,000 simulated comparisons in which the claim holds, where one setting is better by `shift`."""
    random = np.random.default_rng(seeds)
    held = 0
    for _ in range(CASES):
        if paired:
            shared = random.normal(0.9, 0.004, seeds)  # the effect of a seed on both settings
            first, second = shared + random.normal([[shift], [0]], 0.002, (2, seeds))
            interval = mean_interval(first - second)
        else:
            first, second = random.normal(0.9 + shift, 0.003, seeds), random.normal(0.9, 0.009, seeds)
            interval = _welch_interval(first, second)
        held += _verdict(claim, *interval, MARGIN) == "holds"
    return held / CASES


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("seeds", [5, 8])
@pytest.mark.parametrize("claim", ["higher", "lower"])
def test_without_a_difference_higher_and_lower_rarely_hold(claim, paired, seeds):
    assert 0.01 < share_that_holds(claim, 0, paired, seeds) <= 0.035


@pytest.mark.parametrize(("paired", "seeds"), [(True, 5), (False, 30)])
@pytest.mark.parametrize("side", [-1, 1])
def test_if_the_difference_equals_the_margin_same_rarely_holds(paired, seeds, side):
    assert 0.01 < share_that_holds("same", side * MARGIN, paired, seeds) <= 0.06


def test_the_report_states_claim_interval_pairing_margin_verdict_and_limits():
    report = repr(compared([0.93, 0.94] * 3, [0.9] * 6, "same"))
    for part in (
        "a           sizes=(784, 9, 10): accuracy 0.9350",
        "b           sizes=(784, 10): accuracy 0.9000",
        "claim       a is the same as b to within 0.005",
        "a − b = +0.0350, 95% interval +0.0293 to +0.0407",
        "paired Student's t, 6 seeds; a seed fixes",
        "margin      0.005: the difference is larger",
        "verdict     fails",
        "not between test images",
    ):
        assert part in report
    assert "margin      0.005" in repr(compared([0.9] * 5, [0.8] * 5, "higher"))


def test_a_study_and_a_stored_table_can_be_compared(few_images):
    grid = {"sizes": [(784, 10), (784, 1, 10)], "learning_rate": [0.1], "activation": [None, "relu"]}
    table = study(grid, range(5), few_images, epochs=3)
    wide, narrow = {"sizes": [784, 10], "activation": None}, {"sizes": (784, 1, 10), "activation": None}
    linear = table[table["activation"].isna()]
    for epoch, metric in ((3, "validation_accuracy"), (1, "train_loss")):
        result = compare(table[table["epoch"] <= epoch], wide, narrow, metric)
        means = linear[linear["epoch"] == epoch].groupby("sizes")[metric].mean()
        assert result.difference == pytest.approx(means[(784, 10)] - means[(784, 1, 10)])
    rest = {"activation": None, "learning_rate": 0.1}
    result = compare(stored("day2_depth"), {"sizes": (784, 128, 10), **rest}, {"sizes": (784, 10), **rest}, "test_loss")
    assert (result.seeds, result.claim, result.verdict) == (5, "higher", "fails")


def test_the_interval_of_a_mean_is_students():
    values = [0.91, 0.93, 0.94, 0.9]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert mean_interval(values) == pytest.approx(expected, rel=1e-9)
    assert np.isnan(mean_interval([0.9])).all()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"claim": "better"}, "no claim called 'better'.*Known: 'higher', 'lower', 'same'"),
        ({"margin": 0}, "margin is 0; expected a number above 0"),
        ({"margin": float("nan")}, "margin is nan"),
        ({"metric": "acuracy"}, "no column called 'acuracy'. Did you mean 'accuracy'"),
        ({"a": {"size": (784, 10)}}, "no parameter of these settings called 'size'. Did you mean 'sizes'"),
        ({"a": {"sizes": (784, 11)}}, r"no run with \{'sizes': \(784, 11\)\}"),
        ({"a": {}}, "more than one run for a seed: these differ in sizes"),
        ({"a": NARROW}, "select the same runs; give two settings that differ"),
    ],
)
def test_an_invalid_comparison_is_rejected(options, message):
    table = table_of([0.9] * 5, [0.8] * 5)
    with pytest.raises(ValueError, match=message):
        compare(**{"table": table, "a": WIDE, "b": NARROW, "metric": "accuracy"} | options)


def test_fewer_than_five_seeds_or_a_failed_run_is_rejected():
    with pytest.raises(ValueError, match="4 seeds in common to compare; at least 5 are needed"):
        compared([0.9] * 4, [0.8] * 5)
    with pytest.raises(ValueError, match="4 seeds to compare"):
        compared([0.9] * 4, [0.8] * 5, seeds=range(10, 14))
    with pytest.raises(ValueError, match=r"no accuracy at the end .* with seeds \[2\].* runs that survived"):
        compared([0.9, 0.9, np.nan, 0.9, 0.9, 0.9], [0.8] * 6)
