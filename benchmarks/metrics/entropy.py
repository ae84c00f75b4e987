"""Joint entropies as a function of which variables are meant, and what follows from them alone.

The measures of information take any such function, so that the same line of mathematics is tested on a
table of probabilities, whose answers are known exactly, and used on samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Entropy = Callable[[Sequence[int]], Array]  # joint entropy of some of the variables, nats [...]


def mutual_information(entropy: Entropy, x: Sequence[int], y: Sequence[int], z: Sequence[int] = ()) -> Array:
    """I(X; Y | Z) = H(XZ) + H(YZ) - H(XYZ) - H(Z), nats [...], of variables given by their numbers."""
    x, y, z = tuple(x), tuple(y), tuple(z)
    return np.asarray(entropy(x + z) + entropy(y + z) - entropy(x + y + z) - entropy(z))


@dataclass(frozen=True)
class TableEntropy:
    """Entropies of discrete variables from their joint probabilities.

    Attributes:
        table: probabilities, an axis a variable; they sum to 1.
    """

    table: Array

    def __call__(self, variables: Sequence[int]) -> Array:
        """Joint entropy, nats."""
        others = tuple(axis for axis in range(self.table.ndim) if axis not in set(variables))
        p = self.table.sum(axis=others).reshape(-1)
        p = p[p > 0]
        return np.asarray(-(p * np.log(p)).sum())


def table_entropy(outcomes: ArrayLike, probabilities: ArrayLike | None = None) -> TableEntropy:
    """Entropies of outcomes [M, n] (small whole numbers), equally likely unless probabilities [M] are given.

    Given samples, it is the plug-in estimate: biased by about (cells - 1) / 2M (Miller 1955).
    """
    cells = np.asarray(outcomes, dtype=np.int64)
    p = np.full(len(cells), 1.0 / len(cells)) if probabilities is None else np.asarray(probabilities, float)
    table = np.zeros(cells.max(axis=0) + 1)
    np.add.at(table, tuple(cells.T), p)
    return TableEntropy(table)
