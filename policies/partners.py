"""Partners: roles that do not learn, played by a given policy while the others learn.

Anything that speaks the NumPy protocol of `ma_ssm_env.policy` can be one: a Stable-Baselines3 model, a
scripted function, one of our networks. Its memory begins anew in the worlds whose trials do.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ma_ssm_env import Policy
from ma_ssm_env.policy import Memory
from ma_ssm_env.roles import ROLES

_TENSOR = "a torch tensor"


class Partner:
    """One role's player for B worlds.

    What a partner draws comes from a generator of its own, which depends on the seed and the role alone. A
    policy that learns by itself, outside of its memory, is part of the training state if it has
    `clone_state` and `restore_state`.

    Args:
        role: whom it plays.
        policy: who plays.
        num_worlds: B.
        seed: of its generator.
    """

    def __init__(self, role: str, policy: Policy, num_worlds: int, seed: int) -> None:
        self.role, self.policy = role, policy
        self._num_worlds, self._seed = num_worlds, seed
        self._rng = np.random.default_rng([seed, ROLES.index(role)])
        self._memory: Memory = policy.initial_memory(num_worlds)

    def reseed(self, worlds: int) -> None:
        """Begin what it draws anew, as the worlds do from their first seed `worlds`."""
        self._rng = np.random.default_rng([self._seed, ROLES.index(self.role), int(worlds)])

    def act(self, observations: NDArray[np.float32], starts: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Actions [B, A] for observations [B, O]; memory begins anew where `starts` [B].

        Raises:
            TypeError: the policy's memory cannot be taken apart into worlds.
        """
        if starts.all():
            self._memory = self.policy.initial_memory(self._num_worlds)
        elif starts.any():
            fresh = self.policy.initial_memory(self._num_worlds)
            more = self.policy.initial_memory(self._num_worlds + 1)
            try:
                self._memory = _renewed(self._memory, fresh, more, starts)
            except TypeError as error:
                raise TypeError(
                    f"partner of {self.role}: trials of different worlds end at different steps, and its "
                    f"memory cannot begin anew in some of them: {error}. None, arrays and tensors with one "
                    "axis for worlds, and lists, tuples and dicts of them can, where `initial_memory` has "
                    "the form of what `act` returns"
                ) from None
        actions, self._memory = self.policy.act(observations, self._memory, self._rng)
        return actions

    def clone_state(self) -> dict[str, Any]:
        """A copy of what decides how it goes on: memory, generator, and what the policy learned by itself."""
        own = self.policy.clone_state() if hasattr(self.policy, "clone_state") else None
        return {"memory": _stored(self._memory), "rng": self._rng.bit_generator.state, "policy": own}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave."""
        self._memory = _read(state["memory"])
        self._rng.bit_generator.state = state["rng"]
        if state["policy"] is not None:
            self.policy.restore_state(state["policy"])  # type: ignore[attr-defined]


def _renewed(memory: Any, fresh: Any, more: Any, starts: NDArray[np.bool_]) -> Any:
    """`memory`, but `fresh` in the worlds of `starts`; `more`, for B + 1, tells which axis is worlds."""
    if type(memory) is not type(fresh):
        raise TypeError(f"{type(memory).__name__}, but {type(fresh).__name__} at the start")
    if memory is None:
        return None
    if isinstance(memory, dict) and memory.keys() == fresh.keys():
        return {name: _renewed(memory[name], fresh[name], more[name], starts) for name in memory}
    if isinstance(memory, (list, tuple)) and len(memory) == len(fresh):
        parts = [_renewed(*items, starts) for items in zip(memory, fresh, more, strict=True)]
        return parts if isinstance(memory, list) else tuple(parts)
    if isinstance(memory, (np.ndarray, Tensor)) and memory.shape == fresh.shape:
        axes = [i for i, (a, b) in enumerate(zip(fresh.shape, more.shape, strict=True)) if a != b]
        if len(axes) == 1:
            shape = [-1 if i == axes[0] else 1 for i in range(memory.ndim)]
            if isinstance(memory, np.ndarray):
                return np.where(starts.reshape(shape), fresh, memory)
            return torch.where(torch.from_numpy(starts.reshape(shape)).to(memory.device), fresh, memory)
    raise TypeError(f"{type(memory).__name__} of another shape, or without an axis for worlds")


def _stored(memory: Any) -> Any:
    """A copy of memory, in containers, arrays and numbers."""
    if isinstance(memory, Tensor):
        return {_TENSOR: memory.detach().cpu().numpy().copy()}
    if isinstance(memory, dict):
        return {name: _stored(item) for name, item in memory.items()}
    if type(memory) in (list, tuple):
        return type(memory)(_stored(item) for item in memory)
    return copy.deepcopy(memory)  # policies may write into their memory


def _read(memory: Any) -> Any:
    """A copy of what `_stored` was given."""
    if isinstance(memory, dict):
        if memory.keys() == {_TENSOR}:
            return torch.from_numpy(memory[_TENSOR].copy())
        return {name: _read(item) for name, item in memory.items()}
    if type(memory) in (list, tuple):
        return type(memory)(_read(item) for item in memory)
    return copy.deepcopy(memory)
