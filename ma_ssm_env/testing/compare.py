"""Comparison of what environments return: bit for bit, with a message that names the place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

PARTS = (
    "observation",
    "reward",
    "termination",
    "truncation",
    "info",
)  # of a step; a reset has first and last


def difference(a: Any, b: Any, where: str = "") -> str | None:
    """Where and how two nests of arrays and numbers differ, bits and types included; None if nowhere."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if list(a) != list(b):
            return f"{where}: keys {list(a)} and {list(b)}"
        parts = [(a[key], b[key], f"{where}/{key}") for key in a]
        return next((found for part in parts if (found := difference(*part))), None)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        if len(a) != len(b):
            return f"{where}: {len(a)} and {len(b)} items"
        rows = [(x, y, f"{where}[{i}]") for i, (x, y) in enumerate(zip(a, b, strict=True))]
        return next((found for row in rows if (found := difference(*row))), None)
    if type(a) is not type(b):
        return f"{where}: types {type(a).__name__} and {type(b).__name__}"
    if isinstance(a, np.ndarray):
        return _array_difference(a, b, where)
    same = np.float64(a).tobytes() == np.float64(b).tobytes() if isinstance(a, float) else bool(a == b)
    return None if same else f"{where}: {a!r} and {b!r}"


def _array_difference(a: NDArray[Any], b: NDArray[Any], where: str) -> str | None:
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return f"{where}: {a.dtype}{list(a.shape)} and {b.dtype}{list(b.shape)}"
    if a.dtype == object:
        return difference(a.tolist(), b.tolist(), where)
    if a.tobytes() == b.tobytes():
        return None
    bits = [np.frombuffer(np.ascontiguousarray(x).tobytes(), np.uint8).reshape(a.size, -1) for x in (a, b)]
    first = int((bits[0] != bits[1]).any(1).argmax())
    place = ", ".join(str(int(i)) for i in np.unravel_index(first, a.shape))
    return f"{where}[{place}]: {a.flat[first]} and {b.flat[first]}"


def require_same(a: Any, b: Any, when: str, env: Any = None, agents: list[str] | None = None) -> None:
    """Raise an AssertionError unless two results of `step` or `reset` agree bit for bit.

    Args:
        a: a result.
        b: the other.
        when: the step, for the message.
        env: whose `observation_fields` name the entries of observations.
        agents: compare these alone.
    """
    parts = PARTS if len(a) == len(PARTS) else (PARTS[0], PARTS[-1])
    for part, one, two in zip(parts, a, b, strict=True):
        for agent in agents if agents is not None else dict.fromkeys([*one, *two]):
            if agent not in one or agent not in two:
                raise AssertionError(f"{when}: {part} of {agent} is missing on one side")
            found = difference(one[agent], two[agent])
            if found is not None:
                if part == "observation" and env is not None:
                    found = _by_field(found, one[agent], two[agent], env.observation_fields(agent))
                raise AssertionError(f"{when}: {part} of {agent} differs: {found.removeprefix(': ')}")


def _by_field(found: str, one: Any, two: Any, fields: Mapping[str, slice]) -> str:
    if getattr(one, "shape", None) != getattr(two, "shape", None) or one.dtype != two.dtype:
        return found
    for name, where in fields.items():
        inside = difference(one[..., where], two[..., where], name)
        if inside is not None:
            return inside
    return found


def arrays(nest: Any, name: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """Every array in a nest, of any shape, with the path to it."""
    if isinstance(nest, Mapping):
        for key, item in nest.items():
            yield from arrays(item, f"{name}/{key}")
    elif isinstance(nest, list | tuple) or (isinstance(nest, np.ndarray) and nest.dtype == object):
        for i, item in enumerate(nest):
            yield from arrays(item, f"{name}/{i}")
    elif isinstance(nest, np.ndarray):
        yield name, nest


def spoil(nest: Any) -> None:
    """Write into every array of a nest, and empty its dicts, as a careless consumer would."""
    for _, array in arrays(nest):
        array[...] = 1 if array.dtype == bool else 77
    for item in nest if isinstance(nest, tuple) else (nest,):
        if isinstance(item, dict):
            for inner in item.values():
                if isinstance(inner, dict):
                    inner.clear()
            item.clear()
