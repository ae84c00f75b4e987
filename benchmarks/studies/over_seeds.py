"""How the studies write what several seeds found: IQM over seeds, Student's t, as in docs/statistics.md.

A seed's value is its mean over tasks (or worlds). One seed says nothing of the next: the interval printed
then is over its tasks, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.stats import Interval, iqm_difference, iqm_interval, t_quantile

Values = Sequence[Any]  # of each seed: one number, or an array of them


def over_seeds(values: Values, places: int = 1, within: str = "tasks") -> str:
    """`-52.1 (-60.0 to -44.2)`; of one seed `-52.1 (-60.0 to -44.2 over tasks)`.

    Args:
        values: of each seed.
        places: decimals.
        within: what the values of one seed are of.
    """
    means = _means(values)
    if len(means) > 1:
        return written(iqm_interval([means]), places)
    parts = np.asarray(values[0], dtype=np.float64).reshape(-1)
    if len(parts) < 2:
        return f"{means[0]:.{places}f}"
    margin = t_quantile(0.975, len(parts) - 1) * float(parts.std(ddof=1)) / math.sqrt(len(parts))
    text = written(Interval(means[0], means[0] - margin, means[0] + margin), places)
    return f"{text[:-1]} over {within})"


def paired(first: Values, second: Values, places: int = 1) -> str:
    """First minus second, seed by seed: two measurements of the same trained thing on the same worlds."""
    return over_seeds([np.asarray(a) - np.asarray(b) for a, b in zip(first, second, strict=True)], places)


def unpaired(first: Values, second: Values, places: int = 1) -> str:
    """First minus second of two methods that were trained apart; `-` where either has one seed."""
    a, b = _means(first), _means(second)
    if min(len(a), len(b)) < 2:
        return "-"
    return written(iqm_difference([a], [b]), places)


def written(interval: Interval, places: int = 1) -> str:
    """`1.0 (0.5 to 1.5)`."""
    return f"{interval.estimate:.{places}f} ({interval.low:.{places}f} to {interval.high:.{places}f})"


def _means(values: Values) -> list[float]:
    return [float(np.mean(np.asarray(value, dtype=np.float64))) for value in values]
