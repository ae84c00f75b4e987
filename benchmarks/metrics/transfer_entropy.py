"""Transfer entropy between roles: what one role's output now adds to the other's next, beyond its own now.

    TE(X -> Y) = I(X_t; Y_{t+1} | Y_t)      nats, >= 0 (Schreiber 2000)

One lag: what is posted at t is observed at t + 1. It misleads where a third party drives both with different
delays (the body, the clock), where Y's own past reaches further back than one step, and where X reads Y's
state: then it is positive without a message. The verdict compares it with messages of other trials.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.metrics.entropy import Entropy, mutual_information
from benchmarks.metrics.gaussian_copula import gaussian_entropy

Array = NDArray[np.float64]


def transfer_entropy(
    entropy: Entropy,
    source: Sequence[int],
    target_now: Sequence[int],
    target_next: Sequence[int],
    given: Sequence[int] = (),
) -> Array:
    """TE from variables named by index, conditioned on others where given, nats [...]."""
    return mutual_information(entropy, source, target_next, (*target_now, *given))


def series_transfer_entropy(source: ArrayLike, target: ArrayLike, given: ArrayLike | None = None) -> Array:
    """TE of series [..., T, W, d], pooled over worlds and steps and never across the end of one.

    Args:
        source, target: outputs of the two roles.
        given: what else is known at t [..., T, W, s], such as state and channel noise.
    """
    x, y = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    variables = [pooled(x[..., :-1, :, :]), pooled(y[..., :-1, :, :]), pooled(y[..., 1:, :, :])]
    if given is not None:
        variables.append(pooled(np.asarray(given, dtype=np.float64)[..., :-1, :, :]))
    return transfer_entropy(gaussian_entropy(variables), (0,), (1,), (2,), (3,) if given is not None else ())


def pooled(series: ArrayLike) -> Array:
    """Series [..., T, W, d] as samples [..., T W, d]."""
    array = np.asarray(series, dtype=np.float64)
    return array.reshape(*array.shape[:-3], array.shape[-3] * array.shape[-2], array.shape[-1])
