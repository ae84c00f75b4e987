"""What an inner episode's observed rewards say of its actions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def episode_advantages(
    rewards: Tensor, mask: Tensor, ended: Tensor, earlier: Sequence[Sequence[float]], gamma: float
) -> tuple[Tensor, Tensor]:
    """Rewards to go over their mean in the episode, in its deviations; of one number, over earlier episodes.

    The reward of a step is what the next observation shows. Under feedback by episodes that is 0 but for the
    last: then every step has the advantage (return - mean return of earlier inner episodes), which is 0, so
    there is nothing to learn from, in the first.

    Args:
        rewards: observed [T, B].
        mask: 1 in steps of the episode that is judged [T, B].
        ended: worlds whose episode has ended [B].
        earlier: returns of each world's earlier episodes, B of them.
        gamma: discount.

    Returns:
        (advantages [T, B], the episodes' returns [B]).
    """
    inside = rewards * mask
    to_go = torch.zeros_like(rewards)
    running = torch.zeros(rewards.shape[1])
    for t in range(len(rewards) - 1, -1, -1):
        running = inside[t] + gamma * running
        to_go[t] = running
    count = mask.sum(0).clamp(min=1)
    centred = (to_go - (to_go * mask).sum(0) / count) * mask
    advantages = centred / ((centred.square().sum(0) / count).sqrt() + 1e-8)
    scores = inside.sum(0)
    single = ended & (inside[:-1].abs().sum(0) == 0.0)
    for world in torch.nonzero(single).flatten().tolist():
        before = earlier[world]
        advantages[:, world] = inside[-1, world] - sum(before) / len(before) if before else 0.0
    return advantages, scores
