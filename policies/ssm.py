"""Diagonal state-space models, real and complex: discretisation and initialisation; `scan.py` runs them.

Pure functions. `P` counts real states; complex ones lie in conjugate pairs, of which one is kept: P / 2
complex numbers, their parts side by side as (re, im, re, im, ...).

References:
    HiPPO: Gu et al. (2020), HiPPO: Recurrent Memory with Optimal Polynomial Projections.
    S4D: Gu et al. (2022), On the Parameterization and Initialization of Diagonal State Space Models.
    S5: Smith, Warrington and Linderman (2023), Simplified State Space Layers for Sequence Modeling.
    LRU: Orvieto et al. (2023), Resurrecting Recurrent Neural Networks for Long Sequences.
"""

# ruff: noqa: F722  (the shapes in annotations are jaxtyping's, not forward references)

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "FREQUENCY_DRAWS",
    "GAINS",
    "HIPPO_RATE",
    "LOG_STEP_DRAWS",
    "InputGain",
    "complex_gain",
    "complex_zero_order_hold",
    "hippo_frequencies",
    "hippo_log_steps",
    "ring_frequencies",
    "ring_log_steps",
    "unit_peak_gain",
    "unit_variance_gain",
    "zero_order_hold",
    "zero_order_hold_slope",
]

HIPPO_RATE: Final = 0.5
"""-Re(lambda) of every eigenvalue of the normal part of HiPPO-LegS, from which S5 starts."""

_HIPPO_BLOCK: Final = 8
"""States of a HiPPO block: its eigenvalues turn at most six times in their time constant."""

# rate * step is held inside [1e-5, 20], where exp(-rate * step) is neither 1 nor 0 in float32. Time
# constants of 0.05 and of 100,000 steps behave as none and as endless ones do, so nothing is lost.
_LOG_EXPONENT_MIN: Final = math.log(1e-5)
_LOG_EXPONENT_MAX: Final = math.log(20.0)


