"""Advantages and returns, as pure functions of recorded rewards and values."""

from __future__ import annotations

import torch
from torch import Tensor


def generalised_advantages(
    rewards: Tensor, values: Tensor, dones: Tensor, last_value: Tensor, gamma: float, lam: float
) -> Tensor:
    """Generalised advantage estimates [T, B].

    ::

        delta_t = r_t + gamma (1 - done_t) V_{t+1} - V_t
        A_t = delta_t + gamma lam (1 - done_t) A_{t+1}

    `done_t` marks the end of a *trial*, which is a termination: values flow across the boundaries of inner
    episodes, and never across the end of a trial. Source: Schulman et al. 2016.

    Args:
        rewards: what was paid [T, B].
        values: V at each step [T, B].
        dones: 1 where the trial ended with step t [T, B].
        last_value: V of what follows the last step [B].
        gamma: discount, in [0, 1].
        lam: trace decay, in [0, 1].

    Raises:
        ValueError: shapes that do not fit each other.
    """
    if rewards.shape != values.shape or rewards.shape != dones.shape or last_value.shape != rewards.shape[1:]:
        raise ValueError(
            f"shapes {tuple(rewards.shape)}, {tuple(values.shape)}, {tuple(dones.shape)}, "
            f"{tuple(last_value.shape)}: [T, B] three times and [B] are expected"
        )
    keep = 1.0 - dones
    following = torch.cat([values[1:], last_value[None]])
    deltas = rewards + gamma * keep * following - values
    advantages = torch.empty_like(rewards)
    trace = torch.zeros_like(last_value)
    for t in range(len(rewards) - 1, -1, -1):
        trace = deltas[t] + gamma * lam * keep[t] * trace
        advantages[t] = trace
    return advantages
