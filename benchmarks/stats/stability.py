"""Stability: how far seeds differ, what is lost after the peak, and how many runs collapse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

COLLAPSED_BELOW = 0.5
LEAST_PEAK = 0.2


@dataclass(frozen=True)
class Stability:
    """Stability of a method's runs on one scenario.

    Attributes:
        spread: Interquartile range of the final score over runs.
        drop: Median over runs of the peak of the curve minus its end.
        collapsed: Runs that collapsed, with those that ended without a finite score.
        learned: Runs whose peak was high enough for a collapse to be seen, with the same.
        runs: All runs.
    """

    spread: float
    drop: float
    collapsed: int
    learned: int
    runs: int


def interquartile_range(values: ArrayLike) -> float:
    """75th minus 25th percentile of values [n], linear between order statistics; 0 for one value."""
    low, high = np.percentile(np.asarray(values, dtype=np.float64), [25, 75])
    return float(high - low)


def drop_after_peak(scores: ArrayLike) -> float:
    """Highest of the `scores` of a curve [n] minus the last one, 0 or more.

    The peak is chosen among noisy checks, so it is biased upwards: a steady method has a small drop,
    not none.
    """
    curve = _curve(scores)
    return float(curve.max() - curve[-1])


def has_collapsed(
    scores: ArrayLike, *, below: float = COLLAPSED_BELOW, least_peak: float = LEAST_PEAK
) -> bool | None:
    """Whether a run with scores [n] ended below `below` of its peak; None where it never got to `least_peak`.

    A curve that ends without a finite score has collapsed.
    """
    values = np.asarray(scores, dtype=np.float64)
    if len(values) and not np.isfinite(values[-1]):
        return True
    curve = _curve(scores)
    peak = float(curve.max())
    return None if peak < least_peak else bool(curve[-1] < below * peak)


def stability(final: ArrayLike, curves: Sequence[ArrayLike], *, lost: int = 0) -> Stability:
    """Stability from the final scores [R] and the curves of the runs.

    Args:
        final: Final score of each run.
        curves: Scores along each run's validation curve, in the order of the steps.
        lost: Further runs whose learning ended in numbers that are not finite: they count as collapsed.
    """
    fates = [has_collapsed(curve) for curve in curves]
    finite = [curve for curve in curves if np.isfinite(np.asarray(curve)[-1])]
    return Stability(
        spread=interquartile_range(final),
        drop=float(np.median([drop_after_peak(curve) for curve in finite])) if finite else float("nan"),
        collapsed=sum(fate is True for fate in fates) + lost,
        learned=sum(fate is not None for fate in fates) + lost,
        runs=len(curves) + lost,
    )


def _curve(scores: ArrayLike) -> np.ndarray:
    values = np.asarray(scores, dtype=np.float64)
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise ValueError("curve without a finite score: leave that run out, and say so")
    return finite
