"""Causal influence: how far a message moves the listener's action distribution.

    influence = KL( p(a | o, m) || 1/J sum_j p(a | o, m_j) )        nats, in [0, ln J]

m is the message that came, m_j the J messages of the pool, m among them: what came in the trials of the same
task at the same step. Averaged over m it is the information that the action carries about the message:
1/2 ln(1 + k^2 / s^2) for a = k m + N(0, s^2). A deaf listener gives exactly 0. Source: Jaques et al. 2019,
"Social influence as intrinsic motivation"; the average over m_j is inside the logarithm (their reference
implementation leaves the sum out, and a deaf listener with 4 messages scores ln 4).

It misleads as it asks for no meaning: a listener that reacts to channel noise, or to a sender that babbles,
is influenced. So for the belief the part that fresh noise alone would give is shown and subtracted, and
whether listening pays is asked by the returns (module `communication`). For policies without a distribution
of their own the deviation is a stated resolution, and values depend on it. Actions are taken unclipped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.metrics.finding import LEVEL, Finding, Verdict
from benchmarks.metrics.nulls import sign_flip_p, task_interval

Array = NDArray[np.float64]


def influence(
    means: ArrayLike, deviation: ArrayLike, rng: np.random.Generator, *, samples: int = 32
) -> Array:
    """Influence of the message that came, by sampling the KL from the listener's own distribution.

    Args:
        means: mean action under each message of the pool [J, ..., A]; the first is the one that came.
        deviation: standard deviation of the actions [A] (or broadcast to [..., A]).
        rng: source of the samples; each is used with both signs.
        samples: how many, even.

    Raises:
        ValueError: a deviation that is not positive.
    """
    mean, std = np.asarray(means, dtype=np.float64), np.asarray(deviation, dtype=np.float64)
    if not (std > 0).all():
        raise ValueError("influence: standard deviations must be positive; give scripted roles a resolution")
    offsets = (mean - mean[:1]) / std  # [J, ..., A]; 0 for the message that came
    half = rng.standard_normal((max(1, samples // 2), *offsets.shape[1:]))
    total = np.zeros(offsets.shape[1:-1])
    for noise in half:
        for z in (noise, -noise):
            # log p(a | m_j) - log p(a | m) at a = mean + std z
            log_ratio = -0.5 * (np.square(z - offsets) - np.square(z)).sum(-1)
            top = log_ratio.max(0)
            total -= top + np.log(np.exp(log_ratio - top).mean(0))
    return total / (2 * len(half))


def belief_finding(
    receiver: str, by_pool: ArrayLike, by_noise: ArrayLike, listening_p: float, rng: np.random.Generator
) -> Finding:
    """Influence of the belief's content on a receiver, per task [N], beyond that of the channel's noise.

    Null: where the content does not differ between trials, messages of the pool differ by channel noise
    alone, so influence by the pool and by fresh noise on the own content are equal in expectation.
    """
    pool, noise = np.asarray(by_pool, dtype=np.float64), np.asarray(by_noise, dtype=np.float64)
    excess = pool - noise
    p = sign_flip_p(excess, rng)
    value = float(excess.mean())
    verdict: Verdict = "no evidence"
    if p <= LEVEL:
        verdict = "coordination" if listening_p <= LEVEL else "association"
    if not pool.any():
        words = f"{receiver} is deaf to the belief: its influence is exactly 0."
    elif p > LEVEL:
        words = f"{receiver} reacts to the channel's noise ({noise.mean():.3f} nats), not to what is said."
    else:
        words = f"What is said moves {receiver} by {value:.3f} nats beyond the channel's noise" + (
            ", and it pays." if verdict == "coordination" else ", but it is not shown to pay."
        )
    return Finding(
        f"influence of belief on {receiver}",
        value,
        "nats",
        *task_interval(excess, rng),
        p,
        "fresh channel noise on the own content",
        verdict,
        words,
    )


def post_finding(
    field: str, receiver: str, by_pool: ArrayLike, listening_p: float, rng: np.random.Generator
) -> Finding:
    """Influence of a field that is read as posted (prior, correction) on a receiver, per task [N].

    There is no noise to subtract: a listener that is deaf to it gives exactly 0. What is judged is whether
    listening pays, by returns with the posts of another task in its place.
    """
    pool = np.asarray(by_pool, dtype=np.float64)
    value = float(pool.mean())
    heard = bool(pool.any())
    verdict: Verdict = "no evidence"
    if heard:
        verdict = "coordination" if listening_p <= LEVEL else "association"
    words = f"{receiver} is deaf to {field}: its influence is exactly 0."
    if heard:
        pays = "and it pays" if verdict == "coordination" else "but it is not shown to pay"
        words = f"{field} moves {receiver} by {value:.3f} nats, {pays}."
    return Finding(
        f"influence of {field} on {receiver}",
        value,
        "nats",
        *task_interval(pool, rng),
        listening_p if heard else 1.0,
        "posts of another task, by returns",
        verdict,
        words,
    )
