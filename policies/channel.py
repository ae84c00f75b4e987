"""The belief channel as a differentiable function, for gradients from receivers into the sender.

The same equation as `ma_ssm_env.blackboard.receive`, on tensors. Acting is never changed by it: it is only
used on recorded noise and rates, so that at unchanged parameters it gives back what was received, to the
rounding of float32. Source: DIAL, Foerster et al. 2016.
"""

from __future__ import annotations

import torch
from torch import Tensor


def straight_through_clip(x: Tensor) -> Tensor:
    """clip(x, -1, 1) forward, the identity backward; any shape [...]."""
    return x + (x.clamp(-1.0, 1.0) - x).detach()


def received(belief: Tensor, snr: Tensor, noise: Tensor) -> Tensor:
    """(snr belief + sqrt(snr) eps) / (1 + snr): belief [..., d], snr [..., 1], eps [..., d]."""
    return (snr * belief + torch.sqrt(snr) * noise) / (1.0 + snr)


def received_sequence(belief: Tensor, snr: Tensor, noise: Tensor, starts: Tensor, first: Tensor) -> Tensor:
    """What receivers observe at steps 0..T-1 when `belief` is posted at the same steps [T, B, d].

    What is posted at t is observed at t + 1; the blackboard is empty where a trial starts; step 0 of the
    segment observes `first` [B, d], which was posted before it and carries no gradient.
    """
    shifted = received(belief[:-1], snr[:-1], noise[:-1])
    return torch.cat([first[None], shifted * (1.0 - starts[1:, :, None])])
