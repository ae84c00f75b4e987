"""Running normalisation of observations, frozen inside an iteration of learning.

Only unbounded fields are normalised. What lies on the blackboard is bounded by construction and never
normalised: running statistics of messages would be a channel of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ma_ssm_env.roles import BOUNDS

_CLIP = 10.0


class Normaliser(nn.Module):
    """(x - mean) / std on the unbounded fields, clipped at 10; the others pass as they are.

    Attributes:
        mean, var: running statistics [O]; 0 and 1 on bounded fields.
        count: samples seen.
    """

    mean: Tensor
    var: Tensor
    count: Tensor
    mask: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, fields: dict[str, slice]) -> None:
        super().__init__()
        size = max(s.stop for s in fields.values())
        mask = torch.zeros(size)
        for name, where in fields.items():
            mask[where] = 0.0 if name.partition("/")[0] in BOUNDS else 1.0
        self.register_buffer("mask", mask)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("var", torch.ones(size))
        self.register_buffer("count", torch.tensor(1e-4, dtype=torch.float64))
        # x * scale - shift is what forward computes: two operations instead of four.
        self.register_buffer("scale", torch.ones(size))
        self.register_buffer("shift", torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised observations [..., O]."""
        return torch.addcmul(-self.shift, x, self.scale).clamp(-_CLIP, _CLIP)

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Take a batch [..., O] into the statistics (parallel variance, Chan et al. 1979)."""
        flat = x.reshape(-1, x.shape[-1]).double()
        count, mean, var = float(len(flat)), flat.mean(0), flat.var(0, unbiased=False)
        total = self.count + count
        delta = mean - self.mean.double()
        new_mean = self.mean.double() + delta * (count / total)
        m2 = self.var.double() * self.count + var * count + delta.square() * (self.count * count / total)
        self.mean.copy_(torch.where(self.mask > 0, new_mean.float(), self.mean))
        self.var.copy_(torch.where(self.mask > 0, (m2 / total).float(), self.var))
        self.count.copy_(total)
        self.scale.copy_(torch.rsqrt(self.var + 1e-8))
        self.shift.copy_(self.mean * self.scale)


class ReturnScale:
    """Running standard deviation of the discounted return, by which rewards are divided.

    Source: the reward normalisation of OpenAI baselines' and Stable-Baselines3's VecNormalize.
    """

    def __init__(self, num_worlds: int, gamma: float) -> None:
        self.gamma = gamma
        self.running = torch.zeros(num_worlds, dtype=torch.float64)
        self.mean, self.var, self.count = 0.0, 1.0, 1e-4

    def begin(self) -> None:
        """The next rewards are of new trials in all worlds."""
        self.running = torch.zeros_like(self.running)

    def update(self, rewards: Tensor, dones: Tensor, active: Tensor | None = None) -> None:
        """Take rewards [T, B] into the statistics; dones [T, B] end a trial after their step.

        Steps that are not `active` [T, B] are left out; at those nothing is paid.
        """
        rewards, dones = rewards.cpu(), dones.cpu()  # a few numbers; kept beside the CPU's random streams
        returns = torch.empty(rewards.shape, dtype=torch.float64)
        for t in range(len(rewards)):
            self.running = self.running * self.gamma + rewards[t].double()
            returns[t] = self.running
            self.running = self.running * (1.0 - dones[t].double())
        if active is not None:
            returns = returns[active.cpu()]
        count, mean, var = float(returns.numel()), float(returns.mean()), float(returns.var(unbiased=False))
        total, delta = self.count + count, mean - self.mean
        self.var = (self.var * self.count + var * count + delta**2 * self.count * count / total) / total
        self.mean += delta * count / total
        self.count = total

    def clone_state(self) -> dict[str, Any]:
        """A copy of the statistics."""
        statistics = {"mean": self.mean, "var": self.var, "count": self.count}
        return {"running": self.running.numpy().copy(), **statistics}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave."""
        self.running = torch.from_numpy(state["running"].copy())
        self.mean, self.var, self.count = state["mean"], state["var"], state["count"]

    @property
    def scale(self) -> float:
        """What rewards are multiplied with."""
        return float((self.var + 1e-8) ** -0.5)
