"""O-information and S-information of the roles' outputs: is what they share copied, or only there together?

    S = TC + DTC = sum_i [H(X_i) - H(X_i | X_-i)]           >= 0: how much the roles share at all
    O = TC - DTC = (n - 2) H(X) + sum_i [H(X_i) - H(X_-i)]  > 0: redundancy rules, < 0: synergy rules

with TC = sum_i H(X_i) - H(X) and DTC = H(X) - sum_i H(X_i | X_-i). Nats; O lies in
[-(n - 2) ln k, (n - 2) ln k] for variables of k values. Sources: Rosas, Mediano et al. 2019, "Quantifying
high-order interdependencies via multivariate extensions of the mutual information"; James et al. 2011.

They mislead where roles share a cause: one body, one clock, one task and one draw of channel noise make
outputs of roles that never speak redundant. A value is therefore an association, whatever its size; the
verdict compares it with the same team under messages of other trials (`message_verdict`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.entropy import Entropy

Array = NDArray[np.float64]


def o_information(entropy: Entropy, n: int) -> Array:
    """O-information of variables 0..n-1, nats [...]; 0 by definition for n = 2."""
    everyone = tuple(range(n))
    total = (n - 2) * entropy(everyone)
    for i in everyone:
        total = total + entropy((i,)) - entropy(everyone[:i] + everyone[i + 1 :])
    return np.asarray(total)


def s_information(entropy: Entropy, n: int) -> Array:
    """S-information of variables 0..n-1, nats [...]."""
    everyone = tuple(range(n))
    total = -n * entropy(everyone)
    for i in everyone:
        total = total + entropy((i,)) + entropy(everyone[:i] + everyone[i + 1 :])
    return np.asarray(total)


def total_correlation(entropy: Entropy, n: int) -> Array:
    """TC of variables 0..n-1, nats [...]."""
    return np.asarray(sum(entropy((i,)) for i in range(n)) - entropy(tuple(range(n))))


def dual_total_correlation(entropy: Entropy, n: int) -> Array:
    """DTC of variables 0..n-1, nats [...]."""
    everyone = tuple(range(n))
    whole = entropy(everyone)
    return np.asarray(whole - sum(whole - entropy(everyone[:i] + everyone[i + 1 :]) for i in everyone))
