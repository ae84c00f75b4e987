"""A linear baseline on observations and time, fitted anew to every batch of every task.

    V(o, t) = c . [o, o^2, u, u^2, u^3, 1],    u = share of the trial that is over,

by ridge regression on the discounted returns. It is fitted before advantages are computed from it, and to the
very batch: the bias is of order features / samples, so few trials want a strong ridge.
Source: Duan et al. 2016 (the linear feature baseline of rllab), as in MAML, ProMP and garage.
"""

from __future__ import annotations

import torch
from torch import Tensor

from policies.returns import generalised_advantages

RIDGE = 1e-2


def features(observations: Tensor, starts: Tensor, trial_steps: int) -> Tensor:
    """What the baseline is linear in [T, B, F]; observations [T, B, O] are normalised ones."""
    steps = torch.arange(len(starts))[:, None]
    first = torch.cummax(steps * (starts > 0), 0).values
    share = ((steps - first) / trial_steps)[..., None]
    return torch.cat(
        [observations, observations.square(), share, share.square(), share**3, torch.ones_like(share)], dim=-1
    )


def discounted_returns(rewards: Tensor, dones: Tensor, gamma: float) -> Tensor:
    """Return from each step to the end of its trial, or of the batch [T, B]."""
    zeros = torch.zeros_like(rewards)
    return generalised_advantages(rewards, zeros, dones, zeros[0], gamma, 1.0)


def fitted_values(
    inputs: Tensor, targets: Tensor, groups: int, ridge: float = RIDGE
) -> tuple[Tensor, Tensor]:
    """Values [T, B] of a baseline for each group of B / groups neighbouring worlds, and its coefficients.

    The last feature is the constant and is not shrunk, so that without other evidence V is the mean.

    Args:
        inputs: features [T, B, F].
        targets: returns [T, B].
        groups: N tasks.
        ridge: weight of the squared coefficients, as a share of the mean squared feature.

    Returns:
        Values [T, B] and coefficients [N, F].
    """
    T, B, F = inputs.shape
    x = inputs.double().view(T, groups, -1, F).transpose(0, 1).reshape(groups, -1, F)
    y = targets.double().view(T, groups, -1).transpose(0, 1).reshape(groups, -1, 1)
    gram = x.transpose(1, 2) @ x / x.shape[1]
    penalty = ridge * torch.diagonal(gram, dim1=1, dim2=2).mean(1, keepdim=True).expand(-1, F).clone()
    penalty[:, -1] = 0.0
    gram = gram + torch.diag_embed(penalty + 1e-9)
    coefficients = torch.linalg.solve(gram, x.transpose(1, 2) @ y / x.shape[1])  # [N, F, 1]
    values = (x @ coefficients).view(groups, T, -1).transpose(0, 1).reshape(T, B)
    return values.float(), coefficients.squeeze(-1).float()
