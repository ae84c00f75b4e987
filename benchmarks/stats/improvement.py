"""Probability of improvement: how often a run of one method beats another's; and the optimality gap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.stats.bootstrap import Interval, percentile_interval, run_weights


def probability_of_improvement(first: Sequence[ArrayLike], second: Sequence[ArrayLike]) -> float:
    """P(run of `first` > run of `second`), ties counting half, mean over strata (Agarwal et al. 2021).

    In a stratum it is Mann and Whitney's U divided by the number of pairs.

    Args:
        first: Scores of the runs, one list [R] for each scenario.
        second: The same scenarios, in the same order.

    Raises:
        ValueError: other numbers of scenarios, or none.
    """
    if len(first) != len(second) or not first:
        raise ValueError(f"{len(first)} and {len(second)} strata: give both methods the same scenarios")
    return float(np.mean([_wins(a, b).mean() for a, b in zip(first, second, strict=True)]))


def improvement_interval(
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    rng: np.random.Generator,
    *,
    replicates: int = 1000,
    confidence: float = 0.95,
) -> Interval:
    """The probability of improvement with its percentile bootstrap interval over runs.

    Args:
        first: Scores of the runs, one list [R] for each scenario.
        second: The same scenarios, in the same order.
        rng: Source of the draws.
        replicates: Number of bootstrap samples.
        confidence: Share of the samples inside the interval.
    """
    samples = []
    for a, b in zip(first, second, strict=True):
        wins = _wins(a, b)
        ours, theirs = (run_weights(count, replicates, rng) for count in wins.shape)
        samples.append(((ours @ wins) * theirs).sum(axis=1))
    return percentile_interval(
        probability_of_improvement(first, second), np.mean(samples, axis=0), confidence
    )


def optimality_gap(strata: Sequence[ArrayLike], target: float = 1.0) -> float:
    """Mean shortfall of the runs below `target`, from scores [R] of each stratum, mean over strata.

    A run above the target makes up for no other.
    """
    return float(np.mean([np.maximum(target - np.asarray(values), 0.0).mean() for values in strata]))


def _wins(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """1 where a run of the first is larger than one of the second, 1/2 at ties: [R1, R2]."""
    gaps = np.asarray(first, dtype=np.float64)[:, None] - np.asarray(second, dtype=np.float64)
    return np.asarray((gaps > 0) + 0.5 * (gaps == 0))