def zero_order_hold(log_rate: Float[Tensor, " P"], log_step: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
    """Decay per control step of a stable pole under a zero-order hold (S5).

    a = exp(lambda * dt), with lambda = -exp(log_rate) < 0 and dt = exp(log_step): negative by
    construction, whatever the optimiser does. In place of the hold's own input factor, (a - 1) / lambda,
    stands one of `GAINS`, which does not depend on lambda apart from a.

    Args:
        log_rate: log(-lambda) of each pole.
        log_step: log of each state's step size, in control steps.

    Returns:
        Decays, strictly inside (0, 1) in float32. The product rate * dt is clamped to [1e-5, 20];
        outside, the gradient is zero.
    """
    exponent = torch.exp(torch.clamp(log_rate + log_step, _LOG_EXPONENT_MIN, _LOG_EXPONENT_MAX))
    return torch.exp(-exponent)


def zero_order_hold_slope(
    log_rate: Float[Tensor, " P"], log_step: Float[Tensor, " P"], decay: Float[Tensor, " P"]
) -> Float[Tensor, " P"]:
    """Derivative of `decay`, `zero_order_hold` of the two logarithms, by either of them."""
    total = log_rate + log_step
    clamped = torch.clamp(total, _LOG_EXPONENT_MIN, _LOG_EXPONENT_MAX)
    return torch.exp(clamped) * decay * (clamped == total) * -1.0


def unit_peak_gain(decay: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
    """Input gain with which a constant input drives the state to its own size: 1 - a.

    It is the input factor of the zero-order hold (S5) times the rate. Of a complex pole, with |a| for a, it
    gives an input that turns as the state does amplitude 1; any other gets less. Sensors are anything but
    white: with `unit_variance_gain` a constant becomes sqrt((1 + a) / (1 - a)) times as large, 20 times at
    a = exp(-1/200), and the features of slow states drown the others.

    Args:
        decay: decays in (0, 1).

    Returns:
        Gains in (0, 1).
    """
    return 1.0 - decay


def unit_variance_gain(decay: Float[Tensor, " P"]) -> Float[Tensor, " P"]:
    """Input gain that gives the state unit variance for white inputs (LRU).

    Var h = gain^2 / (1 - a^2) for inputs of unit variance, so gain = sqrt(1 - a^2).

    Args:
        decay: decays in (0, 1).

    Returns:
        Gains in (0, 1).
    """
    # (1 - a)(1 + a) keeps the digits that 1 - a^2 loses as a approaches 1.
    return torch.sqrt(-(decay - 1.0) * (decay + 1.0))


class InputGain(NamedTuple):
    """A gain as a function of the decay a, and its derivative.

    Attributes:
        of: a -> gain.
        slope: (a, gain) -> d gain / d a.
    """

    of: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]


GAINS: Final[dict[str, InputGain]] = {
    "peak": InputGain(unit_peak_gain, lambda decay, gain: torch.full_like(gain, -1.0)),
    "variance": InputGain(unit_variance_gain, lambda decay, gain: -decay / gain),
}
"""Input gains by name."""


def complex_zero_order_hold(
    log_rate: Float[Tensor, " P/2"], frequency: Float[Tensor, " P/2"], log_step: Float[Tensor, " P/2"]
) -> Float[Tensor, " P"]:
    """Decay per control step of stable complex poles under a zero-order hold (S5).

    a = exp(lambda * dt), with lambda = -exp(log_rate) + i * frequency: the modulus is `zero_order_hold`'s,
    inside (0, 1) by construction, the angle is frequency * dt with dt clamped to [1e-5, 20].

    Args:
        log_rate: log(-Re lambda) of each pole.
        frequency: Im lambda of each pole.
        log_step: log of each state's step size, in control steps.

    Returns:
        Decays as (re, im, re, im, ...).
    """
    modulus = zero_order_hold(log_rate, log_step)
    angle = frequency * torch.exp(torch.clamp(log_step, _LOG_EXPONENT_MIN, _LOG_EXPONENT_MAX))
    return torch.stack((modulus * torch.cos(angle), modulus * torch.sin(angle)), -1).flatten(-2)


def complex_gain(
    gain: str, log_rate: Float[Tensor, " P/2"], log_step: Float[Tensor, " P/2"]
) -> Float[Tensor, " P"]:
    """One of `GAINS` for complex states: that of |a|, for each part.

    With "variance", for inputs whose parts are independent and white with unit variance, so are the parts of
    the state.
    """
    return GAINS[gain].of(zero_order_hold(log_rate, log_step)).repeat_interleave(2, -1)


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


def hippo_frequencies(log_steps: Float[Tensor, " P/2"], generator: torch.Generator) -> Float[Tensor, " P/2"]:
    """Positive imaginary parts of the eigenvalues of the normal part of HiPPO-LegS (S5).

    The matrix S = A + p p^T of size 8, with A of HiPPO-LegS and p_n = sqrt(n + 1/2), has all its
    eigenvalues at real part -1/2. Its four with positive imaginary part (0.4 to 20) are repeated, one block
    after the other, so that each meets every scale of the sorted step sizes. Larger blocks would turn
    faster than control steps can show.

    Args:
        log_steps: step sizes of the states; only their number matters.
        generator: not drawn from.
    """
    del generator
    n = torch.arange(_HIPPO_BLOCK, dtype=torch.float64)
    # A has -sqrt((2n+1)(2k+1)) below the diagonal and p p^T half of it everywhere: S + 1/2 is skew-symmetric.
    half = 0.5 * torch.sqrt(torch.outer(2 * n + 1, 2 * n + 1))
    skew = half.triu(1) - half.tril(-1)
    positive = torch.linalg.eigvals(skew).imag.sort().values[_HIPPO_BLOCK // 2 :].float()
    repeated: Tensor = positive.repeat(-(-len(log_steps) // len(positive)))
    return repeated[: len(log_steps)]


def ring_frequencies(log_steps: Float[Tensor, " P/2"], generator: torch.Generator) -> Float[Tensor, " P/2"]:
    """Frequencies whose angle per control step is uniform in [0, pi] (LRU; the pair has the other half).

    Args:
        log_steps: step sizes of the states.
        generator: source of the draws.
    """
    angles = math.pi * _stratified_uniform(len(log_steps), generator)
    shuffled = angles[torch.randperm(len(angles), generator=generator)]
    return shuffled * torch.exp(-log_steps)


FREQUENCY_DRAWS: Final[dict[str, Callable[[Tensor, torch.Generator], Tensor]]] = {
    "hippo": hippo_frequencies,
    "ring": ring_frequencies,
}
"""Initialisations of the frequencies of complex poles by name."""
