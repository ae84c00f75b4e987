"""Sample efficiency: control steps until a share of the oracle's score is first reached, with censoring.

A run that never reaches the level is *censored*: all that is known is that it needs more than it was given.
It counts as infinitely long in the median, so giving up early never looks like being fast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

LEVELS = (0.5, 0.75, 0.9)


@dataclass(frozen=True)
class StepsToLevel:
    """Steps to one level over a method's runs.

    Attributes:
        level: Normalised score asked for.
        median: Median steps over runs; infinite where that run is censored.
        reached: Runs that reached the level.
        runs: All runs.
        observed: Steps up to which every run was watched.
    """

    level: float
    median: float
    reached: int
    runs: int
    observed: float

    @property
    def censored(self) -> bool:
        """Whether the median run never reached the level."""
        return math.isinf(self.median)


def steps_to_score(steps: ArrayLike, scores: ArrayLike, level: float) -> float:
    """First of `steps` whose score is at least `level`, not interpolated; infinity where there is none.

    A score that is not finite reaches nothing.

    Args:
        steps: steps of the checks, increasing [n].
        scores: score at each [n].
        level: score asked for.

    Raises:
        ValueError: lists of two lengths, or steps that do not increase.
    """
    steps_, scores_ = np.asarray(steps, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if steps_.shape != scores_.shape or steps_.ndim != 1:
        raise ValueError(f"steps {steps_.shape} and scores {scores_.shape}: give two lists of one length")
    if np.any(np.diff(steps_) <= 0):
        raise ValueError("steps that do not increase: order the curve by steps")
    reached = np.flatnonzero(scores_ >= level)
    return float(steps_[reached[0]]) if len(reached) else math.inf


def median_steps(curves: Sequence[tuple[ArrayLike, ArrayLike]], level: float) -> StepsToLevel:
    """Median over runs of the steps to `level`.

    Args:
        curves: (steps [n], scores [n]) of each run.
        level: Normalised score asked for.

    Raises:
        ValueError: no curve, or one without points.
    """
    if not curves or any(np.size(steps) == 0 for steps, _ in curves):
        raise ValueError("no curve: give every run at least one point")
    times = np.array([steps_to_score(steps, scores, level) for steps, scores in curves])
    return StepsToLevel(
        level=level,
        median=_median(times),
        reached=int(np.isfinite(times).sum()),
        runs=len(times),
        observed=min(float(np.max(steps)) for steps, _ in curves),
    )


def area_under_curve(steps: ArrayLike, scores: ArrayLike, until: float | None = None) -> float:
    """Mean score while learning: the area under the curve from 0 to `until` steps, divided by `until`.

    The curve is linear between checks and starts in (0, 0): a normalised score of 0 is random acting, and
    before the first step nothing has been learned.

    Args:
        steps: Steps of the checks, increasing [n].
        scores: Normalised score at each [n].
        until: Where the area ends; the last check by default.

    Raises:
        ValueError: The curve ends before `until`, is empty, or has a score that is not finite.
    """
    steps_, scores_ = np.asarray(steps, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if steps_.shape != scores_.shape or steps_.ndim != 1 or not len(steps_):
        raise ValueError(f"steps {steps_.shape} and scores {scores_.shape}: give two lists of one length")
    if np.any(np.diff(steps_) <= 0) or steps_[0] <= 0:
        raise ValueError("steps that do not increase from above 0: order the curve by steps")
    if not np.isfinite(scores_).all():
        raise ValueError("curve with scores that are not finite: leave that run out, and say so")
    end = float(steps_[-1]) if until is None else float(until)
    if not 0 < end <= steps_[-1]:
        raise ValueError(f"area until {end:g} of a curve that ends at {steps_[-1]:g}: give at most that")
    x, y = np.concatenate([[0.0], steps_]), np.concatenate([[0.0], scores_])
    inside = x < end
    x, y = np.append(x[inside], end), np.append(y[inside], np.interp(end, x, y))
    return float(np.trapezoid(y, x) / end)


def _median(times: np.ndarray) -> float:
    ordered, middle = np.sort(times), len(times) // 2
    if len(times) % 2:
        return float(ordered[middle])
    return float((ordered[middle - 1] + ordered[middle]) / 2)  # infinite as soon as one of the two is
