"""What is left of a role's output when what all roles share is taken out: state and channel noise.

A linear regression with squares and products: exact where policies are such functions of state and noise, an
approximation elsewhere. It misleads in both ways: roles with memory or other shapes leave a remainder of the
common cause in, and coordination that runs through the state is taken out. A value given the state is
reported beside the plain one; no verdict rests on it alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def residuals(output: ArrayLike, given: ArrayLike, *, squares: bool = True) -> Array:
    """Residuals of samples [n, d] regressed on [n, s], their squares and products, and a constant.

    Raises:
        ValueError: no more samples than regressors.
    """
    y, x = np.asarray(output, dtype=np.float64), np.asarray(given, dtype=np.float64)
    deviation = x.std(0)
    x = (x - x.mean(0))[:, deviation > 0] / deviation[deviation > 0]
    columns = [np.ones((len(x), 1)), x]
    if squares:
        first, second = np.triu_indices(x.shape[1])
        columns.append(x[:, first] * x[:, second])
    design = np.concatenate(columns, axis=1)
    if len(design) <= design.shape[1]:
        raise ValueError(f"{len(design)} samples for {design.shape[1]} regressors: more samples are needed")
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    left: Array = y - design @ coefficients
    return left
