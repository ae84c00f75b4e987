"""Diagonal real state-space models: discretisation, initialisation and the scan.

Pure functions. The recurrence of one layer with P independent states is

    h_t = a * (keep_t * h_{t-1}) + u_t,        a in (0, 1)^P,

where `keep_t = 1 - start_t` clears the memory before step t reads it. Multiplying the carried
state is an exact reset that needs no special operator.

Axes: `T` time, `B` worlds, `P` states.

References:
    S5: Smith, Warrington and Linderman (2023), Simplified State Space Layers for Sequence Modeling.
    LRU: Orvieto et al. (2023), Resurrecting Recurrent Neural Networks for Long Sequences.
"""

# ruff: noqa: F722  (the shapes in annotations are jaxtyping's, not forward references)

import math
from collections.abc import Callable
from typing import Any, Final, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = [
    "HIPPO_RATE",
    "LOG_STEP_DRAWS",
    "diagonal_scan",
    "diagonal_scan_reference",
    "hippo_log_steps",
    "ring_log_steps",
    "unit_variance_gain",
    "zero_order_hold",
]

HIPPO_RATE: Final = 0.5
"""-Re(lambda) of every eigenvalue of the normal part of HiPPO-LegS, from which S5 starts."""

# rate * step is held inside [1e-5, 20], where exp(-rate * step) is neither 1 nor 0 in float32. Time
# constants of 0.05 and of 100,000 steps behave as none and as endless ones do, so nothing is lost.
_LOG_EXPONENT_MIN: Final = math.log(1e-5)
_LOG_EXPONENT_MAX: Final = math.log(20.0)


