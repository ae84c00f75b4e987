"""Surrogates: series whose dependence is broken in a stated way and that are otherwise as they were."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


def circular_shifts(series: ArrayLike, rng: np.random.Generator) -> Array:
    """Series [T, W, d] with the time of every trial turned by a random amount of its own.

    Never across trials. Keeps each trial's values and its autocorrelation but for one seam; breaks the
    relation to other series, and to the clock: what only the clock makes common counts as broken.
    """
    array = np.asarray(series, dtype=np.float64)
    length, worlds = array.shape[:2]
    least = max(1, length // 10)  # a turn of a step or two would keep most of the relation
    turns = rng.integers(least, max(least + 1, length - least + 1), size=worlds)
    rows = (np.arange(length)[:, None] + turns) % length
    shifted: Array = array[rows, np.arange(worlds)]
    return shifted


def permuted_within(groups: Sequence[int] | Indices, rng: np.random.Generator) -> Indices:
    """A random permutation of worlds that moves each within its group (its task) [W]."""
    labels = np.asarray(groups)
    result = np.arange(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        result[members] = rng.permutation(members)
    return result


def other_task(tasks: int, trials: int, rng: np.random.Generator) -> Indices:
    """For every world of `tasks` x `trials`, the same trial of the next task in a random cycle [W].

    Raises:
        ValueError: a single task.
    """
    if tasks < 2:
        raise ValueError(f"{tasks} task: there is no other one to take messages from")
    order = rng.permutation(tasks)
    successor = np.empty(tasks, dtype=np.int64)
    successor[order] = np.roll(order, -1)
    return (successor[:, None] * trials + np.arange(trials)).reshape(-1)
