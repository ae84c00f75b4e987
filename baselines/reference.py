"""The floors: what is earned without looking. `random` draws uniform actions, `zero` gives neutral ones."""

from __future__ import annotations

from typing import Any, Literal, get_args

from ma_ssm_env.parallel import parallel_env
from ma_ssm_env.policy import Policy, neutral_policy, random_policy
from ma_ssm_env.roles import AGENTS
from ma_ssm_env.scenarios import Scenario
from ma_ssm_env.single_agent import single_agent_env

Floor = Literal["random", "zero"]
FLOORS: tuple[str, ...] = get_args(Floor)


def floor_policy(floor: Floor, action_size: int) -> Policy:
    """The policy of a floor for actions of that size.

    Raises:
        ValueError: an unknown floor.
    """
    if floor == "random":
        return random_policy(action_size)
    if floor == "zero":
        return neutral_policy(action_size)
    raise ValueError(f"floor {floor!r}: one of {', '.join(FLOORS)} is expected")


def twin_floor(floor: Floor, scenario: str | Scenario) -> Policy:
    """The floor of the single-agent twin of a scenario."""
    env = single_agent_env(scenario)
    size = int(env.action_space.shape[0])
    env.close()
    return floor_policy(floor, size)


def team_floor(floor: Floor, scenario: str | Scenario, **options: Any) -> dict[str, Policy]:
    """The floor of the five-role team: role -> policy, for the roles that are present under `options`."""
    env = parallel_env(scenario, **options)
    sizes = {AGENTS[agent]: int(env.action_space(agent).shape[0]) for agent in env.possible_agents}
    env.close()
    return {role: floor_policy(floor, size) for role, size in sizes.items()}
