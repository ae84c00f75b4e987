"""The five roles: duty, what each observes, what each acts. The one place where this is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from gymnasium.spaces import Box

BELIEF_SIZE = 8
HEADER = ("episode_start", "time_left", "episode_index")


@dataclass(frozen=True)
class Role:
    """One role of the team.

    Attributes:
        name: the role; its agent is `<name>_0`.
        duty: what it is for, in a line.
        observes: observation fields after the header, in order.
        acts: action fields, in order; 0 is neutral in each.
    """

    name: str
    duty: str
    observes: tuple[str, ...]
    acts: tuple[str, ...]

    @property
    def agent(self) -> str:
        """Name of the role's agent."""
        return f"{self.name}_0"


_TABLE = (
    Role(
        "state_modeling",
        "infer the hidden state and task from history",
        ("positions", "velocities", "last_torque", "last_reward"),
        ("belief",),
    ),
    Role(
        "meta_learning",
        "a prior torque that is good at once on any task of the distribution",
        ("positions", "received_belief", "last_torque"),
        ("prior",),
    ),
    Role(
        "adaptation",
        "correct the prior online",
        ("positions", "received_belief", "last_torque", "last_prior"),
        ("correction",),
    ),
    Role("environment", "manage the task distribution", ("ledger",), ("proposal",)),
    Role(
        "coordinator",
        "resolve conflicts between prior and correction, allocate the channel",
        ("received_belief", "last_prior", "last_correction", "last_rate"),
        ("trust", "rate"),
    ),
)

ROLE_TABLE: dict[str, Role] = {role.name: role for role in _TABLE}
ROLES: tuple[str, ...] = tuple(ROLE_TABLE)
ACTING_ROLES: tuple[str, ...] = tuple(role for role in ROLES if role != "environment")
AGENTS: dict[str, str] = {role.agent: role.name for role in _TABLE}

# What `observability="full"` adds to every acting role that does not see it already.
SENSED = ("positions", "velocities", "last_torque", "last_reward")

# Largest magnitude of each bounded field of observations and of `state()`; any other field is unbounded.
BOUNDS: dict[str, float] = {
    "episode_start": 1.0,
    "time_left": 1.0,
    "episode_index": 1.0,
    "last_torque": 1.0,
    "received_belief": 4.0,
    "last_prior": 1.0,
    "last_correction": 1.0,
    "last_trust": 1.0,
    "last_rate": 1.0,
    "last_scratch": 1.0,  # of the twin with a scratchpad (module `controls`)
    "ledger": 2.0,
    "task": 4.0,
}


def observed_fields(role: Role, observability: str) -> tuple[str, ...]:
    """Names of the observation fields of `role`, in order, the header first."""
    added: tuple[str, ...] = ()
    if observability == "full" and role.name in ACTING_ROLES:
        added = tuple(field for field in SENSED if field not in role.observes)
    return (*HEADER, *added, *role.observes)


def layout(fields: tuple[str, ...], sizes: Mapping[str, int]) -> dict[str, slice]:
    """Where each field lies in the vector: name -> slice."""
    slices, start = {}, 0
    for field in fields:
        slices[field] = slice(start, start + sizes[field])
        start += sizes[field]
    return slices


def observation_box(slices: Mapping[str, slice]) -> Box[np.float32]:
    """The float32 Box of a vector of observation fields."""
    size = max((s.stop for s in slices.values()), default=0)
    high = np.full(size, np.inf, dtype=np.float32)
    for field, s in slices.items():
        high[s] = BOUNDS.get(field, np.inf)
    return Box(-high, high, dtype=np.float32)


def action_box(slices: Mapping[str, slice]) -> Box[np.float32]:
    """The float32 Box [-1, 1] of a vector of action fields."""
    size = max((s.stop for s in slices.values()), default=0)
    return Box(-1.0, 1.0, (size,), dtype=np.float32)
