"""The ledger: tasks that a world tried lately, and how each trial went. The environment role observes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ENTRIES = 32
_BOUND = 2.0


def outcome(mean_return: NDArray[np.float64], scale: tuple[float, float]) -> NDArray[np.float32]:
    """Mean return of an inner episode, scaled so that random is 0 and good is 1, clipped to [-2, 2]."""
    low, high = scale
    return np.clip((mean_return - low) / (high - low), -_BOUND, _BOUND).astype(np.float32)


class Ledger:
    """The last 32 trials of each of B worlds, the newest first, zero-padded.

    An entry is (task in normalised coordinates, k numbers; outcome; 1).
    """

    def __init__(self, num_worlds: int, task_size: int) -> None:
        self._entries = np.zeros((num_worlds, ENTRIES, task_size + 2), dtype=np.float32)

    @staticmethod
    def size(task_size: int) -> int:
        """Numbers in a world's ledger."""
        return ENTRIES * (task_size + 2)

    def record(
        self, worlds: NDArray[np.int64], tasks: NDArray[np.float32], outcomes: NDArray[np.float32]
    ) -> None:
        """Put a finished trial on top: `tasks` [n, k] normalised and `outcomes` [n] of `worlds` [n]."""
        entries = self._entries[worlds]
        entries[:, 1:] = entries[:, :-1].copy()
        entries[:, 0, :-2] = np.clip(tasks, -_BOUND, _BOUND)
        entries[:, 0, -2] = outcomes
        entries[:, 0, -1] = 1.0
        self._entries[worlds] = entries

    def vector(self) -> NDArray[np.float32]:
        """The ledgers as vectors [B, 32 (k + 2)]; a fresh array."""
        return self._entries.reshape(len(self._entries), -1).copy()

    def clear(self) -> None:
        """Empty every ledger: the worlds were seeded."""
        self._entries[:] = 0.0

    def clone_state(self) -> dict[str, Any]:
        """A copy of the entries."""
        return {"entries": self._entries.copy()}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Put back what `clone_state` gave."""
        self._entries[:] = state["entries"]
