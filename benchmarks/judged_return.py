"""The one number that a trial is judged by, from the returns of its inner episodes."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import ArrayLike, NDArray

_DELAYED = re.compile(r".*Delayed-v\d+")


def judged_by_last(scenario: str) -> bool:
    """Whether the last inner episode alone counts: where the reward is told at the end of an inner episode.

    Those are the ids that end in `Delayed`: their first inner episodes are for finding out.
    """
    return _DELAYED.fullmatch(scenario) is not None


def judged_return(scenario: str, returns: ArrayLike) -> NDArray[np.float64]:
    """The return that a trial is judged by.

    Args:
        scenario: id.
        returns: of each inner episode, [..., K].

    Returns:
        Their mean, [...]; in a `Delayed` scenario the last.
    """
    found = np.asarray(returns, dtype=np.float64)
    judged: NDArray[np.float64] = found[..., -1] if judged_by_last(scenario) else found.mean(axis=-1)
    return judged
