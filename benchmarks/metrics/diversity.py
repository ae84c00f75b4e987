"""System neural diversity: how differently roles act that share an action space.

    SND = 2 / (n (n - 1)) sum over pairs i < j of E_o W2(pi_i(. | o), pi_j(. | o))

W2 of diagonal Gaussians: sqrt(|mu_i - mu_j|^2 + |sigma_i - sigma_j|^2). In units of the action, >= 0; 0 for
equal policies. Source: Bettini et al. 2023, "System neural diversity".

Undefined across different action spaces: of the acting roles only the two torque proposals, prior and
correction, share one; belief, trust and proposal are not reported. The two see almost the same (the
correction sees the last prior too), so each acts on its own observation of the same moment. It misleads as
large values need no division of labour: two noises differ. The verdict asks whether the two are told apart
at all, by an energy statistic between trials against their labels swapped trial by trial.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.metrics.finding import LEVEL, Finding
from benchmarks.metrics.nulls import rank_p, task_interval

Array = NDArray[np.float64]


def wasserstein(mean: ArrayLike, std: ArrayLike, other_mean: ArrayLike, other_std: ArrayLike) -> Array:
    """2-Wasserstein distance between diagonal Gaussians [..., A] -> [...]."""
    shift = np.square(np.asarray(mean, dtype=np.float64) - np.asarray(other_mean)).sum(-1)
    spread = np.square(np.asarray(std, dtype=np.float64) - np.asarray(other_std))
    return np.asarray(np.sqrt(shift + spread.sum(-1)))


def system_neural_diversity(means: ArrayLike, deviations: ArrayLike) -> Array:
    """SND of n policies at the same moments: means and deviations [n, ..., A] -> [...].

    Raises:
        ValueError: fewer than two policies.
    """
    mean, std = np.asarray(means, dtype=np.float64), np.asarray(deviations, dtype=np.float64)
    n = len(mean)
    if n < 2:
        raise ValueError(f"diversity of {n} policy: give at least two that share an action space")
    pairs = [wasserstein(mean[i], std[i], mean[j], std[j]) for i in range(n) for j in range(i)]
    return np.asarray(np.mean(pairs, axis=0))


def diversity(
    first: ArrayLike,
    second: ArrayLike,
    deviations: tuple[ArrayLike, ArrayLike],
    rng: np.random.Generator,
    *,
    permutations: int = 199,
) -> Finding:
    """SND of the two torque proposals, means [T, N, J, m] each, deviations [m] each.

    Null: both are draws of one behaviour, so that which is which may be swapped in any trial.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    stds = tuple(np.broadcast_to(np.asarray(d, dtype=np.float64), a.shape) for d in deviations)
    per_task = system_neural_diversity(np.stack([a, b]), np.stack(stds)).mean((0, 2))
    value = float(per_task.mean())
    distances = _distances(np.stack([a, b]))
    found = _energy(distances, np.zeros(a.shape[1:3], dtype=np.int64))
    null = [_energy(distances, rng.integers(0, 2, a.shape[1:3])) for _ in range(permutations)]
    p = rank_p(found, null)
    return Finding(
        "diversity of prior and correction",
        value,
        "units of action",
        *task_interval(per_task, rng),
        p,
        "which proposal is which swapped trial by trial",
        "effect" if p <= LEVEL else "no evidence",
        f"The two torque proposals lie {value:.3f} apart and "
        + ("are told apart: the roles do different things." if p <= LEVEL else "are not told apart.")
        + " The other roles' action spaces differ, so no diversity is defined for them.",
    )


def _distances(series: Array) -> Array:
    """Mean distance between proposals of two trials of a task: [2, T, N, J, m] -> [N, 2 J, 2 J]."""
    _, T, N, J, _ = series.shape
    flat = series.transpose(2, 0, 3, 1, 4).reshape(N, 2 * J, T, -1)
    rows = [np.linalg.norm(flat[:, i : i + 1] - flat, axis=-1).mean(-1) for i in range(2 * J)]
    return np.stack(rows, axis=1)


def _energy(distances: Array, swapped: NDArray[np.int64]) -> float:
    """2 E d(A, B) - E d(A, A') - E d(B, B'), always between different trials; `swapped` [N, J] is 0 or 1."""
    N, J = swapped.shape
    trial = np.arange(J)
    label = np.concatenate([swapped, 1 - swapped], axis=1)  # of entry (role, trial)
    differs = np.tile(trial, 2)[:, None] != np.tile(trial, 2)
    same = label[:, :, None] == label[:, None, :]
    sign = np.where(same, -1.0, 1.0) * differs
    return float((distances * sign).sum() / (N * J * max(1, J - 1)))
