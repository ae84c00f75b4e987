"""A causal convolution over the last steps, channel by channel, which a start cuts off."""

# ruff: noqa: F722  (the shapes in annotations are jaxtyping's, not forward references)

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["TAPS", "convolution", "convolution_step"]

TAPS: Final = 4  # K: this step and the three before it, as in H3 and Mamba


def convolution(
    inputs: Float[Tensor, "T B E"],
    keep: Float[Tensor, "T B 1"],
    window: Float[Tensor, "B W"],
    taps: Float[Tensor, "K E"],
    bias: Float[Tensor, " E"],
) -> tuple[Float[Tensor, "T B E"], Float[Tensor, "B W"]]:
    """y_t = bias + sum over k of taps[K - 1 - k] * inputs_{t - k}, without what lies before a start.

    Args:
        inputs: a sequence, T >= 1.
        keep: 1 - starts; 0 where nothing before that step is seen.
        window: the last K - 1 inputs before the sequence side by side, oldest first; W = (K - 1) E.
        taps: of each channel, the present step's last; K = `TAPS`.
        bias: of each channel.

    Returns:
        The sequence y, and the window after it.
    """
    before = torch.unflatten(window, 1, (TAPS - 1, inputs.shape[-1])).movedim(1, 0)  # [K - 1, B, E]
    padded, time = torch.cat((before, inputs)), len(inputs)
    # The tap that looks k steps back sees only what came after the last start: the product of k keeps.
    mixed = torch.addcmul(bias, inputs, taps[-1])
    fresh, last = torch.ones_like(keep), [inputs[-1]]
    for back in range(1, TAPS):
        ones = torch.ones_like(keep[: min(back - 1, time)])
        fresh = fresh * torch.cat((ones, keep[: time - len(ones)]))
        earlier = padded[TAPS - 1 - back : len(padded) - back]
        mixed = torch.addcmul(mixed, earlier * fresh, taps[-1 - back])
        if back < TAPS - 1:
            last.append(padded[len(padded) - 1 - back] * fresh[-1])
    return mixed, torch.cat(last[::-1], 1)


def convolution_step(
    inputs: Float[Tensor, "B E"],
    window: Float[Tensor, "B W"],
    taps: Float[Tensor, "K E"],
    bias: Float[Tensor, " E"],
) -> tuple[Float[Tensor, "B E"], Float[Tensor, "B W"]]:
    """One step of `convolution`, of a window that was cleared where a trial starts."""
    channels = inputs.shape[1]
    seen = torch.cat((window, inputs), 1)
    mixed = bias + (torch.unflatten(seen, 1, (TAPS, channels)) * taps).sum(1)
    return mixed, seen[:, channels:]
