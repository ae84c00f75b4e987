"""Leading principal components: a role's output in few numbers, so that entropies need few samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def principal_directions(samples: ArrayLike, count: int) -> Array:
    """The `count` directions [d, count] in which samples [..., d] vary most; all of them where d <= count."""
    values = np.asarray(samples, dtype=np.float64)
    values = values.reshape(-1, values.shape[-1])
    if values.shape[1] <= count:
        return np.eye(values.shape[1])
    _, vectors = np.linalg.eigh(np.cov(values, rowvar=False))
    return np.asarray(vectors[:, ::-1][:, :count])


def principal_components(samples: ArrayLike, count: int) -> Array:
    """Coordinates [..., count] of samples [..., d], each scaled to unit variance, in their first directions.

    What does not vary stays as it is.
    """
    values = np.asarray(samples, dtype=np.float64)
    deviation = values.reshape(-1, values.shape[-1]).std(0)
    scaled = values / np.where(deviation > 0.0, deviation, 1.0)
    return np.asarray(scaled @ principal_directions(scaled, count))
