"""The single-agent twin in Gymnasium's eyes, single and batched."""

import copy
import dataclasses
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from ma_ssm_env import SCENARIOS, parallel_env, single_agent_env, vector_env


@pytest.mark.parametrize("options", [{}, {"reveal_task": True, "sensor_noise": 0.1, "feedback": "episode"}])
def test_gymnasium_conformance(scenario, options):
    env = gym.make(f"ma_ssm/{scenario}", disable_env_checker=True, horizon=8, **options).unwrapped
    with pytest.warns(UserWarning, match="A Box observation space m") as caught:
        check_env(env, skip_render_check=True)
    # Velocities, rewards and positions have no bound; nothing else is remarked upon.
    assert {str(w.message).split("space ")[1][:7] for w in caught} == {"minimum", "maximum"}


@pytest.mark.parametrize("options", [{}, {"sensor_noise": 0.1, "feedback": "episode", "reveal_task": True}])
def test_world_of_a_batch_is_the_single_environment(scenario, options, random_actions, assert_identical):
    batch = single_agent_env(scenario, 3, horizon=5, num_threads=2, **options)
    singles = [single_agent_env(scenario, horizon=5, **options) for _ in range(3)]
    observations, infos = batch.reset(seed=7)
    assert infos == {}
    for i, single in enumerate(singles):
        assert_identical((observations[i], {}), single.reset(seed=7 + i))
    rng = np.random.default_rng(0)
    ends = 0
    for _ in range(2 + 15 * SCENARIOS[scenario].episodes_per_trial):
        actions = random_actions(batch, rng)
        observations, rewards, terminations, truncations, infos = batch.step(actions)
        assert batch.observation_space.contains(observations)
        for i, single in enumerate(singles):
            mine, reward, ended, truncated, info = single.step(actions[i])
            assert single.observation_space.contains(mine)
            assert (float(rewards[i]), bool(terminations[i])) == (reward, ended)
            assert bool(truncations[i]) is truncated is False
            told = infos["final_info"] if ended else infos
            assert {name: told[name][i] for name in info} == info
            if ended:
                ends += 1
                assert infos["_final_obs"][i]
                assert infos["_final_info"][i]
                assert_identical(infos["final_obs"][i], mine)
                mine, _ = single.reset()
            assert_identical(observations[i], mine)
            assert_identical(batch.state()[i], single.state())
    assert ends >= 9, "three trials of each world at least; a pole may fall sooner"


def test_worlds_of_a_batch_end_at_different_times(random_actions, assert_identical):
    base = SCENARIOS["PointGoal-v0"]
    body = dataclasses.replace(base.body, healthy=lambda qpos, qvel: np.abs(qvel[:, 0]) < 0.25)
    frail = dataclasses.replace(base, body=body)
    batch = single_agent_env(frail, 4, horizon=8, feedback="episode")
    singles = [single_agent_env(frail, horizon=8, feedback="episode") for _ in range(4)]
    batch.reset(seed=7)
    for i, single in enumerate(singles):
        single.reset(seed=7 + i)
    rng, apart = np.random.default_rng(0), False
    for _ in range(60):
        actions = random_actions(batch, rng)
        observations, _, terminations, _, infos = batch.step(actions)
        apart |= bool(terminations.any() and not terminations.all())
        for i, single in enumerate(singles):
            mine, _, ended, _, _ = single.step(actions[i])
            if ended:
                assert_identical(infos["final_obs"][i], mine)
                mine, _ = single.reset()
            assert_identical(observations[i], mine)
    assert apart


def test_numbers_in_infos_of_a_batch_are_double(scenario, random_actions):
    for env in (single_agent_env(scenario, 2), vector_env(scenario, 2)):
        env.reset(seed=0)
        infos = env.step(random_actions(env, np.random.default_rng(0)))[4]
        terms = [name for name in infos if name.startswith("reward_")]
        assert terms == ["reward_" + name for name in env.scenario.variation.terms]
        assert all(infos[name].dtype == np.float64 for name in (*terms, "episode_return"))