def zero_order_hold(log_rate: Float[Tensor, " P"], log_step: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
    """Decay per control step of a stable pole under a zero-order hold (S5).

    a = exp(lambda * dt), with lambda = -exp(log_rate) < 0 and dt = exp(log_step): negative by
    construction, whatever the optimiser does. The hold's own input factor, (a - 1) / lambda, is not
    used: `unit_variance_gain` takes its place.

    Args:
        log_rate: log(-lambda) of each pole.
        log_step: log of each state's step size, in control steps.

    Returns:
        Decays, strictly inside (0, 1) in float32. The product rate * dt is clamped to [1e-5, 20];
        outside, the gradient is zero.
    """
    exponent = torch.exp(torch.clamp(log_rate + log_step, _LOG_EXPONENT_MIN, _LOG_EXPONENT_MAX))
    return torch.exp(-exponent)


def unit_variance_gain(decay: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
    """Input gain that gives the state unit variance for white inputs (LRU).

    Var h = gain^2 / (1 - a^2) for inputs of unit variance, so gain = sqrt(1 - a^2). Without it the
    slow states would be the loudest by far: at a = exp(-1/200) their deviation is 10.

    Args:
        decay: decays in (0, 1).

    Returns:
        Gains in (0, 1).
    """
    # (1 - a)(1 + a) keeps the digits that 1 - a^2 loses as a approaches 1.
    return torch.sqrt(-(decay - 1.0) * (decay + 1.0))


def hippo_log_steps(
    states: int, min_step: float, max_step: float, generator: torch.Generator
) -> Float[Tensor, " P"]:
    """Log step sizes uniform in [log min_step, log max_step] (S5).

    With poles at -HIPPO_RATE the time constants are then log-uniform in
    [1 / (HIPPO_RATE * max_step), 1 / (HIPPO_RATE * min_step)] control steps.

    Args:
        states: number of states P.
        min_step: smallest step, above 0.
        max_step: largest step.
        generator: source of the draws.
    """
    low, high = math.log(min_step), math.log(max_step)
    return low + (high - low) * _stratified_uniform(states, generator)


def ring_log_steps(
    states: int, min_step: float, max_step: float, generator: torch.Generator
) -> Float[Tensor, " P"]:
    """Log step sizes that make a^2 uniform between its two extremes (LRU).

    The extremes are those of `hippo_log_steps`, a = exp(-HIPPO_RATE * step). Most states are then
    short-lived: the ring suits tasks whose evidence is recent.

    Args:
        states: number of states P.
        min_step: smallest step, above 0.
        max_step: largest step.
        generator: source of the draws.
    """
    low, high = math.exp(-2 * HIPPO_RATE * max_step), math.exp(-2 * HIPPO_RATE * min_step)
    squared_radius = low + (high - low) * _stratified_uniform(states, generator)
    return torch.log(-torch.log(squared_radius) / (2 * HIPPO_RATE))


def _stratified_uniform(count: int, generator: torch.Generator) -> Float[Tensor, " P"]:
    """One draw from each of `count` equal parts of [0, 1]: few states still cover the range."""
    return (torch.arange(count) + torch.rand(count, generator=generator)) / count


LOG_STEP_DRAWS: Final[dict[str, Callable[[int, float, float, torch.Generator], Tensor]]] = {
    "hippo": hippo_log_steps,
    "ring": ring_log_steps,
}
"""Initialisations of the step sizes by name."""


def diagonal_scan(
    decay: Float[Tensor, " P"],
    inputs: Float[Tensor, "T B P"],
    keep: Float[Tensor, "T B 1"],
    initial: Float[Tensor, "B P"],
) -> Float[Tensor, "T B P"]:
    """States h_t = decay * keep_t * h_{t-1} + inputs_t, with h_{-1} = initial.

    One fused multiply-add a step, forward and backward. Steps at which no world is reset skip the
    multiplication by `keep`. No gradient reaches `keep`; a second derivative raises an error (use
    `diagonal_scan_reference`).

    Args:
        decay: decay of each state.
        inputs: inputs of the states, T >= 1.
        keep: 1 - starts; 0 clears the memory before that step reads it.
        initial: state before the first step.

    Returns:
        The state after each step.
    """
    reset_steps = (keep != 1).flatten(1).any(1).nonzero().flatten().tolist()
    states: Tensor = _DiagonalScan.apply(  # type: ignore[no-untyped-call]
        decay, inputs, keep, initial, frozenset(reset_steps)
    )
    return states


def diagonal_scan_reference(
    decay: Float[Tensor, " P"],
    inputs: Float[Tensor, "T B P"],
    keep: Float[Tensor, "T B 1"],
    initial: Float[Tensor, "B P"],
) -> Float[Tensor, "T B P"]:
    """`diagonal_scan` as a plain loop: slower, and differentiable any number of times."""
    state, states = initial, []
    for now, kept in zip(inputs.unbind(0), keep.detach().unbind(0), strict=True):
        state = torch.addcmul(now, decay, kept * state)
        states.append(state)
    return torch.stack(states)


@final
class _DiagonalScan(torch.autograd.Function):
    """Sequential scan with a hand-written backward.

    With g_t the gradient that arrives at h_t, and G_t the whole one,

        G_t = g_t + a * keep_{t+1} * G_{t+1}
        d inputs_t = G_t,   d a = sum_t G_t * keep_t * h_{t-1},   d initial = a * keep_0 * G_0.
    """

    @staticmethod
    def forward(
        decay: Tensor, inputs: Tensor, keep: Tensor, initial: Tensor, reset_steps: frozenset[int]
    ) -> Tensor:
        states = torch.empty_like(inputs, memory_format=torch.contiguous_format)
        state = initial
        for t, (now, out) in enumerate(zip(inputs.unbind(0), states.unbind(0), strict=True)):
            if t in reset_steps:
                state = keep[t] * state
            state = torch.addcmul(now, decay, state, out=out)
        return states

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Tensor, frozenset[int]], output: Tensor
    ) -> None:
        decay, _, keep, initial, reset_steps = inputs
        ctx.save_for_backward(decay, keep, initial, output)
        ctx.reset_steps = reset_steps

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor, Tensor, None, Tensor | None, None]:
        decay, keep, initial, states = ctx.saved_tensors
        totals = torch.empty_like(states)
        arriving, rows = grad_states.unbind(0), totals.unbind(0)
        total = rows[-1].copy_(arriving[-1])
        for t in range(len(rows) - 2, -1, -1):
            if t + 1 in ctx.reset_steps:
                total = keep[t + 1] * total
            total = torch.addcmul(arriving[t], decay, total, out=rows[t])

        first = keep[0] * rows[0]  # [B, P]
        terms = totals[1:] * states[:-1]  # [T - 1, B, P]
        for t in ctx.reset_steps - {0}:
            terms[t - 1] *= keep[t]
        grad_decay = terms.flatten(0, 1).sum(0) + (first * initial).sum(0)
        grad_initial = decay * first if ctx.needs_input_grad[3] else None
        return grad_decay, totals, None, grad_initial, None
