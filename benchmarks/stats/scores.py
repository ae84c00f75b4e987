"""The normalised score: 0 is random acting, 1 is the agent that is shown the task."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

CLEAR_GAP = 0.05


def clearly_apart(random: float, oracle: float, *, gap: float = CLEAR_GAP) -> bool:
    """Whether a score can be given: the oracle is above random by at least `gap` of |oracle| + |random|."""
    return (
        bool(np.isfinite(random) and np.isfinite(oracle))
        and oracle - random >= gap * (abs(oracle) + abs(random)) > 0
    )


def normalised_score(returns: ArrayLike, random: float, oracle: float) -> NDArray[np.float64]:
    """Score of each return: (return - random) / (oracle - random).

    Args:
        returns: Returns of any shape.
        random: Return of random acting on the same scenario.
        oracle: Return of the agent that is shown the task.

    Raises:
        ValueError: Random and oracle are not clearly apart.
    """
    if not clearly_apart(random, oracle):
        raise ValueError(
            f"oracle {oracle:g} is not clearly above random {random:g}: no score; measure the references "
            "again"
        )
    return (np.asarray(returns, dtype=np.float64) - random) / (oracle - random)
