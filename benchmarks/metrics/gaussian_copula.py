"""Gaussian-copula entropies: ranks become normal scores, and their covariance gives entropies in nats.

    H = 1/2 ln((2 pi e)^d det C),   bias: 1/2 [sum_i psi((n - i) / 2) + d ln(2 / (n - 1))], subtracted

It is a lower bound on information between variables whose marginals are anything, exact if their copula is
Gaussian; in nats, in [0, inf) but for noise of the bias correction. It misses dependence that is not monotone
(XOR of signs): module `nearest_neighbours` cross-checks. The correction assumes independent samples; time
series are not, so a value alone is never a verdict.
Source: Ince et al. 2017, "A statistical framework for neuroimaging data analysis based on mutual information
estimated via a Gaussian copula"; bias: Misra et al. 2005.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, ndtri
from scipy.stats import rankdata

from benchmarks.metrics.entropy import mutual_information

Array = NDArray[np.float64]
# Roles that copy each other exactly would have infinite information; a ridge on the correlations caps it, at
# about 3.1 nats a dimension.
RIDGE = 1e-3


def normal_scores(samples: ArrayLike) -> Array:
    """Normal scores of each column of samples [..., n, D]; ties share their mean rank."""
    values = np.asarray(samples, dtype=np.float64)
    ranks = rankdata(values, axis=-2)
    scores: Array = ndtri(ranks / (values.shape[-2] + 1.0))
    return scores


@dataclass(frozen=True)
class GaussianEntropy:
    """Entropies of blocks of columns under a Gaussian model, for G replicates at once.

    Attributes:
        correlation: of all columns [..., D, D].
        blocks: columns of each variable.
        samples: how many there were, for the bias correction; None: none is made.
    """

    correlation: Array
    blocks: tuple[tuple[int, ...], ...]
    samples: int | None = None

    def __call__(self, variables: Sequence[int]) -> Array:
        """Joint entropy of some of the variables [...], nats; of none, 0."""
        columns = [column for variable in variables for column in self.blocks[variable]]
        if not columns:
            return np.zeros(self.correlation.shape[:-2])
        part = self.correlation[..., columns, :][..., :, columns]
        d = len(columns)
        _, log_determinant = np.linalg.slogdet(part)
        entropy = 0.5 * (log_determinant + d * np.log(2.0 * np.pi * np.e))
        if self.samples is not None:
            n = self.samples
            terms = digamma((n - np.arange(1, d + 1)) / 2.0).sum() + d * np.log(2.0 / (n - 1.0))
            entropy = entropy - 0.5 * terms
        result: Array = np.asarray(entropy)
        return result


def gaussian_entropy(
    variables: Sequence[ArrayLike], *, copula: bool = True, ridge: float = RIDGE, correct_bias: bool = True
) -> GaussianEntropy:
    """Entropies of variables, each [..., n, d], through the Gaussian copula.

    Columns that never change are independent of everything. `copula=False` takes the samples as Gaussian.

    Raises:
        ValueError: no more samples than columns + 1.
    """
    arrays = [np.asarray(v, dtype=np.float64) for v in variables]
    blocks, start = [], 0
    for array in arrays:
        blocks.append(tuple(range(start, start + array.shape[-1])))
        start += array.shape[-1]
    joint = np.concatenate(arrays, axis=-1)
    n = joint.shape[-2]
    if n <= start + 1:
        raise ValueError(f"{n} samples of {start} columns: more samples than columns + 1 are needed")
    if copula:
        joint = normal_scores(joint)
    centred = joint - joint.mean(-2, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(-2, keepdims=True))
    constant = deviation <= 1e-12 * (1.0 + np.abs(joint).max(-2, keepdims=True))
    centred = np.where(constant, 0.0, centred / np.where(constant, 1.0, deviation))
    correlation = np.swapaxes(centred, -1, -2) @ centred / n
    identity = np.eye(start)
    correlation = np.where(identity > 0, 1.0, correlation)
    correlation = (1.0 - ridge) * correlation + ridge * identity
    return GaussianEntropy(correlation, tuple(blocks), n if correct_bias else None)


def gaussian_mutual_information(
    x: ArrayLike, y: ArrayLike, z: ArrayLike | None = None, *, copula: bool = True, ridge: float = RIDGE
) -> Array:
    """I(X; Y) or I(X; Y | Z) of samples [..., n, d], nats, bias-corrected."""
    given = [x, y] if z is None else [x, y, z]
    entropy = gaussian_entropy(given, copula=copula, ridge=ridge)
    return mutual_information(entropy, (0,), (1,), () if z is None else (2,))
