"""Is one setting better than another, or equivalent? A claim, an interval over seeds, a verdict."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from learnkit.errors import unknown

Claim = Literal["higher", "lower", "same"]
Verdict = Literal["holds", "fails", "open"]
MIN_SEEDS = 5  # for each setting
CONFIDENCE = 0.95

REPORT = """\
a           {a}: {metric} {mean_a:.4f}
b           {b}: {metric} {mean_b:.4f}
claim       {claim}
difference  a − b = {difference:+.4f}, 95% interval {low:+.4f} to {high:+.4f}
            ({method})
margin      {margin:g}: {size}
verdict     {verdict}
The interval covers variation between seeds, not between test images."""
CLAIMS = {
    "higher": "a is higher than b",
    "lower": "a is lower than b",
    "same": "a is the same as b to within {margin:g}",
}
PAIRED = "paired Student's t, {seeds} seeds; a seed fixes the order of the images"
WELCH = "Welch's t, no seeds in common, at least {seeds} for each setting"
SMALLER = "any difference is smaller"
LARGER = "the difference is larger"
UNDECIDED = "the difference may be smaller or larger"


@dataclass(frozen=True)
class Comparison:
    """The result of `compare`; printing it gives a report in words."""

    metric: str
    a: dict[str, Any]
    b: dict[str, Any]
    claim: Claim
    margin: float
    mean_a: float
    mean_b: float
    low: float  # end of the interval for the difference
    high: float
    seeds: int  # for each setting; if the counts differ, the smaller
    paired: bool
    verdict: Verdict

    @property
    def difference(self) -> float:
        """The mean of `a` minus the mean of `b`."""
        return self.mean_a - self.mean_b

    def __str__(self) -> str:
        a, b = (", ".join(f"{name}={value}" for name, value in side.items()) for side in (self.a, self.b))
        texts = {"claim": CLAIMS[self.claim], "method": PAIRED if self.paired else WELCH, "size": self._size()}
        texts = {name: text.format(**vars(self)) for name, text in texts.items()}
        return REPORT.format(**vars(self) | texts | {"a": a, "b": b, "difference": self.difference})

    __repr__ = __str__

    def _size(self) -> str:
        """The size of the difference relative to the margin."""
        if -self.margin < self.low and self.high < self.margin:
            return SMALLER
        return LARGER if self.low > self.margin or self.high < -self.margin else UNDECIDED


def compare(
    table: pd.DataFrame,
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    metric: str,
    claim: Claim = "higher",
    margin: float = 0.005,
) -> Comparison:
    """Test the claim that a metric is higher, lower or the same with setting `a` than with setting `b`.

    What counts is the metric in the last row of each run. The difference of the two means is given a 95% confidence
    interval by Student's t. If the settings have seeds in common, it is the interval of the paired differences: two
    runs with the same seed see the images in the same order, and start from the same weights where their sizes agree,
    so they are not independent. If they have no seed in common, Welch's formula is used. (With so few seeds, a
    bootstrap interval would be far too narrow.)

    "Higher" and "lower" hold if the whole interval lies on their side of 0, and fail if it lies on the other side.
    "Same" holds if the whole interval lies within the margin, which is equivalent to two one-sided tests at 2.5%, and
    fails if it lies wholly outside: failing to find a difference proves nothing. A claim that neither holds nor fails
    is open: more seeds may decide it.

    Parameters
    ----------
    table
        As `study` returns it, or a selection of its rows. With the rows up to epoch 5, each run ends there.
    a, b
        The two settings: as many of the grid's parameters as it takes to identify each of them.
    metric
        The column, such as ``"validation_accuracy"``. To choose a setting, use a validation metric.
    claim
        ``"higher"``, ``"lower"`` or ``"same"``: what `a` is, compared with `b`.
    margin
        The smallest difference that matters, in the metric's unit. Choose it before you look at the results.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If there are fewer than five seeds, if a run failed, or if `a` and `b` do not identify two settings.

    References
    ----------
    Welch: The generalization of "Student's" problem when several different population variances are involved,
    Biometrika 34 (1947). Schuirmann: A comparison of the two one-sided tests procedure and the power approach for
    assessing the equivalence of average bioavailability, J. Pharmacokinet. Biopharm. 15 (1987).
    """
    if claim not in get_args(Claim):
        raise unknown("claim", claim, get_args(Claim))
    if isinstance(margin, bool) or not isinstance(margin, float | Real) or not 0 < margin < math.inf:
        raise ValueError(f"margin is {margin!r}; expected a number above 0: the smallest difference that matters.")
    if metric not in table:
        raise unknown("column", metric, table.columns)
    names = list(table.columns[: table.columns.get_loc("seed")])
    first, second = (_last_rows(table, names, setting, metric) for setting in (a, b))
    if first.equals(second):
        raise ValueError(f"{dict(a)} and {dict(b)} select the same runs; give two settings that differ.")
    first, second = first[metric], second[metric]
    common = first.index.intersection(second.index)
    paired = len(common) > 0
    if paired:
        first, second = first[common], second[common]
    seeds = min(len(first), len(second))
    if seeds < MIN_SEEDS:
        shared = "in common " if paired else ""
        raise ValueError(
            f"There are {seeds} seeds {shared}to compare; at least {MIN_SEEDS} are needed. Add seeds to the study: "
            "with a path, only the new ones are trained."
        )
    first, second = first.to_numpy(float), second.to_numpy(float)
    low, high = mean_interval(first - second) if paired else _welch_interval(first, second)
    return Comparison(
        metric,
        dict(a),
        dict(b),
        claim,
        float(margin),
        mean_a=float(first.mean()),
        mean_b=float(second.mean()),
        low=low,
        high=high,
        seeds=seeds,
        paired=paired,
        verdict=_verdict(claim, low, high, margin),
    )


def mean_interval(values: Sequence[float] | np.ndarray | pd.Series) -> tuple[float, float]:
    """The 95% confidence interval, by Student's t, for the mean of a sample; NaN for fewer than two values."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return math.nan, math.nan
    return _interval(values.mean(), values.var(ddof=1) / len(values), float(len(values) - 1))


