"""Discretisation of real poles: decays under a zero-order hold, and the input matrix times its gain.

Thirty operations on a few numbers cost more than their arithmetic, in every minibatch; so they are one
function with a backward of the first order written by hand, in a third of the time of the parts. A backward
that is itself differentiated, and `torch.func`, take the parts.

Axes: `R` roles, where several are run as one; `P` states, `D` features.
"""

# ruff: noqa: F722  (the shapes in annotations are jaxtyping's, not forward references)

from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from policies import ssm
from policies.recomputed import recomputed_gradients

__all__ = ["held"]


def held(
    log_rate: Float[Tensor, "*R P"],
    log_step: Float[Tensor, "*R P"],
    matrix: Float[Tensor, "*R P D"],
    gain: str,
) -> tuple[Float[Tensor, "*R P"], Float[Tensor, "*R P D"]]:
    """`ssm.zero_order_hold` of real poles, and `matrix` times their `ssm.GAINS[gain]`."""
    if torch._C._are_functorch_transforms_active():
        return _held(log_rate, log_step, matrix, gain)
    found: tuple[Tensor, Tensor] = _Hold.apply(log_rate, log_step, matrix, gain)  # type: ignore[no-untyped-call]
    return found


def _held(log_rate: Tensor, log_step: Tensor, matrix: Tensor, gain: str) -> tuple[Tensor, Tensor]:
    decay = ssm.zero_order_hold(log_rate, log_step)
    return decay, matrix * ssm.GAINS[gain].of(decay)[..., None]


@final
class _Hold(torch.autograd.Function):
    """`held`."""

    @staticmethod
    def forward(
        ctx: Any, log_rate: Tensor, log_step: Tensor, matrix: Tensor, gain: str
    ) -> tuple[Tensor, Tensor]:
        decay = ssm.zero_order_hold(log_rate, log_step)
        factor = ssm.GAINS[gain].of(decay)
        ctx.save_for_backward(log_rate, log_step, matrix)
        ctx.decay, ctx.factor, ctx.gain = decay, factor, gain
        ctx.set_materialize_grads(False)
        return decay.clone(), matrix * factor[..., None]

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor | None) -> tuple[Tensor | None, ...]:
        log_rate, log_step, matrix = ctx.saved_tensors
        if torch.is_grad_enabled():

            def composed(rate: Tensor, step: Tensor, to_scale: Tensor) -> tuple[Tensor, ...]:
                return _held(rate, step, to_scale, ctx.gain)

            return (
                *recomputed_gradients(composed, ctx.saved_tensors, ctx.needs_input_grad, arriving),
                None,
            )
        to_decay, to_product = arriving
        decay, factor = ctx.decay, ctx.factor
        to_matrix = None
        total = torch.zeros_like(decay) if to_decay is None else to_decay
        if to_product is not None:
            to_matrix = to_product * factor[..., None]
            to_factor = (to_product * matrix).sum(-1)
            total = torch.addcmul(total, to_factor, ssm.GAINS[ctx.gain].slope(decay, factor))
        to_sum = total * ssm.zero_order_hold_slope(log_rate, log_step, decay)
        return to_sum, to_sum.clone(), to_matrix, None
