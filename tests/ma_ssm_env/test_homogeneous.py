"""One shape for all roles."""

import numpy as np
import pytest
from gymnasium.spaces import Discrete
from pettingzoo.test import parallel_api_test

from ma_ssm_env import parallel_env
from ma_ssm_env.homogeneous import homogeneous


def test_all_roles_have_the_same_spaces_and_say_who_they_are():
    inner = parallel_env("PointDir-v0")
    env = homogeneous(inner)
    longest = max(inner.observation_space(a).shape[0] for a in inner.possible_agents)
    widest = max(inner.action_space(a).shape[0] for a in inner.possible_agents)
    assert len({id(env.observation_space(a)) for a in env.possible_agents}) == 1
    assert len({id(env.action_space(a)) for a in env.possible_agents}) == 1
    assert env.observation_space("adaptation_0").shape == (longest + 5,)
    assert env.action_space("adaptation_0").shape == (widest,)
    observations, _ = env.reset(seed=4)
    plain, _ = inner.reset(seed=4)
    for i, agent in enumerate(env.possible_agents):
        size = len(plain[agent])
        np.testing.assert_array_equal(observations[agent][:size], plain[agent])
        assert not observations[agent][size:longest].any()
        np.testing.assert_array_equal(observations[agent][longest:], np.eye(5)[i])
        assert env.observation_space(agent).contains(observations[agent])


def test_actions_go_there_and_back_and_the_game_is_the_same():
    inner, env = parallel_env("PointDir-v0"), homogeneous(parallel_env("PointDir-v0"))
    inner.reset(seed=1)
    env.reset(seed=1)
    rng = np.random.default_rng(0)
    while inner.agents:
        own = {a: rng.uniform(-1, 1, inner.action_space(a).shape).astype(np.float32) for a in inner.agents}
        padded = {a: env.pad_action(a, own[a]) for a in own}
        for agent, action in padded.items():
            np.testing.assert_array_equal(env.own_action(agent, action), own[agent])
            action[len(own[agent]) :] = 0.7  # nobody reads these
        first, second = inner.step(own), env.step(padded)
        assert first[1:] == second[1:]
        np.testing.assert_array_equal(inner.state(), env.state())
    assert env.agents == []


def test_pettingzoo_takes_it():
    parallel_api_test(homogeneous(parallel_env("PointDir-v0", absent_roles={"environment"})), num_cycles=30)


def test_misshapen_actions_and_spaces_are_refused():
    env = homogeneous(parallel_env("PointDir-v0"))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"action of coordinator_0 has shape \(3,\); \(8,\) is expected"):
        env.own_action("coordinator_0", np.zeros(3))
    with pytest.raises(ValueError, match=r"coordinator_0 acts 3 numbers; this has shape \(8,\)"):
        env.pad_action("coordinator_0", np.zeros(8))
    odd = parallel_env("PointDir-v0")
    odd.action_space = lambda agent: Discrete(3)
    with pytest.raises(ValueError, match="state_modeling_0 has a space Discrete"):
        homogeneous(odd)
