"""Adaptation: what a trial gains on its start, and what a change in mid-trial costs and heals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.stats.bootstrap import Interval
from benchmarks.stats.t_interval import iqm_interval


@dataclass(frozen=True)
class ChangeResponse:
    """What a change in mid-trial does to the reward of a step.

    Attributes:
        before: Mean reward of a step before the change.
        deficit: That minus the mean reward in the shock, right after the change.
        recovered: Share of the deficit that is gone in the recovery; NaN where a deficit is not shown, that
            is where its interval or a single run reaches zero.
    """

    before: Interval
    deficit: Interval
    recovered: Interval


def adaptation_gain(episode_values: ArrayLike) -> Interval:
    """Last inner episode minus the first of `episode_values` [R, K] -> IQM over runs with its interval.

    Raises:
        ValueError: another shape, or a single inner episode.
    """
    values = np.asarray(episode_values, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(f"episode values of shape {values.shape}: give [runs, inner episodes], at least two")
    return iqm_interval([values[:, -1] - values[:, 0]])


def change_response(phases: ArrayLike) -> ChangeResponse:
    """Deficit and recovery after a fault or a switch.

    Args:
        phases: Mean reward of a step before the change, in the shock and in the recovery: [R, 3].

    Raises:
        ValueError: another shape.
    """
    values = np.asarray(phases, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 3:
        raise ValueError(f"phases of shape {values.shape}: give [runs, 3]: before, shock, recovery")
    before, shock, recovery = values.T
    deficit = before - shock
    lost = iqm_interval([deficit])
    recovered = Interval(math.nan, math.nan, math.nan)
    if lost.low > 0 and (deficit > 0).all():  # a share of what may be nothing would be noise
        recovered = iqm_interval([(recovery - shock) / deficit])
    return ChangeResponse(iqm_interval([before]), lost, recovered)
