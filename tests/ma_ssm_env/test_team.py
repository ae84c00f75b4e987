"""The batched five-role game: world i of a batch is the single environment, bit for bit."""

import dataclasses

import numpy as np
import pytest

from ma_ssm_env import SCENARIOS, parallel_env, single_agent_env, vector_env
from ma_ssm_env.team_vector import TeamVectorEnv


def world(nest, i):
    """What world i sees of batched dicts."""
    return {key: value[i] for key, value in nest.items()}


def assert_batch_is_singles(assert_identical, random_actions, scenario, worlds, steps, seed=11, **options):
    batch = vector_env(scenario, worlds, **options)
    singles = [parallel_env(scenario, **options) for _ in range(worlds)]
    rng = np.random.default_rng(5)
    observations, infos = batch.reset(seed=seed)
    assert list(infos) == ["setup"]
    for i, single in enumerate(singles):
        mine, _ = single.reset(seed=seed + i)
        assert_identical(world(observations, i), mine)
        assert_identical(batch.state()[i], single.state())
        assert bool(infos["setup"][i]) == (options.get("task_source") == "environment")
    ends = 0
    for _ in range(steps):
        actions = random_actions(batch, rng)
        observations, rewards, terminations, truncations, infos = batch.step(actions)
        state = batch.state()
        done = terminations[batch.agents[0]]
        assert ("final_obs" in infos) == done.any()
        for i, single in enumerate(singles):
            mine, my_rewards, my_terminations, my_truncations, my_infos = single.step(world(actions, i))
            for agent in batch.agents:
                assert float(rewards[agent][i]) == my_rewards[agent]
                assert bool(terminations[agent][i]) is my_terminations[agent]
                assert bool(truncations[agent][i]) is my_truncations[agent] is False
                for name, value in my_infos[agent].items():
                    if name != "active":
                        assert value == infos[name][i], name
                    elif not done[i]:
                        assert value == batch.active(agent)[i]
            if done[i]:
                ends += 1
                assert bool(infos["_final_obs"][i])
                assert_identical(world(infos["final_obs"], i), mine)
                assert_identical(infos["final_state"][i], single.state())
                assert single.agents == []
                mine, _ = single.reset()
            assert_identical(world(observations, i), mine)
            assert_identical(state[i], single.state())
    return ends


def test_world_of_a_batch_is_the_single_environment(scenario, assert_identical, random_actions):
    episodes = SCENARIOS[scenario].episodes_per_trial
    ends = assert_batch_is_singles(
        assert_identical, random_actions, scenario, 3, 5 * episodes * 3 + 2, horizon=5
    )
    assert ends >= 9, "three trials of each world at least"
    assert ends == 9 or scenario.startswith("InvertedPendulum"), "only a pole falls within five steps"


@pytest.mark.parametrize(
    "options",
    [
        {"sensor_noise": 0.1, "observability": "full", "feedback": "episode"},
        {"absent_roles": {"meta_learning", "environment"}, "muted_roles": {"adaptation"}, "feedback": "none"},
        {"hide_velocities": True, "split": "ood", "sensor_noise": 0.2, "bandwidth_cost": 0.5},
        {"task_source": "environment", "sensor_noise": 0.1, "feedback": "episode"},
    ],
)
@pytest.mark.parametrize("scenario", ["PointGoal-v0", "HalfCheetahVel-v0"])
def test_so_it_is_under_options(scenario, options, assert_identical, random_actions):
    assert_batch_is_singles(assert_identical, random_actions, scenario, 2, 17, horizon=4, **options)


def test_so_it_is_over_a_whole_trial(assert_identical, random_actions):
    assert assert_batch_is_singles(assert_identical, random_actions, "HalfCheetahVel-v0", 2, 402) == 2


