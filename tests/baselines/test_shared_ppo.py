"""One network for the five roles: what each role is shown, what is charged, and whose worlds are played."""

import numpy as np
import pytest
import torch

from baselines.sb3 import Sb3PpoConfig
from baselines.shared_ppo import shared_worlds, train_shared_ppo
from baselines.training import Hooks
from ma_ssm_env import ROLES, parallel_env
from ma_ssm_env.evaluation import evaluate

SHORT = {"horizon": 4}
SMALL = Sb3PpoConfig(worlds=2, rollout_steps=8, minibatches=2, epochs=1, width=8)


@pytest.fixture(scope="module")
def run():
    torch.set_num_threads(1)
    return train_shared_ppo("PointDir-v0", 0, 30, SMALL, world_seed=10, hooks=Hooks(), options=SHORT)


def test_control_steps_are_charged_once_for_all_roles(run):
    seen = []
    hooks = Hooks((0, 16, 30), lambda steps, policy: seen.append((steps, set(policy))), seen.append)
    again = train_shared_ppo("PointDir-v0", 0, 30, SMALL, world_seed=10, hooks=hooks, options=SHORT)
    assert run.steps == again.steps == 32
    assert run.model.num_timesteps == 5 * 32
    roles = set(ROLES)
    assert seen == [(0, roles), (16, roles), 16, (32, roles), 32]
    for ours, theirs in zip(run.model.policy.parameters(), again.model.policy.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_worlds_are_seeded_and_padded_as_the_policies_pad():
    worlds = shared_worlds("PointDir-v0", 2, **SHORT)
    worlds.next_seed = 7
    seen = worlds.reset()
    for world in range(2):
        env = parallel_env("PointDir-v0", **SHORT)
        observations, _ = env.reset(seed=7 + world)
        for position, agent in enumerate(env.possible_agents):
            row = seen[world * 5 + position]
            size = observations[agent].shape[0]
            np.testing.assert_array_equal(row[:size], observations[agent])
            np.testing.assert_array_equal(row[size:-5], 0.0)
            np.testing.assert_array_equal(row[-5:], np.eye(5)[position])


def test_a_role_acts_as_the_network_says_of_what_it_was_shown(run):
    worlds = shared_worlds("PointDir-v0", 1, **SHORT)
    worlds.next_seed = 3
    padded = worlds.reset()
    env = parallel_env("PointDir-v0", **SHORT)
    observations, _ = env.reset(seed=3)
    normaliser = run.model.get_vec_normalize_env()
    expected, _ = run.model.predict(normaliser.normalize_obs(padded), deterministic=True)
    for position, (role, agent) in enumerate(zip(run.policy, env.possible_agents, strict=True)):
        actions, _ = run.policy[role].act(observations[agent][None], None, np.random.default_rng(0))
        size = env.action_space(agent).shape[0]
        assert actions.shape == (1, size)
        np.testing.assert_allclose(actions[0], expected[position, :size], atol=1e-6)


def test_it_is_evaluated_as_a_team_and_does_not_go_on(run, tmp_path):
    found = evaluate("PointDir-v0", run.policy, trials=1, **SHORT)
    assert np.isfinite(found.returns).all()
    assert found.bits.mean() > 0
    with pytest.raises(ValueError, match="no state to go on from"):
        train_shared_ppo(
            "PointDir-v0", 0, 30, SMALL, world_seed=10, hooks=Hooks(kept=tmp_path), options=SHORT
        )
