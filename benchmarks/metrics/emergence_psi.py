"""Causal emergence: does the team's joint output foretell itself, or the roles, better than the roles do?

With parts X_i at t, a macroscopic variable V = f(X) and primes for t + 1:

    Psi   = I(V; V') - sum_i I(X_i; V')                       > 0: V foretells itself beyond the parts
    Delta = max_j [ I(V; X_j') - sum_i I(X_i; X_j') ]         > 0: V foretells a part beyond the parts
    Gamma = max_j I(V; X_j')                                  ~ 0 beside Psi > 0: causal decoupling

Nats. Redundant parts are counted n times in the sums, so the corrected forms give the smallest information
back n - 1 times:

    Psi1   = Psi + (n - 1) min_i I(X_i; V')
    Delta1 = max_j [ I(V; X_j') - sum_i I(X_i; X_j') + (n - 1) min_i I(X_i; X_j') ]

Source: Rosas, Mediano et al. 2020, "Reconciling emergences"; the corrections: Mediano et al. 2022.

They mislead. Psi > 0 is sufficient for emergence, not necessary, and of *independent* slow parts the sum V
has Psi > 0 too: five independent AR(1) units (a = .8) +0.168, five strongly coupled ones -0.711, and a
shuffle of time does not catch it. So Psi1 is shown minus its mean over per-part circular shifts within the
trial, V recomputed from the shifted parts; and as the body drives all parts at once, the verdict compares
with the same team under messages of other trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.metrics.entropy import Entropy, mutual_information
from benchmarks.metrics.gaussian_copula import RIDGE, gaussian_entropy
from benchmarks.metrics.transfer_entropy import pooled

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Emergence:
    """The criteria of causal emergence, nats [...].

    Attributes:
        psi, delta, gamma: as defined.
        psi_corrected, delta_corrected: with the redundancy correction.
    """

    psi: Array
    psi_corrected: Array
    delta: Array
    delta_corrected: Array
    gamma: Array


def emergence(entropy: Entropy, n: int) -> Emergence:
    """Psi, Delta, Gamma of variables in the order X_1..X_n, V, X_1'..X_n', V'."""
    macro, after, macro_after = n, tuple(range(n + 1, 2 * n + 1)), 2 * n + 1
    to_macro = np.stack([mutual_information(entropy, (i,), (macro_after,)) for i in range(n)])
    to_parts = np.stack(
        [np.stack([mutual_information(entropy, (i,), (j,)) for i in range(n)]) for j in after]
    )  # [j, i, ...]
    macro_to_parts = np.stack([mutual_information(entropy, (macro,), (j,)) for j in after])
    psi = mutual_information(entropy, (macro,), (macro_after,)) - to_macro.sum(0)
    delta = macro_to_parts - to_parts.sum(1)
    return Emergence(
        psi=psi,
        psi_corrected=psi + (n - 1) * to_macro.min(0),
        delta=delta.max(0),
        delta_corrected=(delta + (n - 1) * to_parts.min(1)).max(0),
        gamma=macro_to_parts.max(0),
    )


def series_emergence(
    parts: Sequence[ArrayLike], macro: ArrayLike, *, copula: bool = True, ridge: float = RIDGE
) -> Emergence:
    """The same from series: parts [..., T, W, d_i] and V [..., T, W, v], pairs never across a trial's end."""
    now = [np.asarray(p, dtype=np.float64)[..., :-1, :, :] for p in (*parts, macro)]
    then = [np.asarray(p, dtype=np.float64)[..., 1:, :, :] for p in (*parts, macro)]
    entropy = gaussian_entropy([pooled(v) for v in (*now, *then)], copula=copula, ridge=ridge)
    return emergence(entropy, len(parts))
