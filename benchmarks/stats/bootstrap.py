"""Interquartile mean and bootstrap intervals over seeds and tasks, stratified by scenario.

A *stratum* is one scenario's array [R runs, N tasks]. A run's value is its mean over tasks; a stratum's is
the interquartile mean (IQM) over runs; the value of several strata is the mean over them, so that a scenario
with more seeds does not count for more. (Agarwal et al., "Deep Reinforcement Learning at the Edge of the
Statistical Precipice", 2021, pool the runs of all tasks instead, which needs equally many runs everywhere.)

An interval is a percentile interval over runs that are drawn with replacement within each stratum and, with
`sampled_tasks`, over tasks too, crossed with the runs: that is for lists that are random samples. With few
runs it is too narrow (docs/statistics.md has the measured coverage), which is why the report prints the
intervals of `benchmarks.stats.t_interval` and these beside them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval; with one run the ends are infinite: nothing is known of the next.

    Attributes:
        estimate: the value.
        low, high: ends of its interval, in the same unit.
    """

    estimate: float
    low: float
    high: float

    def contains(self, value: float) -> bool:
        """Whether `value` is inside the interval, ends included."""
        return self.low <= value <= self.high

    @property
    def bounded(self) -> bool:
        """Whether both ends are finite."""
        return math.isfinite(self.low) and math.isfinite(self.high)


def interquartile_mean(values: ArrayLike, axis: int | None = None) -> Array:
    """Mean of the middle half of values [n] or [..., n, ...], along `axis` or over all.

    floor(n/4) values are dropped at either end; below 4 it is the plain mean.

    Raises:
        ValueError: no values.
    """
    ordered = np.asarray(values, dtype=np.float64)
    if axis is None:
        ordered, axis = ordered.reshape(-1), 0
    n = ordered.shape[axis]
    if n == 0:
        raise ValueError("interquartile mean of no values: give at least one")
    ordered = np.moveaxis(np.sort(ordered, axis=axis), axis, 0)
    cut = n // 4
    return np.asarray(ordered[cut : n - cut].mean(axis=0))


def bootstrap_interval(
    strata: Sequence[ArrayLike],
    rng: np.random.Generator,
    *,
    sampled_tasks: bool = True,
    replicates: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """The IQM over runs (mean over strata) with its bootstrap interval.

    Args:
        strata: One array [runs, tasks] for each scenario.
        rng: Source of the draws; the same state gives the same interval.
        sampled_tasks: The tasks are a random sample, and the interval is to cover other tasks as well; else
            the list is fixed, and an interval of one run is infinitely wide.
        replicates: Number of bootstrap samples.
        confidence: Share of the samples inside the interval.
    """
    arrays = [_checked(values) for values in strata]
    weights = [_task_weights(values.shape[1], replicates, rng, sampled_tasks) for values in arrays]
    if not sampled_tasks and min(map(len, arrays)) < 2:
        return Interval(_value(arrays), -math.inf, math.inf)
    return percentile_interval(_value(arrays), _resampled(arrays, weights, rng), confidence)


def bootstrap_difference(
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    rng: np.random.Generator,
    *,
    sampled_tasks: bool = True,
    same_tasks: bool = True,
    replicates: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Value of `first` minus value of `second`, with its bootstrap interval.

    Args:
        first: One array [runs, tasks] for each scenario.
        second: The same scenarios, in the same order.
        rng: Source of the draws.
        sampled_tasks: The tasks are a random sample, and the interval is to cover other tasks as well; else
            the list is fixed, and an interval of one run is infinitely wide.
        same_tasks: Both were judged on the same task lists, so that each sample has the same tasks in both.
            Runs are always drawn independently: equal seeds of two methods share nothing.
        replicates: Number of bootstrap samples.
        confidence: Share of the samples inside the interval.

    Raises:
        ValueError: other scenarios or, under `same_tasks`, other numbers of tasks.
    """
    firsts, seconds = [_checked(values) for values in first], [_checked(values) for values in second]
    if len(firsts) != len(seconds):
        raise ValueError(f"{len(firsts)} and {len(seconds)} strata: give both methods the same scenarios")
    ours = [_task_weights(values.shape[1], replicates, rng, sampled_tasks) for values in firsts]
    if same_tasks:
        for a, b in zip(firsts, seconds, strict=True):
            if a.shape[1] != b.shape[1]:
                raise ValueError(
                    f"{a.shape[1]} and {b.shape[1]} tasks: give the same tasks, or same_tasks=False"
                )
        theirs = ours
    else:
        theirs = [_task_weights(values.shape[1], replicates, rng, sampled_tasks) for values in seconds]
    if not sampled_tasks and min(map(len, [*firsts, *seconds])) < 2:
        return Interval(_value(firsts) - _value(seconds), -math.inf, math.inf)
    samples = _resampled(firsts, ours, rng) - _resampled(seconds, theirs, rng)
    return percentile_interval(_value(firsts) - _value(seconds), samples, confidence)


def run_weights(runs: int, replicates: int, rng: np.random.Generator) -> Array:
    """How often `rng` draws each of `runs` runs, as weights that sum to 1: [replicates, runs].

    A statistic that is a mean over runs has as its bootstrap samples these weights times the runs' values.

    Raises:
        ValueError: no runs.
    """
    if runs < 1:
        raise ValueError(f"stratum of {runs} runs: give at least one")
    return rng.multinomial(runs, np.full(runs, 1 / runs), size=replicates) / runs


def percentile_interval(estimate: float, samples: Array, confidence: float = 0.95) -> Interval:
    """The middle `confidence` of bootstrap samples [replicates] around an estimate."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(samples, [tail, 100 - tail])
    return Interval(estimate, float(low), float(high))


def _checked(values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"stratum of shape {array.shape}: give [runs, tasks], at least one of each")
    if not np.isfinite(array).all():
        raise ValueError("stratum with values that are not finite: leave those runs out, and say so")
    return array


def _value(strata: Sequence[Array]) -> float:
    return float(np.mean([interquartile_mean(values.mean(axis=1)) for values in strata]))


def _task_weights(tasks: int, replicates: int, rng: np.random.Generator, sampled: bool) -> Array:
    """How often each task is drawn in each sample, as weights that sum to 1: [tasks, replicates]."""
    if not sampled:
        return np.full((tasks, replicates), 1 / tasks)
    return rng.multinomial(tasks, np.full(tasks, 1 / tasks), size=replicates).T / tasks


def _resampled(strata: Sequence[Array], task_weights: Sequence[Array], rng: np.random.Generator) -> Array:
    """Value of each bootstrap sample: [replicates]."""
    values = []
    for scores, weights in zip(strata, task_weights, strict=True):
        means = scores @ weights  # [runs, replicates]
        runs = rng.integers(len(scores), size=means.shape)
        values.append(interquartile_mean(np.take_along_axis(means, runs, axis=0), axis=0))
    return np.asarray(np.mean(values, axis=0))
