"""Is one setting better than another, or as good? A claim, an interval over seeds, a verdict."""

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
FEWEST = 5  # seeds of each setting
LEVEL = 0.95


@dataclass(frozen=True)
class Comparison:
    """What `compare` found; printed, it says so in words."""

    metric: str
    a: dict[str, Any]
    b: dict[str, Any]
    claim: Claim
    margin: float
    mean_a: float
    mean_b: float
    low: float  # of the interval of the difference
    high: float
    seeds: int  # of each setting, the fewer of the two
    paired: bool
    verdict: Verdict

    @property
    def difference(self) -> float:
        """How much higher `a` is than `b`, on average."""
        return self.mean_a - self.mean_b

    def __str__(self) -> str:
        a, b = (", ".join(f"{name}={value}" for name, value in side.items()) for side in (self.a, self.b))
        claim = f"the same as b, but for {self.margin:g}" if self.claim == "same" else f"{self.claim} than b"
        if self.paired:
            how = f"{self.seeds} pairs, as a seed fixes the order of the images"
        else:
            how = f"Welch's, as no seed is in common; {self.seeds} or more each"
        return "\n".join(
            [
                f"a         {a}: {self.metric} {self.mean_a:.4f}",
                f"b         {b}: {self.metric} {self.mean_b:.4f}",
                f"claim     a is {claim}",
                f"measured  a − b = {self.difference:+.4f}, 95 % interval {self.low:+.4f} to {self.high:+.4f}",
                f"          (Student's t; {how})",
                f"margin    {self.margin:g}: {self._beside_the_margin()}",
                f"verdict   {self.verdict}",
                "The interval is over seeds; it leaves out that images differ, too.",
            ]
        )

    __repr__ = __str__

    def _beside_the_margin(self) -> str:
        if -self.margin < self.low and self.high < self.margin:
            return "whatever difference there is, it is smaller"
        if self.low > self.margin or self.high < -self.margin:
            return "the difference is larger"
        return "the difference may be smaller or larger"


