"""The policy protocol: NumPy in, NumPy out, so that anything can play any role.

One of our networks, a Stable-Baselines3 model, or a scripted function: whoever has these two methods.
Memory is whatever the policy likes, for a whole batch; it is kept across the inner episodes of a trial and
asked for anew (`initial_memory`) where trials begin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Memory = Any


@runtime_checkable
class Policy(Protocol):
    """What plays a role, or the twin."""

    def initial_memory(self, batch: int) -> Memory:
        """Memory of `batch` worlds at the start of a trial."""
        ...

    def act(self, observations: Float, memory: Memory, rng: np.random.Generator) -> tuple[Float, Memory]:
        """Actions [B, A] in [-1, 1] for observations [B, O], and the memory for the next step."""
        ...


Players = Policy | Mapping[str, Policy]  # who plays: the twin, or each role by its name


def require_policies(players: Mapping[str, object]) -> None:
    """Refuse a player that does not speak the protocol.

    Args:
        players: by the name that a message has for it: its role, or what the twin's one is called.

    Raises:
        ValueError: the first that has not both methods.
    """
    for name, player in players.items():
        if isinstance(player, type) or not isinstance(player, Policy):
            raise ValueError(
                f"{name} is {player!r:.80}: a policy with initial_memory(batch) and act(observations, "
                "memory, rng) is expected (ma_ssm_env.Policy); a function of (observations, rng) becomes one "
                "by ma_ssm_env.ScriptedPolicy(function)"
            )


@dataclass(frozen=True)
class ScriptedPolicy:
    """A policy without memory, from a function of the observations.

    Attributes:
        function: (observations [B, O], rng) -> actions [B, A].
    """

    function: Callable[[Float, np.random.Generator], Float]

    def initial_memory(self, batch: int) -> Memory:
        """None: nothing is remembered."""
        del batch
        return None

    def act(self, observations: Float, memory: Memory, rng: np.random.Generator) -> tuple[Float, Memory]:
        """Actions [B, A] that the function gives for observations [B, O]; the memory as it was."""
        return self.function(observations, rng), memory


def random_policy(action_size: int) -> ScriptedPolicy:
    """Uniform actions in [-1, 1]: [B, `action_size`]."""

    def act(observations: Float, rng: np.random.Generator) -> Float:
        return rng.uniform(-1.0, 1.0, (len(observations), action_size)).astype(np.float32)

    return ScriptedPolicy(act)


def neutral_policy(action_size: int) -> ScriptedPolicy:
    """The neutral action, 0 in every field: actions [B, `action_size`]."""

    def act(observations: Float, rng: np.random.Generator) -> Float:
        del rng
        return np.zeros((len(observations), action_size), dtype=np.float32)

    return ScriptedPolicy(act)
