"""The door for actions: what is not a finite vector of the right size is refused, the rest is clipped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLOAT32 = np.dtype(np.float32)


def checked_action(scenario: str, agent: str, action: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """`action` as a fresh float32 array of `shape`, clipped to [-1, 1].

    Lists and other dtypes are taken; a 0-d or differently nested array is taken where it has as many numbers.

    Raises:
        ValueError: not numeric, of another size, or not finite; the message names agent and value.
    """
    try:
        array = np.asarray(action)
        if array.dtype.kind == "O":  # a list of tensors or of other numbers
            array = array.astype(np.float64)
        if array.dtype.kind not in "fiub":  # text would convert, a complex number would lose a part
            raise TypeError
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"{scenario}: action of {agent} is {action!r}; numbers of shape {shape} are expected"
        ) from None
    if array.shape != shape:
        single = int(np.prod(shape)) == array.size and (len(shape) == 1 or shape[0] == 1)
        if not single:
            raise ValueError(f"{scenario}: action of {agent} has shape {array.shape}; {shape} is expected")
        array = array.reshape(shape)
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(
            f"{scenario}: action of {agent} is {array[where]} at index {where}; "
            "finite numbers in [-1, 1] are expected"
        )
    # Clipping comes before the cast: a large float64 would overflow to infinity.
    clipped: NDArray[np.float32] = np.clip(array, -1.0, 1.0).astype(np.float32)
    return clipped


def are_plain(actions: Sequence[Any], shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether all `actions` are float32 arrays of their `shapes`, which need no conversion."""
    for action, shape in zip(actions, shapes, strict=True):
        if type(action) is not np.ndarray or action.shape != shape or action.dtype != _FLOAT32:
            return False
    return True


def check_agents(scenario: str, given: Iterable[str], expected: Iterable[str]) -> None:
    """Raise a ValueError that names the agents that are missing or unknown."""
    given, expected = list(given), list(expected)
    missing = [agent for agent in expected if agent not in given]
    unknown = [agent for agent in given if agent not in expected]
    if missing:
        raise ValueError(f"{scenario}: no action for {', '.join(missing)}; every agent acts in every step")
    if unknown:
        raise ValueError(
            f"{scenario}: actions for unknown agent {', '.join(map(repr, unknown))}; "
            f"the agents are {', '.join(expected)}"
        )


def check_mapping(scenario: str, actions: Any) -> Mapping[str, Any]:
    """`actions` if it maps agents to actions, else an error."""
    if not isinstance(actions, Mapping):
        raise ValueError(
            f"{scenario}: actions are {type(actions).__name__}; a dict from agent to action is expected"
        )
    return actions