@pytest.mark.parametrize("task_source", ["distribution", "environment"])
def test_so_it_is_where_worlds_end_at_different_times(task_source, assert_identical, random_actions):
    base = SCENARIOS["PointGoal-v0"]
    body = dataclasses.replace(base.body, healthy=lambda qpos, qvel: np.abs(qvel[:, 0]) < 0.25)
    frail = dataclasses.replace(base, body=body)
    ends = assert_batch_is_singles(
        assert_identical,
        random_actions,
        frail,
        4,
        60,
        horizon=8,
        sensor_noise=0.1,
        feedback="episode",
        task_source=task_source,
    )
    assert 4 * (60 // 16) < ends < 4 * 60
    env = vector_env(frail, 4, horizon=8)
    env.reset(seed=11)
    actions = {a: np.ones((4, s.shape[0])) for a, s in env.game.action_spaces.items()}
    ended = np.array([env.step(actions)[4]["episode_ended"] for _ in range(8)])
    assert (ended.any(1) & ~ended.all(1)).any(), (
        "the worlds must fall out of step for this test to mean anything"
    )


def test_number_of_threads_changes_nothing(assert_identical, random_actions):
    one, two = (vector_env("HalfCheetahVel-v0", 5, horizon=10, num_threads=n) for n in (1, 2))
    assert_identical(one.reset(seed=3), two.reset(seed=3))
    rng = np.random.default_rng(0)
    for _ in range(45):
        actions = random_actions(one, rng)
        assert_identical(one.step(actions), two.step(actions))
        assert_identical(one.state(), two.state())


@pytest.mark.parametrize("make", [vector_env, single_agent_env])
def test_a_state_goes_on_with_another_number_of_threads_and_with_pictures(
    make, assert_identical, random_actions
):
    one = make("HalfCheetahVel-v0", 3, horizon=10)
    two = make("HalfCheetahVel-v0", 3, horizon=10, num_threads=2, render_mode="rgb_array")
    one.reset(seed=3)
    rng = np.random.default_rng(0)
    one.step(random_actions(one, rng))
    for given, taken in ((one, two), (two, one)):
        taken.restore_state(given.clone_state())
        actions = random_actions(one, rng)
        assert_identical(given.step(actions), taken.step(actions))


def test_seeds_name_worlds(scenario, assert_identical):
    env = vector_env(scenario, 3, horizon=3)
    by_first, _ = env.reset(seed=5)
    by_list, _ = env.reset(seed=[5, 6, 7])
    assert_identical(by_first, by_list)
    other, _ = env.reset(seed=6)
    for agent in env.agents:
        assert_identical(by_first[agent][1:], other[agent][:2])


def test_final_observation_is_not_that_of_the_next_trial(random_actions):
    env = vector_env("PointDir-v0", 2, horizon=2)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(4):
        observations, *_, infos = env.step(random_actions(env, rng))
    where = env.observation_fields("meta_learning_0")
    last, first = infos["final_obs"]["meta_learning_0"], observations["meta_learning_0"]
    assert (last[:, where["time_left"]] == 0).all()
    assert (last[:, where["last_torque"]] != 0).all()
    assert (first[:, where["time_left"]] == 1).all()
    assert (first[:, where["last_torque"]] == 0).all()


def test_ledger_holds_the_last_trials_of_each_world(random_actions):
    env = vector_env("PointDir-v0", 2, horizon=2)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    tasks, returns = [], []
    for trial in range(34):
        tasks.append(env.game.trials.normalised_task()[:, 0])
        returns.append(np.zeros(2))
        for _ in range(4):
            observations, *_, infos = env.step(random_actions(env, rng))
            returns[-1] += infos["task_reward"]
        ledger = observations["environment_0"][:, env.observation_fields("environment_0")["ledger"]]
        entries = ledger.reshape(2, 32, 3)
        known = min(trial + 1, 32)
        expected = np.array(tasks[::-1])[:known].T
        np.testing.assert_array_equal(entries[:, :known, 0], expected)
        np.testing.assert_allclose(
            entries[:, :known, 1], np.array(returns[::-1])[:known].T / 2 / 110, rtol=1e-5
        )
        assert (entries[:, :known, 2] == 1).all()
        assert (entries[:, known:] == 0).all()
    kept, _ = env.reset()
    assert kept["environment_0"][:, 3:].any()
    emptied, _ = env.reset(seed=0)
    assert not emptied["environment_0"][:, 3:].any()


@pytest.mark.parametrize("num_envs", [0, -1, 1.0, True, "2", None])
def test_number_of_worlds_is_checked(num_envs):
    with pytest.raises(ValueError, match=r"num_envs=.*: a whole number of at least 1 is expected"):
        TeamVectorEnv("PointDir-v0", num_envs)
