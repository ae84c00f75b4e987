"""What the agents' settings have in common: how they are checked, and how they are shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from policies.cores import CORES, CoreConfig
from policies.ranges import check_count

ALWAYS_SHOWN = ("core", "width")


def core_of(agent: Any) -> CoreConfig:
    """The core of an agent with the settings `core` and `width`."""
    return CoreConfig(kind=agent.core, width=agent.width)


def check_core(agent: Any) -> None:
    """Refuse a core that is not there, or one without features.

    Raises:
        ValueError: the message names the agent, the setting, the value and what is expected.
    """
    check_choice(agent, "core", CORES)
    check_count(agent, "width", least=1)


def check_choice(agent: Any, name: str, choices: Collection[Any]) -> None:
    """Refuse a setting that is none of `choices`."""
    value = getattr(agent, name)
    if value not in choices:
        raise ValueError(
            f"{type(agent).__name__}: {name}={value!r}: one of {', '.join(map(repr, choices))} is expected"
        )


def shown(agent: Any) -> str:
    """An agent as the call that makes it: its core and width, and whatever differs from the defaults."""
    parts = []
    for field in dataclasses.fields(agent):
        value = getattr(agent, field.name)
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if field.name in ALWAYS_SHOWN or value != default:
            parts.append(f"{field.name}={value!r}")
    return f"{type(agent).__name__}({', '.join(parts)})"
