"""Positive signalling: does the belief tell what only the sender can know?

    I(belief; hidden task)                     against the tasks permuted
    I(belief innovation; hidden velocities)    against the trials of a task permuted

Gaussian-copula information, nats, >= 0 but for noise; reported minus the mean of its null, as time series
have fewer samples than steps. Source: Lowe et al. 2019, "On the pitfalls of measuring emergent
communication".

Velocities are centred on their task and step, and the belief is regressed on its own past first: where
listeners obey a babbling sender, the body follows the belief, and a plain correlation would say that the
belief tells of the body. It misleads where the relation is not monotone (see the nearest-neighbour value
beside it), and it says nothing of anyone listening: alone it is an association.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.metrics.conditioning import residuals
from benchmarks.metrics.finding import LEVEL, Finding
from benchmarks.metrics.gaussian_copula import RIDGE, normal_scores
from benchmarks.metrics.nulls import jackknife_interval, rank_p
from benchmarks.metrics.surrogates import permuted_within

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


def task_signalling(
    belief: ArrayLike, task: ArrayLike, rng: np.random.Generator, *, permutations: int = 199
) -> Finding:
    """Information on the hidden task in the belief.

    Args:
        belief: [T, N, J, d].
        task: what identifies the task, such as cosine and sine of an angle [N, k].
        rng: source of the permutations of tasks.
        permutations: how many.
    """
    beliefs, tasks = np.asarray(belief, dtype=np.float64), np.asarray(task, dtype=np.float64)
    T, N, J, _ = beliefs.shape
    spread = np.broadcast_to(tasks[None, :, None, :], (T, N, J, tasks.shape[1]))
    found, null, left_out = _against(
        beliefs.swapaxes(0, 1).reshape(N, T * J, -1),
        spread.swapaxes(0, 1).reshape(N, T * J, -1),
        lambda: rng.permutation(N),
        permutations,
        np.arange(N),
    )
    return _finding("hidden task", "tasks permuted", found, null, left_out)


def velocity_signalling(
    belief: ArrayLike, velocities: ArrayLike, rng: np.random.Generator, *, permutations: int = 199
) -> Finding:
    """Information on the hidden velocities in what is new in the belief.

    Args:
        belief: as posted at t [T, N, J, d].
        velocities: as the sender saw them at t [T, N, J, v].
        rng: source of the permutations of trials within a task.
        permutations: how many.
    """
    beliefs, speeds = np.asarray(belief, dtype=np.float64), np.asarray(velocities, dtype=np.float64)
    T, N, J, d = beliefs.shape
    new = residuals(beliefs[1:].reshape(-1, d), beliefs[:-1].reshape(-1, d), squares=False)
    new = new.reshape(T - 1, N, J, d)
    new = new - new.mean(2, keepdims=True)
    speeds = (speeds - speeds.mean(2, keepdims=True))[1:]
    groups = np.repeat(np.arange(N), J)
    found, null, left_out = _against(
        new.reshape(T - 1, N * J, d).swapaxes(0, 1),
        speeds.reshape(T - 1, N * J, -1).swapaxes(0, 1),
        lambda: permuted_within(groups, rng),
        permutations,
        groups,
    )
    return _finding("hidden velocities", "trials of a task permuted", found, null, left_out)


def _against(
    x: Array, y: Array, permutation: Callable[[], Indices], permutations: int, groups: Indices
) -> tuple[float, Array, Array]:
    """I(X; Y) of units [U, n, d], its values with Y's units permuted, and with one group left out each."""
    U, n, _ = x.shape
    x, y = (_white(v.reshape(U * n, -1)).reshape(U, n, -1) for v in (x, y))
    found = _information(np.einsum("und,une->de", x, y) / (U * n))
    null = [
        _information(np.einsum("und,une->de", x, y[permutation()]) / (U * n)) for _ in range(permutations)
    ]
    per_unit = np.einsum("und,une->ude", x, y) / n
    labels = np.unique(groups)
    left_out = [_information(per_unit[groups != label].mean(0)) for label in labels]
    return found, np.array(null), np.array(left_out)


def _white(samples: Array) -> Array:
    """Normal scores, made uncorrelated; directions without variance become 0."""
    scores = normal_scores(samples)
    scores = scores - scores.mean(0)
    values, vectors = np.linalg.eigh(scores.T @ scores / len(scores))
    kept = values > RIDGE * max(values.max(), 1e-12)
    result: Array = scores @ vectors[:, kept] / np.sqrt(values[kept]) if kept.any() else 0.0 * scores[:, :1]
    return result


def _information(cross: Array) -> float:
    """-1/2 ln det(I - C' C) of the cross-correlation of white variables, nats."""
    canonical = np.linalg.svd(cross, compute_uv=False)
    return float(-0.5 * np.log1p(-np.minimum(np.square(canonical), 1.0 - RIDGE)).sum())


def _finding(what: str, how: str, found: float, null: Array, left_out: Array) -> Finding:
    p = rank_p(found, null)
    bias = float(null.mean())
    low, high = jackknife_interval(found - bias, left_out - bias)
    told = p <= LEVEL
    value = round(found - bias, 12) + 0.0
    return Finding(
        f"signalling of the {what}",
        value,
        "nats",
        low,
        high,
        p,
        how,
        "association" if told else "no evidence",
        f"The belief {'tells' if told else 'is not shown to tell'} the {what}: {value:.3f} nats a "
        f"step (beyond {abs(bias):.3f} by chance).",
    )
