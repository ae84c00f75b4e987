"""A policy that sees its last observations side by side, as `VecFrameStack` showed them in training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from baselines.sb3_policy import Sb3Policy
from ma_ssm_env.policy import Memory

Float = NDArray[np.float32]


class StackedPolicy:
    """Remembers the last observations of a trial and shows them to `policy`, the oldest first.

    Args:
        policy: plays on [B, stack * O].
        stack: observations side by side; those before the start of the trial are zeros.
    """

    def __init__(self, policy: Sb3Policy, stack: int) -> None:
        if stack < 2:
            raise ValueError(f"stack={stack!r}: at least 2 observations are expected")
        self.policy, self.stack = policy, stack

    @property
    def parameters(self) -> dict[str, int]:
        """Numbers of trained parameters of `actor` and `critic`."""
        return self.policy.parameters

    def with_mode(self, deterministic: bool) -> StackedPolicy:
        """The same network, playing its mode or drawing its actions."""
        return StackedPolicy(self.policy.with_mode(deterministic), self.stack)

    def initial_memory(self, batch: int) -> Memory:
        """Nothing has been seen: None, read as zeros of the size that the first observation shows."""
        del batch
        return None

    def act(self, observations: Float, memory: Memory, rng: np.random.Generator) -> tuple[Float, Memory]:
        """Actions [B, A] and the observations to remember [B, (stack - 1) * O]."""
        size = observations.shape[1]
        before = (
            np.zeros((len(observations), (self.stack - 1) * size), np.float32) if memory is None else memory
        )
        seen = np.concatenate([before, observations], axis=1)
        actions, _ = self.policy.act(seen, None, rng)
        return actions, seen[:, size:]
