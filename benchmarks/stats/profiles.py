"""Performance profiles: the share of runs whose score is above a threshold, for every threshold.

A profile shows the whole distribution where a mean shows a point: two methods whose profiles cross are not
ordered. (Dolan and More 2002; Agarwal et al. 2021, section 4.3: `run-score distributions`.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.stats.bootstrap import run_weights


@dataclass(frozen=True)
class Profile:
    """Share of runs above each threshold.

    Attributes:
        thresholds: scores [T].
        share: of the runs above each [T].
        low, high: pointwise bounds of the share [T].
    """

    thresholds: NDArray[np.float64]
    share: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def performance_profile(
    strata: Sequence[ArrayLike],
    thresholds: ArrayLike,
    rng: np.random.Generator,
    *,
    replicates: int = 1000,
    confidence: float = 0.95,
) -> Profile:
    """The profile over runs (mean over strata) with pointwise percentile bootstrap bounds.

    Args:
        strata: Scores of the runs, one list [R] for each scenario.
        thresholds: Scores at which the share is taken.
        rng: Source of the draws.
        replicates: Number of bootstrap samples.
        confidence: Share of the samples inside the bounds.
    """
    taus = np.asarray(thresholds, dtype=np.float64)
    arrays = [np.asarray(values, dtype=np.float64) for values in strata]
    above = [values[:, None] > taus for values in arrays]  # [R, T]
    share = np.mean([runs.mean(axis=0) for runs in above], axis=0)
    samples = np.mean([run_weights(len(runs), replicates, rng) @ runs for runs in above], axis=0)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(samples, [tail, 100 - tail], axis=0)
    return Profile(taus, share, low, high)