def test_copies_know_where_they_come_from():
    env = gym.make("ma_ssm/PointDir-v0").unwrapped
    assert pickle.loads(pickle.dumps(env)).spec == copy.deepcopy(env).spec == env.spec is not None


def test_copies_go_on_with_what_gymnasiums_wrappers_draw():
    env = gym.wrappers.StickyAction(single_agent_env("PointDir-v0"), 0.5)
    env.reset(seed=3)
    env.step(np.ones(2, np.float32))
    copies = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    assert [other.np_random_seed for other in copies] == [3, 3]
    for step in range(20):
        action = np.full(2, np.sin(step), np.float32)
        reward = env.step(action)[1]
        assert [other.step(action)[1] for other in copies] == [reward, reward]


def test_a_seed_seeds_what_gymnasium_draws_for_a_batch_too():
    drawn = []
    for seed in (5, np.int64(5), [5, 9]):
        env = single_agent_env("PointDir-v0", 2)
        env.reset(seed=seed)
        assert env.np_random_seed == 5
        drawn.append(env.np_random.random())
        env.reset()
        assert env.np_random_seed == 5
    assert len(set(drawn)) == 1


def test_what_the_twin_sees():
    env = single_agent_env("HalfCheetahVel-v0", reveal_task=True)
    header = ["episode_start", "time_left", "episode_index"]
    fields = env.observation_fields()
    assert list(fields) == [*header, "positions", "velocities", "last_torque", "last_reward", "task"]
    observation, _ = env.reset(seed=0, options={"task": 0.75})
    assert observation[fields["task"]] == -0.5
    torque = np.linspace(-1, 1, 6, dtype=np.float32)
    observation, reward, *_ = env.step(torque)
    np.testing.assert_array_equal(observation[fields["last_torque"]], torque)
    assert observation[fields["last_reward"]] == np.float32(reward)
    blind = single_agent_env("HalfCheetahVel-v0")
    assert "task" not in blind.observation_fields()
    hidden = single_agent_env("HalfCheetahVel-v0", hide_velocities=True)
    assert hidden.observation_fields()["velocities"] == slice(11, 11)
    assert hidden.observation_space.shape[0] == blind.observation_space.shape[0] - 9


def test_paid_as_the_team_is_without_the_channel(scenario):
    team = parallel_env(scenario, bandwidth_cost=0.0)
    twin = single_agent_env(scenario)
    team.reset(seed=0)
    twin.reset(seed=0)
    for _ in range(3):
        _, rewards, _, _, _ = team.step({a: np.zeros(team.action_space(a).shape) for a in team.agents})
        _, reward, _, _, _ = twin.step(np.zeros(twin.action_space.shape))
        assert rewards["adaptation_0"] == reward


def test_vector_environment_declares_itself():
    env = single_agent_env("PointDir-v0", 2)
    assert isinstance(env, gym.vector.VectorEnv)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert env.num_envs == 2
    assert env.single_observation_space.shape == env.observation_space.shape[1:]


@pytest.mark.parametrize("scenario", ["PointDir-v0", "HopperMass-v0"])
def test_pictures_of_a_batch_follow_one_another_as_those_of_one_world_do(scenario):
    fps = single_agent_env(scenario).metadata["render_fps"]
    assert fps != 30  # what Gymnasium's RecordVideo takes where a batch does not say
    for batch in (single_agent_env(scenario, 2), vector_env(scenario, 2)):
        assert batch.metadata["render_fps"] == fps


@pytest.mark.parametrize("num_envs", [0, -1, 1.0, True, "2"])
def test_number_of_worlds_is_checked(num_envs):
    with pytest.raises(ValueError, match=r"num_envs=.*: a whole number of at least 1 is expected"):
        single_agent_env("PointDir-v0", num_envs)