def compare(
    table: pd.DataFrame,
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    metric: str,
    claim: Claim = "higher",
    margin: float = 0.005,
) -> Comparison:
    """Put a claim to the test: that a metric is higher, lower or the same with setting `a` than with setting `b`.

    What counts is the metric in the last row of each training. The difference of the two means has a 95 % interval by
    Student's t: of the differences seed by seed, if the settings have five seeds or more in common, since two trainings
    of one seed see the images in the same order (and begin with the same weights, as far as their sizes agree), so that
    they are not independent; by Welch's formula, if they have none in common. (A bootstrap would be too narrow by far
    for so few.)

    "Higher" and "lower" hold if the interval lies wholly on their side of 0, and fail if it lies on the other. "Same"
    holds if it lies wholly within the margin (which is the same as two one-sided tests at 2.5 %), and fails if it lies
    wholly outside: a difference that was merely not found proves nothing. What neither holds nor fails is open: more
    seeds may tell.

    Parameters
    ----------
    table
        As `study` returns it, or some of its rows: with those up to epoch 5, the trainings end there.
    a, b
        The settings: of the grid's names as many as it takes to single them out.
    metric
        The column, such as ``"validation_accuracy"``. To choose a setting, take one of validation.
    claim
        ``"higher"``, ``"lower"`` or ``"same"``, of `a` beside `b`.
    margin
        The smallest difference that matters, in the metric's unit. To be chosen before you look.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        For fewer than five seeds, trainings that failed, or settings that are not two in the table.

    References
    ----------
    Welch: The generalization of "Student's" problem when several different population variances are involved,
    Biometrika 34 (1947). Schuirmann: A comparison of the two one-sided tests procedure and the power approach for
    assessing the equivalence of average bioavailability, J. Pharmacokinet. Biopharm. 15 (1987).
    """
    if claim not in get_args(Claim):
        raise unknown("claim", claim, get_args(Claim))
    if isinstance(margin, bool) or not isinstance(margin, Real) or not 0 < margin < math.inf:
        raise ValueError(f"margin is {margin!r}; expected a number above 0: the smallest difference that matters.")
    if metric not in table:
        raise unknown("column", metric, table.columns)
    names = list(table.columns[: table.columns.get_loc("seed")])
    first, second = (_last_rows(table, names, setting, metric) for setting in (a, b))
    if first.equals(second):
        raise ValueError(f"{dict(a)} and {dict(b)} single out the same trainings; there is nothing to compare.")
    first, second = first[metric], second[metric]
    common = first.index.intersection(second.index)
    paired = len(common) > 0
    if paired:
        first, second = first[common], second[common]
    seeds = min(len(first), len(second))
    if seeds < FEWEST:
        shared = "in common " if paired else ""
        raise ValueError(
            f"There are {seeds} seeds {shared}to compare; fewer than {FEWEST} tell little. Add seeds to the study: "
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
    """The 95 % interval, by Student's t, of the mean of which these are a sample; NaN for fewer than two."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return math.nan, math.nan
    return _interval(values.mean(), values.var(ddof=1) / len(values), float(len(values) - 1))


def _welch_interval(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """The same for the difference of two means, whose samples may spread differently."""
    squares = np.array([values.var(ddof=1) / len(values) for values in (first, second)])  # of the standard errors
    freedom = np.array([len(first) - 1, len(second) - 1])
    total = squares.sum()
    return _interval(first.mean() - second.mean(), total, total**2 / (squares**2 / freedom).sum() if total else 1.0)


def _interval(middle: float, square_of_error: float, degrees_of_freedom: float) -> tuple[float, float]:
    half = stdtrit(degrees_of_freedom, (1 + LEVEL) / 2) * math.sqrt(square_of_error)
    return float(middle - half), float(middle + half)


def _verdict(claim: Claim, low: float, high: float, margin: float) -> Verdict:
    if claim == "same":
        holds, fails = -margin < low and high < margin, low > margin or high < -margin
    else:
        holds, fails = (low > 0, high < 0) if claim == "higher" else (high < 0, low > 0)
    return "holds" if holds else "fails" if fails else "open"


def _last_rows(table: pd.DataFrame, names: list[str], setting: Mapping[str, Any], metric: str) -> pd.DataFrame:
    """Each training's last row, by seed, of the one setting that is meant."""
    chosen = np.ones(len(table), dtype=bool)
    for name, value in setting.items():
        if name not in names:
            raise unknown("parameter of these settings", name, names)
        chosen &= [_same(cell, value) for cell in table[name]]
    rows = table[chosen].sort_values("epoch", kind="stable")
    if rows.empty:
        raise ValueError(f"The table has no training with {dict(setting)}.")
    last = rows.drop_duplicates("seed", keep="last").set_index("seed")
    varying = [name for name in names if rows[name].map(str).nunique() > 1]
    if varying or rows.duplicated(["seed", "epoch"]).any():
        which = f"they differ in {', '.join(varying)}" if varying else "some stand there twice"
        raise ValueError(f"{dict(setting)} singles out more than one training for a seed: {which}.")
    if last[metric].isna().any():
        bad = last.index[last[metric].isna()].tolist()
        raise ValueError(
            f"With {dict(setting)} there is no {metric} at the end of the trainings with seed {bad}: they failed (see "
            "the column 'error'), or the table was cut before their end. Without them it would be a comparison of "
            "those that survived."
        )
    return last.sort_index()


def _same(cell: object, value: object) -> bool:
    """Whether a cell holds a setting's value: in a table that was a file, sizes are text and None is NaN."""
    if value is None:
        return bool(pd.isna(cell)) if np.isscalar(cell) or cell is None else False
    return bool(cell == value) or str(cell) == str(tuple(value) if isinstance(value, list) else value)
