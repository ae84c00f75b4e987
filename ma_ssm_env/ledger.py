"""The ledger: tasks that a world tried lately, and how each trial went. The environment role observes it.

It also says how much was learnt: the absolute learning progress of a trial is

    |outcome - outcome of the most similar earlier task|

over the trials in the ledger (0 if there are none; the newest of equally similar ones). It is high where
returns rise *or fall*, and low where a task is mastered or hopeless, so whoever is paid it has no interest
in easy tasks. Source: Portelas et al. 2019, "Teacher algorithms for curriculum learning of deep RL in
continuously parameterized environments" (ALP-GMM).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
ENTRIES = 32
_BOUND = 2.0
_WIDTH = 2.0  # of a coordinate's training range, in normalised coordinates


def outcome(mean_return: NDArray[np.float64], scale: tuple[float, float]) -> Float:
    """Mean return of an inner episode, scaled so that random is 0 and good is 1, clipped to [-2, 2]."""
    low, high = scale
    return np.clip((mean_return - low) / (high - low), -_BOUND, _BOUND).astype(np.float32)


def task_distance(a: NDArray[Any], b: NDArray[Any], kinds: Sequence[str]) -> NDArray[np.float64]:
    """Euclidean distance of tasks [..., k] in normalised coordinates, over the last axis.

    A `wrapped` coordinate is measured round its circle (its ends are the same place, at most 1 apart); a
    `category` counts 0 where equal and the width of the range, 2, where not.
    """
    gap = np.abs(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64))
    for i, kind in enumerate(kinds):
        if kind == "wrapped":
            around = gap[..., i] % _WIDTH
            gap[..., i] = np.minimum(around, _WIDTH - around)
        elif kind == "category":
            gap[..., i] = np.where(gap[..., i] == 0.0, 0.0, _WIDTH)
    distance: NDArray[np.float64] = np.sqrt(np.square(gap).sum(axis=-1))
    return distance


class Ledger:
    """The last 32 trials of each of B worlds, the newest first, zero-padded.

    An entry is (task in normalised coordinates, k numbers; outcome; 1).

    Args:
        num_worlds: B.
        kinds: kind of each of the task's k coordinates (`Coordinate.kind`).
        shared: all worlds read and write one ledger.
    """

    def __init__(self, num_worlds: int, kinds: Sequence[str], *, shared: bool = False) -> None:
        self._num_worlds, self._kinds, self._shared = num_worlds, tuple(kinds), shared
        self._entries = np.zeros((1 if shared else num_worlds, ENTRIES, len(kinds) + 2), dtype=np.float32)

    @staticmethod
    def size(task_size: int) -> int:
        """Numbers in a world's ledger."""
        return ENTRIES * (task_size + 2)

    def learning_progress(
        self, worlds: NDArray[np.int64], tasks: Float, outcomes: Float
    ) -> NDArray[np.float64]:
        """Absolute learning progress [n] of trials that are about to be recorded, in [0, 4]."""
        entries = self._entries[np.zeros_like(worlds) if self._shared else worlds]  # [n, 32, k + 2]
        distance = task_distance(_clipped(tasks)[:, None], entries[..., :-2], self._kinds)
        distance = np.where(entries[..., -1] > 0, distance, np.inf)
        nearest = entries[np.arange(len(worlds)), distance.argmin(axis=1)]
        progress = np.abs(outcomes.astype(np.float64) - nearest[:, -2])
        return np.where(nearest[:, -1] > 0, progress, 0.0)

    def record(self, worlds: NDArray[np.int64], tasks: Float, outcomes: Float) -> None:
        """Put a finished trial on top: `tasks` [n, k] normalised and `outcomes` [n] of `worlds` [n]."""
        ones = np.ones((len(worlds), 1), dtype=np.float32)
        new = np.concatenate([_clipped(tasks), outcomes[:, None], ones], axis=1)
        if self._shared:
            self._entries = np.concatenate([new[None, ::-1], self._entries], axis=1)[:, :ENTRIES]
        else:
            old = self._entries[worlds, :-1]
            self._entries[worlds] = np.concatenate([new[:, None], old], axis=1)

    def rows(self) -> Float:
        """The ledgers as vectors [B, 32 (k + 2)], to be read at once: they may be the ledgers themselves."""
        rows = self._entries.reshape(len(self._entries), -1)
        return np.repeat(rows, self._num_worlds, axis=0) if self._shared else rows

    def vector(self) -> Float:
        """The ledgers as vectors [B, 32 (k + 2)]; a fresh array."""
        return self.rows().copy()

    def clear(self) -> None:
        """Empty every ledger: the worlds were seeded."""
        self._entries = np.zeros_like(self._entries)

    def clone_state(self) -> dict[str, Any]:
        """A copy of the entries."""
        return {"entries": self._entries.copy()}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Put back what `clone_state` gave."""
        self._entries = state["entries"].copy()


def _clipped(tasks: Float) -> Float:
    clipped: Float = np.clip(tasks, -_BOUND, _BOUND)
    return clipped