def _welch_interval(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """The same for the difference of two means, without assuming equal variances."""
    squared_errors = np.array([values.var(ddof=1) / len(values) for values in (first, second)])
    total = squared_errors.sum()
    df = total**2 / (squared_errors**2 / [len(first) - 1, len(second) - 1]).sum() if total else 1.0
    return _interval(first.mean() - second.mean(), total, df)


def _interval(mean: float, squared_error: float, df: float) -> tuple[float, float]:
    half_width = stdtrit(df, (1 + CONFIDENCE) / 2) * math.sqrt(squared_error)
    return float(mean - half_width), float(mean + half_width)


def _verdict(claim: Claim, low: float, high: float, margin: float) -> Verdict:
    if claim == "same":
        holds, fails = -margin < low and high < margin, low > margin or high < -margin
    else:
        holds, fails = (low > 0, high < 0) if claim == "higher" else (high < 0, low > 0)
    return "holds" if holds else "fails" if fails else "open"


def _last_rows(table: pd.DataFrame, names: list[str], setting: Mapping[str, Any], metric: str) -> pd.DataFrame:
    """The last row of each run of one setting, indexed by seed."""
    chosen = np.ones(len(table), dtype=bool)
    for name, value in setting.items():
        if name not in names:
            raise unknown("parameter of these settings", name, names)
        chosen &= [_same(cell, value) for cell in table[name]]
    rows = table[chosen].sort_values("epoch", kind="stable")
    if rows.empty:
        raise ValueError(f"The table has no run with {dict(setting)}.")
    last = rows.drop_duplicates("seed", keep="last").set_index("seed")
    varying = [name for name in names if rows[name].map(str).nunique() > 1]
    if varying or rows.duplicated(["seed", "epoch"]).any():
        why = f"these differ in {', '.join(varying)}" if varying else "some rows occur twice"
        raise ValueError(f"{dict(setting)} selects more than one run for a seed: {why}.")
    if last[metric].isna().any():
        bad = last.index[last[metric].isna()].tolist()
        raise ValueError(
            f"With {dict(setting)} there is no {metric} at the end of the runs with seeds {bad}: they failed (see the "
            "column 'error'), or the table was cut before their last epoch. Leaving them out would compare only the "
            "runs that survived."
        )
    return last.sort_index()


def _same(cell: object, value: object) -> bool:
    """Whether a cell holds a setting's value. In a table read from a file, sizes are text and None is NaN."""
    if value is None:
        return bool(pd.isna(cell)) if np.isscalar(cell) or cell is None else False
    return bool(cell == value) or str(cell) == str(tuple(value) if isinstance(value, list) else value)
