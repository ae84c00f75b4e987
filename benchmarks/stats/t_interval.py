"""Intervals for the interquartile mean over seeds from Student's t: what the report prints.

A *stratum* holds the values of one scenario's runs, [R]; a run's value is its mean over the fixed list of
test tasks. The estimate is the IQM over runs, averaged over strata; its standard error is taken from the
plain sample deviation, s / sqrt(R), and the degrees of freedom are Welch's and Satterthwaite's (Welch, "The
generalization of Student's problem when several different population variances are involved", 1947). With one
stratum that is IQM +- t(R - 1) s / sqrt(R).

The tasks take no part in the interval: the test list is fixed and spread evenly, so what is uncertain is the
next seed. `python -m benchmarks.coverage` measures how often these intervals hold the truth beside the
bootstrap's; docs/statistics.md has its table, on which this choice rests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.stats.bootstrap import Interval, interquartile_mean


def iqm_interval(strata: Sequence[ArrayLike], *, confidence: float = 0.95) -> Interval:
    """IQM over runs (mean over strata) with its interval; infinitely wide where a stratum has one run.

    Args:
        strata: Values of the runs, one list [R] for each scenario.
        confidence: Share of intervals that are meant to hold the truth.

    Raises:
        ValueError: No stratum, an empty one, or a value that is not finite.
    """
    return _interval([(values, 1 / len(strata)) for values in map(_checked, strata)], confidence)


def iqm_difference(
    first: Sequence[ArrayLike], second: Sequence[ArrayLike], *, confidence: float = 0.95
) -> Interval:
    """IQM of `first` minus IQM of `second` with its interval; equal seeds of two methods are not paired.

    Args:
        first: Values of the runs, one list [R] for each scenario.
        second: The same scenarios, in the same order.
        confidence: Share of intervals that are meant to hold the truth.
    """
    return _interval(_terms(first, second), confidence)


def difference_p_value(first: Sequence[ArrayLike], second: Sequence[ArrayLike]) -> float:
    """Two-sided p of no difference of `first` and `second`, runs [R] of each scenario; NaN with one run.

    Two constants give 1 where they are equal and 0 where they are not.
    """
    estimate, error, freedom = _moments(_terms(first, second))
    if math.isinf(error):
        return math.nan
    if error == 0:
        return 1.0 if estimate == 0 else 0.0
    return 2 * (1 - t_cdf(abs(estimate) / error, freedom))


@lru_cache(maxsize=4096)
def t_quantile(probability: float, freedom: float) -> float:
    """The `probability` quantile of Student's t, by bisection of its distribution function.

    Raises:
        ValueError: a probability outside of (0, 1), or no degrees of freedom.
    """
    if not 0 < probability < 1 or freedom <= 0:
        raise ValueError(
            f"quantile {probability} of t with {freedom} degrees of freedom: give 0 < probability < 1 and "
            "more than 0 degrees"
        )
    if probability < 0.5:
        return -t_quantile(1 - probability, freedom)
    low, high = 0.0, 1.0
    while t_cdf(high, freedom) < probability:
        low, high = high, 2 * high
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break  # neighbours among the floats
        low, high = (middle, high) if t_cdf(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def t_cdf(value: float, freedom: float) -> float:
    """P(T <= value), f = `freedom`: half the incomplete beta function I_x(f/2, 1/2), x = f / (f + t^2)."""
    tail = 0.5 * _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + value * value))
    return 1 - tail if value > 0 else tail


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b) by its continued fraction (modified Lentz; Abramowitz and Stegun 26.5.8)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)  # the side on which the fraction converges fast
    tiny = 1e-300
    c, d = 1.0, 1 / _nonzero(1 - (a + b) * x / (a + 1), tiny)
    fraction = d
    for m in range(1, 500):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _nonzero(1 + step * d, tiny)
            c = _nonzero(1 + step / c, tiny)
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(front) * fraction / a


def _nonzero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny


def _checked(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"stratum of shape {array.shape}: give the values of its runs, at least one")
    if not np.isfinite(array).all():
        raise ValueError("stratum with values that are not finite: leave those runs out, and say so")
    return array


def _terms(
    first: Sequence[ArrayLike], second: Sequence[ArrayLike]
) -> list[tuple[NDArray[np.float64], float]]:
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} strata: give both methods the same scenarios")
    weight = 1 / len(first) if first else 0.0
    return [(values, weight) for values in map(_checked, first)] + [
        (values, -weight) for values in map(_checked, second)
    ]


def _moments(terms: Sequence[tuple[NDArray[np.float64], float]]) -> tuple[float, float, float]:
    """Estimate, standard error and degrees of freedom of a weighted sum of IQMs."""
    if not terms:
        raise ValueError("no stratum: give at least one scenario")
    estimate = sum(weight * float(interquartile_mean(values)) for values, weight in terms)
    if any(len(values) < 2 for values, _ in terms):
        return estimate, math.inf, 1.0
    parts = [
        (weight**2 * float(values.var(ddof=1)) / len(values), len(values) - 1) for values, weight in terms
    ]
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return estimate, 0.0, float(sum(f for _, f in parts))
    # as shares of the variance, so that a tiny variance does not underflow when it is squared
    freedom = 1 / sum((part / variance) ** 2 / f for part, f in parts)
    return estimate, math.sqrt(variance), freedom


def _interval(terms: Sequence[tuple[NDArray[np.float64], float]], confidence: float) -> Interval:
    estimate, error, freedom = _moments(terms)
    if math.isinf(error):
        return Interval(estimate, -math.inf, math.inf)
    margin = t_quantile(0.5 + confidence / 2, freedom) * error if error else 0.0
    return Interval(estimate, estimate - margin, estimate + margin)
