"""Mutual information by nearest neighbours: a cross-check of the copula that sees bent relations.

    I(X; Y)     = psi(k) + psi(n) - <psi(n_x + 1) + psi(n_y + 1)>                 (KSG, algorithm 1)
    I(X; Y | Z) = psi(k) - <psi(n_xz + 1) + psi(n_yz + 1) - psi(n_z + 1)>         (Frenzel and Pompe)

n_x counts the points strictly nearer in X than the k-th neighbour in the joint space, maximum norm. Nats; it
may come out slightly below 0 at independence. It misleads for strong relations (it cannot exceed about
psi(n)), in more than some five dimensions (biased towards 0), and with ties, which a jitter of 1e-8 breaks.
Sources: Kraskov, Stoegbauer, Grassberger 2004, "Estimating mutual information"; Frenzel and Pompe 2007.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from scipy.special import digamma

Array = NDArray[np.float64]


def ksg_mutual_information(
    x: ArrayLike, y: ArrayLike, z: ArrayLike | None = None, *, neighbours: int = 4, seed: int = 0
) -> float:
    """I(X; Y) or I(X; Y | Z) of samples [n, d], nats.

    Raises:
        ValueError: too few samples for so many neighbours.
    """
    rng = np.random.default_rng(seed)
    spaces = [_standardised(v, rng) for v in ([x, y] if z is None else [x, y, z])]
    n, joint = len(spaces[0]), np.concatenate(spaces, axis=1)
    if n <= neighbours:
        raise ValueError(f"{n} samples for {neighbours} neighbours: more are needed")
    radius = cKDTree(joint).query(joint, neighbours + 1, p=np.inf)[0][:, -1]
    inside = np.nextafter(radius, 0.0)
    if z is None:
        counts = [_within(v, inside) for v in spaces]
        value = digamma(neighbours) + digamma(n) - np.mean(digamma(counts[0]) + digamma(counts[1]))
        return float(value)
    a, b, c = spaces
    with_x, with_y = _within(np.concatenate([a, c], 1), inside), _within(np.concatenate([b, c], 1), inside)
    inner = digamma(with_x) + digamma(with_y) - digamma(_within(c, inside))
    return float(digamma(neighbours) - np.mean(inner))


def _standardised(samples: ArrayLike, rng: np.random.Generator) -> Array:
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"samples of shape {values.shape}: [n, d] is expected")
    deviation = values.std(0)
    scaled: Array = (values - values.mean(0)) / np.where(deviation > 0, deviation, 1.0)
    return scaled + 1e-8 * rng.standard_normal(values.shape)


def _within(samples: Array, radius: Array) -> NDArray[np.int64]:
    # The point itself is counted, which is the + 1 of the formulas.
    return np.asarray(cKDTree(samples).query_ball_point(samples, radius, p=np.inf, return_length=True))
