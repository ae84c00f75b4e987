"""Nulls and intervals that the measures share.

Tasks are the unit: trials of one task share what is hidden, so differences are averaged over the trials of
a task first, and signs, resamples and intervals are over tasks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
EXACT_SIGNS = 12  # up to so many tasks all 2^N sign patterns are tried


def sign_flip_p(
    differences: ArrayLike, rng: np.random.Generator, *, flips: int = 1999, two_sided: bool = False
) -> float:
    """p value that paired differences are symmetric about 0, by flipping their signs.

    Exact at every size if the differences are exchangeable in sign (Fisher 1935). Differences that are all
    exactly 0 give 1. Misleads where units are not independent: give one difference a task, not one a trial.

    Args:
        differences: one a unit [N].
        rng: source of the flips where there are too many patterns to try them all.
        flips: random patterns.
        two_sided: against any mean, else against a mean above 0.

    Raises:
        ValueError: no differences, or one that is not finite.
    """
    values = np.asarray(differences, dtype=np.float64).reshape(-1)
    if not len(values):
        raise ValueError("sign-flip test of no differences: give at least one")
    if not np.isfinite(values).all():
        raise ValueError("sign-flip test: differences must be finite; leave such units out, and say so")
    if len(values) <= EXACT_SIGNS:
        patterns = np.arange(2 ** len(values))[:, None] >> np.arange(len(values)) & 1
        signs = 1.0 - 2.0 * patterns[1:]
    else:
        signs = rng.choice([-1.0, 1.0], size=(flips, len(values)))
    null, found = signs @ values, values.sum()
    if two_sided:
        null, found = np.abs(null), abs(found)
    tolerance = 1e-12 * np.abs(values).sum()
    return float((1 + (null >= found - tolerance).sum()) / (1 + len(signs)))


def rank_p(found: float, null: ArrayLike, *, two_sided: bool = False) -> float:
    """p value of a statistic among its values under the null [M]: the share that is at least as large.

    Exact if the null values and the statistic are exchangeable (Phipson and Smyth 2010 for the added 1); a
    statistic that equals its whole null gives 1.
    """
    values = np.asarray(null, dtype=np.float64).reshape(-1)
    tolerance = 1e-12 * (1.0 + abs(found))
    above = (1 + int((values >= found - tolerance).sum())) / (1 + len(values))
    if not two_sided:
        return above
    below = (1 + int((values <= found + tolerance).sum())) / (1 + len(values))
    return min(1.0, 2.0 * min(above, below))


def task_interval(
    per_task: ArrayLike, rng: np.random.Generator, *, replicates: int = 2000, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean over tasks [N].

    Too narrow with few tasks (about 92% for a nominal 95% with 20 roughly normal values).
    """
    values = np.asarray(per_task, dtype=np.float64).reshape(-1)
    weights = rng.multinomial(len(values), np.full(len(values), 1.0 / len(values)), size=replicates)
    means = weights @ values / len(values)
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(means, [tail, 100.0 - tail])
    return float(low), float(high)


def jackknife_interval(
    whole: float, left_out: Sequence[float] | Array, *, z: float = 1.959964
) -> tuple[float, float]:
    """Normal interval of a statistic from its values with one task left out each [N] (Efron 1982).

    For statistics that are no mean over tasks, such as entropies of pooled samples.
    """
    values = np.asarray(left_out, dtype=np.float64)
    count = len(values)
    error = math.sqrt((count - 1) / count * float(np.square(values - values.mean()).sum()))
    return whole - z * error, whole + z * error


def holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted for their number (Holm 1979), in the given order; NaNs take no part and stay."""
    known = sorted((p, index) for index, p in enumerate(p_values) if not math.isnan(p))
    adjusted, worst = [math.nan] * len(p_values), 0.0
    for rank, (p, index) in enumerate(known):
        worst = max(worst, min(1.0, (len(known) - rank) * p))
        adjusted[index] = worst
    return adjusted
