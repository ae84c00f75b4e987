"""The plain form of a cloned state: named arrays and JSON, so that it can be stored without pickles.

    arrays, outline = to_plain(env.clone_state())
    env.restore_state(from_plain(arrays, outline))

`arrays` may go into `numpy.savez` or safetensors, `outline` into JSON; reading them back executes no code.
What comes back is the same bit for bit: arrays with their dtypes, numbers, and which container held them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.options import Options

Arrays = dict[str, NDArray[Any]]
_SETS_OF_ROLES = ("absent_roles", "muted_roles")


def to_plain(state: Any) -> tuple[Arrays, dict[str, Any]]:
    """Arrays by path, and the outline that holds them together.

    Args:
        state: nested dicts (with string keys), lists and tuples of arrays, numbers, strings, None and
            `Options`: what `clone_state` gives.

    Returns:
        Path, such as `game/trials/clock`, to array (fresh copies); and an outline of JSON values.

    Raises:
        TypeError: something that has no plain form; the message names its path and type.
    """
    arrays: Arrays = {}
    return arrays, _outline(state, "", arrays)


def from_plain(arrays: Mapping[str, NDArray[Any]], outline: Mapping[str, Any]) -> Any:
    """The state that `to_plain` was given; arrays are fresh copies.

    Args:
        arrays: by path, of any shape, as `to_plain` gave them.
        outline: what `to_plain` gave with them, JSON values.

    Raises:
        ValueError: an array that the outline names is missing, or the outline is none of ours.
    """
    match outline:
        case {"array": path}:
            if path not in arrays:
                raise ValueError(f"array {path!r} is missing; the outline of the state names it")
            return np.array(arrays[path])
        case {"value": value}:
            return value
        case {"dict": items}:
            return {key: from_plain(arrays, item) for key, item in items.items()}
        case {"list": items}:
            return [from_plain(arrays, item) for item in items]
        case {"tuple": items}:
            return tuple(from_plain(arrays, item) for item in items)
        case {"options": values}:
            sets = {name: frozenset(values[name]) for name in _SETS_OF_ROLES}
            return Options(**{**values, **sets})
    raise ValueError(f"outline {outline!r}: not one that to_plain makes")


def _outline(state: Any, path: str, arrays: Arrays) -> dict[str, Any]:
    if isinstance(state, np.ndarray) and state.dtype != object:
        arrays[path] = np.array(state, order="C")
        return {"array": path}
    if state is None or type(state) in (bool, int, float, str):
        return {"value": state}
    if isinstance(state, Options):
        values = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
        return {"options": {k: sorted(v) if k in _SETS_OF_ROLES else v for k, v in values.items()}}
    if isinstance(state, dict) and all(isinstance(key, str) for key in state):
        return {"dict": {key: _outline(item, _below(path, key), arrays) for key, item in state.items()}}
    if type(state) in (list, tuple):
        items = [_outline(item, _below(path, str(i)), arrays) for i, item in enumerate(state)]
        return {type(state).__name__: items}
    raise TypeError(f"state at {path or 'its top'!r}: {type(state).__name__} has no plain form")


def _below(path: str, key: str) -> str:
    return f"{path}/{key}" if path else key
