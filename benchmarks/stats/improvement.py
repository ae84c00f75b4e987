"""Probability of improvement: how often a run of one method beats another's; and the optimality gap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.stats.bootstrap import Interval, percentile_interval, resampled_runs


def probability_of_improvement(first: Sequence[ArrayLike], second: Sequence[ArrayLike]) -> float:
    """P(run of `first` > run of `second`), ties counting half, mean over strata (Agarwal et al. 2021).

    In a stratum it is Mann and Whitney's U divided by the number of pairs.

    Args:
        first: Scores of the runs, one list [R] for each scenario.
        second: The same scenarios, in the same order.
    """
    if len(first) != len(second) or not first:
        raise ValueError(f"{len(first)} and {len(second)} strata: give both methods the same scenarios")
    shares = [
        float(_share(np.asarray(a, dtype=np.float64)[None], np.asarray(b, dtype=np.float64)[None])[0])
        for a, b in zip(first, second, strict=True)
    ]
    return float(np.mean(shares))


def improvement_interval(
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    rng: np.random.Generator,
    *,
    replicates: int = 1000,
    confidence: float = 0.95,
) -> Interval:
    """The probability of improvement with its percentile bootstrap interval over runs."""
    samples = [
        _share(
            resampled_runs(np.asarray(a, dtype=np.float64), replicates, rng),
            resampled_runs(np.asarray(b, dtype=np.float64), replicates, rng),
        )
        for a, b in zip(first, second, strict=True)
    ]
    return percentile_interval(
        probability_of_improvement(first, second), np.mean(samples, axis=0), confidence
    )


def optimality_gap(strata: Sequence[ArrayLike], target: float = 1.0) -> float:
    """Mean shortfall of the runs below `target`, mean over strata; a run above it makes up for no other."""
    return float(np.mean([np.maximum(target - np.asarray(values), 0.0).mean() for values in strata]))


def _share(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of pairs in which the first is larger, ties half: [S, R1], [S, R2] -> [S]."""
    gaps = first[:, :, None] - second[:, None, :]
    return np.asarray(((gaps > 0) + 0.5 * (gaps == 0)).mean(axis=(1, 2)))
