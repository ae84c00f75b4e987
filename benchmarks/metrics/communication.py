"""Positive listening by what it earns, and return against bits sent.

    listening = v(messages as they came) - v(messages of another trial)      return; any sign

The other trial's messages are as real as the own, say as much, and fit as little as the swap says: those of
another task take away what is told of the task, those of the same task only what is told of the trial.
Same worlds, same noise. Sources: Lowe et al. 2019 (positive listening); Rosas, Mediano et al. for the
principle of a null that keeps every driver but one.

It misleads where listeners never met wrong messages in training: they may trust them more than nothing at
all, so listening can be larger than what muting costs. Bits are the channel's nominal capacity: an upper
bound on what was said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.metrics.finding import LEVEL, Finding
from benchmarks.metrics.nulls import sign_flip_p, task_interval

Array = NDArray[np.float64]


def listening(
    what: str, own: ArrayLike, other: ArrayLike, rng: np.random.Generator, *, whose: str
) -> Finding:
    """What it earns that messages are the trial's own, from returns [N, J] each.

    Null: messages that fit no world are as good in any, so differences per task are symmetric about 0.
    """
    difference = (np.asarray(own, dtype=np.float64) - np.asarray(other, dtype=np.float64)).mean(1)
    p = sign_flip_p(difference, rng)
    value = float(difference.mean())
    heard = p <= LEVEL
    return Finding(
        f"listening to {what} (of {whose})",
        value,
        "return per inner episode",
        *task_interval(difference, rng),
        p,
        f"messages of {whose} in the same worlds",
        "coordination" if heard else "no evidence",
        f"Hearing {what} of {whose} instead of the own "
        f"{'costs' if heard else 'is not shown to cost anything:'} "
        f"{value:.2f}.",
    )


@dataclass(frozen=True)
class RatePoint:
    """Return at one rate of the channel.

    Attributes:
        bits: nominal bits a step.
        value: mean return.
        low, high: its interval over tasks.
    """

    bits: float
    value: float
    low: float
    high: float


def return_against_bits(
    bits: ArrayLike, returns: ArrayLike, rng: np.random.Generator
) -> tuple[list[RatePoint], Finding]:
    """The sweep, and whether return rises with bits.

    The finding is the mean over tasks of the slope of a least-squares line through a task's returns against
    the rank of the rate, times the number of steps in rank: about what is gained from least to most.

    Args:
        bits: nominal bits a step at each rate [C], rising.
        returns: returns [C, N, J].
        rng: for signs and intervals.
    """
    sent, values = np.asarray(bits, dtype=np.float64), np.asarray(returns, dtype=np.float64).mean(2)
    points = [
        RatePoint(float(b), float(row.mean()), *task_interval(row, rng))
        for b, row in zip(sent, values, strict=True)
    ]
    rank = np.arange(len(sent)) - (len(sent) - 1) / 2.0
    rise = values - values[:1]  # so that a rate that changes nothing gives exactly 0
    gain = (len(sent) - 1) * (rank @ rise) / np.square(rank).sum()
    p = sign_flip_p(gain, rng)
    value = float(gain.mean())
    return points, Finding(
        "return against bits",
        value,
        "return per inner episode, from least to most bits",
        *task_interval(gain, rng),
        p,
        "signs of the per-task slopes flipped",
        "coordination" if p <= LEVEL else "no evidence",
        f"From {sent[0]:.0f} to {sent[-1]:.0f} nominal bits a step the return "
        + (f"rises by about {value:.2f}." if p <= LEVEL else f"is not shown to rise ({value:.2f})."),
    )
