"""The door for cloned states: one of another kind of environment is refused before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def names_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """The names of a cloned state, and under each those of what is a mapping itself; else None."""
    return {name: names_of(value) if isinstance(value, Mapping) else None for name, value in state.items()}


def require_kind(state: Any, own: Mapping[str, Any], of: str) -> None:
    """Refuse a state that lacks a name which `own` has, or has something else where `own` has names.

    Args:
        state: what is to be restored; it may have more names, of whoever wraps the environment.
        own: what a state has here, as `names_of` tells it.
        of: what it would be restored into, for the message.

    Raises:
        ValueError: the state is of another kind; nothing was changed.
    """
    wrong = _missing(state, own, "")
    if wrong is not None:
        raise ValueError(
            f"state {wrong}: not one that the clone_state of {of} gave; restore it into the kind of "
            "environment that it was cloned from"
        )


def _missing(state: Any, own: Mapping[str, Any], path: str) -> str | None:
    if not isinstance(state, Mapping):
        return f"with {type(state).__name__} {f'at {path!r}' if path else 'in place of a mapping'}"
    for name, value in own.items():
        where = f"{path}/{name}" if path else name
        if name not in state:
            return f"without {where!r}"
        wrong = _missing(state[name], value, where) if isinstance(value, Mapping) else None
        if wrong is not None:
            return wrong
    return None
