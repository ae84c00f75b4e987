"""The floors, for the twin and for the team."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.reference import FLOORS, floor_policy, team_floor, twin_floor
from ma_ssm_env import Policy, parallel_env, single_agent_env
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.roles import ROLE_TABLE


@pytest.mark.parametrize("floor", FLOORS)
def test_the_floor_plays_the_twin(floor: str) -> None:
    env = single_agent_env("HalfCheetahVel-v0", 3, horizon=3)
    policy = twin_floor(floor, "HalfCheetahVel-v0")
    assert isinstance(policy, Policy)
    observations, _ = env.reset(seed=0)
    memory = policy.initial_memory(3)
    actions, memory = policy.act(observations, memory, np.random.default_rng(0))
    assert actions.shape == (3, 6)
    assert (np.abs(actions).max() > 0) == (floor == "random")
    env.step(actions)


@pytest.mark.parametrize("floor", FLOORS)
def test_the_floor_plays_every_role_that_is_present(floor: str) -> None:
    options = {"absent_roles": {"environment"}}
    players = team_floor(floor, "PointDir-v0", **options)
    env = parallel_env("PointDir-v0", **options)
    assert [ROLE_TABLE[role].agent for role in players] == env.possible_agents
    found = evaluate("PointDir-v0", players, trials=1, horizon=5)
    assert found.returns.shape == (20, 1, 2)
    assert (np.abs(found.returns) < 5).all()
    moved = evaluate("PointDir-v0", team_floor("zero", "PointDir-v0"), trials=1, horizon=5)
    assert (found.returns == moved.returns).all() == (floor == "zero")


def test_an_unknown_floor_is_refused() -> None:
    with pytest.raises(ValueError, match="random, zero"):
        floor_policy("best", 2)  # type: ignore[arg-type]
