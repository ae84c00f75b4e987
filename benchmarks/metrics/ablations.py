"""The ladder of ablations: what is lost when a role or its voice is taken away.

    loss = v(team) - v(team without)      return per inner episode, any sign

Rungs without retraining, on the same worlds and noise: a role is removed (acts 0), frozen (acts by its
initial policy), muted (its posts are received as 0), or all messages come from another trial of the same
task. They show what this team leans on. They mislead about what is needed: the others never trained without
it. The rung with retraining compares runs that were trained without the role; it is the only one by which
the environment role, which acts between trials, can be judged.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.metrics.finding import LEVEL, Finding, effect_verdict
from benchmarks.metrics.nulls import sign_flip_p, task_interval

Array = NDArray[np.float64]
UNIT = "return per inner episode"
MOST_SPLITS = 5000


def ablation(name: str, team: ArrayLike, without: ArrayLike, rng: np.random.Generator) -> Finding:
    """One rung without retraining, from returns [N, J] on the same worlds.

    Null: what was taken away made no difference on average, so per-task losses are symmetric about 0.
    """
    loss = (np.asarray(team, dtype=np.float64) - np.asarray(without, dtype=np.float64)).mean(1)
    p = sign_flip_p(loss, rng, two_sided=True)
    value = float(loss.mean())
    shown = "changes nothing" if not loss.any() else "is not shown to matter"
    if p <= LEVEL:
        shown = "costs" if value > 0 else "gains"
    return Finding(
        name,
        value,
        UNIT,
        *task_interval(loss, rng),
        p,
        "signs of the per-task losses flipped",
        effect_verdict(p),
        f"{name}: {shown}" + (f" {abs(value):.2f}." if p <= LEVEL else f" ({value:.2f})."),
    )


def retrained(name: str, team: ArrayLike, without: ArrayLike, rng: np.random.Generator) -> Finding:
    """The rung with retraining, from runs' returns on the same tasks [R, N] and [R', N].

    Null: which run was trained without is a label; runs are relabelled in all ways (one-sided: that the role
    earns something). With fewer than 3 and 3 runs no p value can reach 0.05, and nothing is judged.
    """
    full, less = np.asarray(team, dtype=np.float64), np.asarray(without, dtype=np.float64)
    values = np.concatenate([full.mean(1), less.mean(1)])
    R, total = len(full), len(full) + len(less)
    value = float(full.mean() - less.mean())
    if min(R, total - R) < 3:
        return Finding(
            name,
            value,
            UNIT,
            float("nan"),
            float("nan"),
            None,
            "runs relabelled",
            "not reported",
            f"{name}: {value:.2f} with {R} and {total - R} runs; to judge it, 3 of each are needed.",
        )
    if comb(total, R) <= MOST_SPLITS:
        chosen = np.zeros((comb(total, R), total), dtype=bool)
        for row, members in zip(chosen, combinations(range(total), R), strict=True):
            row[list(members)] = True
    else:
        chosen = np.array([rng.permutation(total) < R for _ in range(MOST_SPLITS)])
        chosen[0] = np.arange(total) < R
    null = chosen @ values / R - ~chosen @ values / (total - R)
    p = float((null >= value - 1e-12 * (1.0 + abs(value))).mean())
    first = rng.integers(0, R, (2000, R))
    second = rng.integers(R, total, (2000, total - R))
    draws = values[first].mean(1) - values[second].mean(1)
    low, high = np.percentile(draws, [2.5, 97.5])
    shown = "costs" if p <= LEVEL else "is not shown to cost anything:"
    return Finding(
        name,
        value,
        UNIT,
        float(low),
        float(high),
        p,
        "runs relabelled",
        effect_verdict(p),
        f"{name}: {shown} {value:.2f}, over {R} and {total - R} runs.",
    )
