"""The physics: Gymnasium's half-cheetah bit for bit, and worlds that blow up."""

import dataclasses
import functools
import threading

import gymnasium as gym
import mujoco
import numpy as np
import pytest

from ma_ssm_env import SCENARIOS, parallel_env, single_agent_env, vector_env
from ma_ssm_env.bodies.body import quietly
from ma_ssm_env.scenarios import Scenario


def test_half_cheetah_is_gymnasiums_bit_for_bit():
    twin = single_agent_env("HalfCheetah-v0")
    fields = twin.observation_fields()
    observation, _ = twin.reset(seed=0)
    physics = twin.game.trials.physics
    reference = gym.make("HalfCheetah-v5").unwrapped
    reference.reset(seed=0)
    reference.set_state(physics.qpos[0].copy(), physics.qvel[0].copy())
    reference.data.qacc_warmstart[:] = 0  # a reset world remembers no solution
    rng = np.random.default_rng(0)
    for step in range(1000):
        action = rng.uniform(-1, 1, 6).astype(np.float32)
        observation, reward, ended, truncated, info = twin.step(action)
        expected, expected_reward, _, _, expected_info = reference.step(action)
        np.testing.assert_array_equal(physics.qpos[0], reference.data.qpos)
        np.testing.assert_array_equal(physics.qvel[0], reference.data.qvel)
        assert reward == expected_reward
        assert info["reward_forward"] == expected_info["reward_forward"]
        assert info["reward_control"] == expected_info["reward_ctrl"]
        np.testing.assert_array_equal(observation[fields["positions"]], np.float32(expected[:8]))
        np.testing.assert_array_equal(observation[fields["velocities"]], np.float32(expected[8:]))
        assert ended == (step == 999)
        assert not truncated
    reference.close()
    assert twin.metadata["render_fps"] == reference.metadata["render_fps"]


def test_start_states_are_those_of_gymnasium():
    env = single_agent_env("HalfCheetahVel-v0", 500)
    env.reset(seed=0)
    offset = env.game.trials.physics.qpos - env.game.trials.physics.model.qpos0
    assert np.abs(offset).max() <= 0.1
    assert offset.std() == pytest.approx(0.2 / np.sqrt(12), rel=0.05)
    assert env.game.trials.physics.qvel.std() == pytest.approx(0.1, rel=0.05)


def test_a_start_state_has_no_memory():
    """The same start state after wild play and at once goes on with the same bits."""
    env, fresh = single_agent_env("HalfCheetah-v0"), single_agent_env("HalfCheetah-v0")
    env.reset(seed=1)
    for _ in range(50):
        env.step(np.ones(6))
    env.reset(seed=0)
    fresh.reset(seed=0)
    for _ in range(5):
        env.step(-np.ones(6))
        fresh.step(-np.ones(6))
        np.testing.assert_array_equal(env.game.trials.physics.qpos, fresh.game.trials.physics.qpos)


CART = """
<mujoco>
  <worldbody>
    <body><joint name="x" type="slide" axis="1 0 0" damping="1"/><geom size="0.1"/></body>
  </worldbody>
  <actuator><general name="push" joint="x" {}/></actuator>
</mujoco>
"""


def cart(actuator: str) -> Scenario:
    """The own reward of a body of one joint, whose one actuator is `actuator`."""
    like = SCENARIOS["HalfCheetah-v0"]
    body = dataclasses.replace(
        like.body,
        name="Cart",
        load=functools.partial(mujoco.MjModel.from_xml_string, CART.format(actuator)),
        start=lambda model, generator: (generator.uniform(-0.1, 0.1, 1), np.zeros(1)),
    )
    return dataclasses.replace(like, id="Cart-v0", body=body)


def test_actuators_that_have_a_state_begin_anew_with_the_trial(assert_identical):
    known = cart('ctrlrange="-1 1" dyntype="filter" dynprm="0.5" gainprm="100"')
    env, fresh = single_agent_env(known, 2), single_agent_env(known, 2)
    assert env.game.trials.physics.model.na == 1
    env.reset(seed=1)
    for _ in range(20):
        env.step(np.ones((2, 1)))
    assert_identical(env.reset(seed=0), fresh.reset(seed=0))
    for _ in range(5):
        result = env.step(-0.5 * np.ones((2, 1)))
        assert_identical(result, fresh.step(-0.5 * np.ones((2, 1))))
    state = env.clone_state()
    other = single_agent_env(known, 2)
    other.restore_state(state)
    for _ in range(5):
        assert_identical(env.step(np.ones((2, 1))), other.step(np.ones((2, 1))))


@pytest.mark.parametrize(
    ("actuator", "what"),
    [
        ('gainprm="100"', "no ctrlrange"),
        ('ctrlrange="-1 1" ctrllimited="false"', "no ctrlrange"),
    ],
)
def test_an_actuator_without_a_range_is_refused(actuator, what):
    with pytest.raises(ValueError, match=f'body Cart: actuator push has {what}.*ctrlrange="-1 1"'):
        single_agent_env(cart(actuator))


K, H = 2, 4


def blow_up(env, world, how):
    physics = env.game.trials.physics
    match how:
        case "qvel 1e12":
            physics.qvel[world, 0] = 1e12
        case "qpos -1e12":
            physics.qpos[world, -1] = -1e12
        case "qvel nan":
            physics.qvel[world, 1] = np.nan
        case "qpos nan":
            physics.qpos[world, 0] = np.nan
        case "qpos inf":
            physics.qpos[world, 0] = np.inf


HOWS = ["qvel 1e12", "qpos -1e12", "qvel nan", "qpos nan", "qpos inf"]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("scenario", ["HalfCheetahVel-v0", "PointGoal-v0"])
def test_a_world_that_blows_up_ends_its_trial_alone(scenario, how, steps, random_actions, assert_identical):
    options = {"horizon": H, "episodes_per_trial": K}
    env, calm = (vector_env(scenario, 3, **options) for _ in range(2))
    single = parallel_env(scenario, **options)
    env.reset(seed=0)
    calm.reset(seed=0)
    rng = np.random.default_rng(0)
    paid_before = 0.0
    for t in range(steps):
        actions = random_actions(env, rng)
        _, _, _, _, infos = env.step(actions)
        paid_before = infos["task_reward"][1] + (0.0 if t % H == 0 else paid_before)
        calm.step(actions)
    blow_up(env, 1, how)
    single.reset(seed=1)
    next_trial, _ = single.reset()
    for t in range(3 * K * H):
        actions = random_actions(env, rng)
        observations, rewards, terminations, truncations, infos = env.step(actions)
        expected, calm_rewards, calm_terminations, _, calm_infos = calm.step(actions)
        if t == 0:
            assert infos["physics_unstable"].tolist() == [False, True, False]
            assert terminations["coordinator_0"].tolist() == [False, True, False]
            assert infos["episode_ended"].tolist() == [False, True, False]
            worst = env.scenario.variation.worst_reward * (K * H - steps)
            assert infos["task_reward"][1] == worst
            assert infos["episode_return"][1] == pytest.approx(worst + paid_before, rel=1e-12)
            for name in env.scenario.variation.terms:
                assert infos["reward_" + name][1] == 0
            for agent in env.agents:
                assert env.single_observation_space(agent).contains(infos["final_obs"][agent][1])
                assert np.isfinite(infos["final_obs"][agent]).all()
            assert np.isfinite(infos["final_state"]).all()
        else:
            assert not infos["physics_unstable"].any()
            next_trial, next_rewards, _, _, _ = single.step({a: actions[a][1] for a in actions})
            assert rewards["coordinator_0"][1] == next_rewards["coordinator_0"]
            if not single.agents:
                next_trial, _ = single.reset()
        assert not any(flags.any() for flags in truncations.values())
        for i in (0, 2):
            assert_identical([o[i] for o in observations.values()], [o[i] for o in expected.values()])
            assert_identical([r[i] for r in rewards.values()], [r[i] for r in calm_rewards.values()])
            assert terminations["coordinator_0"][i] == calm_terminations["coordinator_0"][i]
            assert_identical(infos["task_reward"][i], calm_infos["task_reward"][i])
        for agent in env.agents:
            assert np.isfinite(observations[agent]).all()
            if agent != "environment_0":  # its ledger remembers the broken trial
                assert_identical(observations[agent][1], next_trial[agent])


@pytest.mark.parametrize("how", HOWS)
def test_a_single_world_that_blows_up(how, random_actions, assert_identical):
    for make in (parallel_env, single_agent_env):
        env, calm = (make("HalfCheetahVel-v0", horizon=H) for _ in range(2))
        env.reset(seed=0)
        calm.reset(seed=0)
        blow_up(env, 0, how)
        rng = np.random.default_rng(0)
        observation, reward, ended, truncated, info = env.step(random_actions(env, rng))
        if make is parallel_env:
            assert env.agents == []
            assert all(ended.values())
            assert not any(truncated.values())
            assert all(np.isfinite(o).all() for o in observation.values())
            assert reward["adaptation_0"] == -20.0 * K * H - info["adaptation_0"]["rate_cost"]
            assert info["adaptation_0"]["physics_unstable"] == 1
        else:
            assert ended is True
            assert truncated is False
            assert np.isfinite(observation).all()
            assert reward == -20.0 * K * H
            assert info["physics_unstable"] is True
        assert np.isfinite(env.state()).all()
        with pytest.raises(RuntimeError, match="call reset"):
            env.step(random_actions(env, rng))
        after, _ = env.reset()
        expected, _ = calm.reset()
        for agent in after if isinstance(after, dict) else ():
            if agent != "environment_0":
                assert_identical(after[agent], expected[agent])
        for _ in range(5):
            actions = random_actions(env, rng)
            assert_identical(env.step(actions)[1:], calm.step(actions)[1:])


def test_what_is_seen_of_a_broken_world_is_where_it_last_was():
    env = single_agent_env("PointGoal-v0")
    env.reset(seed=0)
    env.step([1.0, 0.0])
    physics, fields = env.game.trials.physics, env.observation_fields()
    qpos, qvel = physics.qpos[0].copy(), physics.qvel[0].copy()
    physics.qvel[0, 1] = 1e12
    observation, *_ = env.step([1.0, 0.0])
    np.testing.assert_array_equal(observation[fields["positions"]], np.float32(qpos))
    np.testing.assert_array_equal(observation[fields["velocities"]], np.float32([qvel[0], 0.0]))


def test_a_state_that_blows_up_in_the_last_substep_is_seen():
    """MuJoCo looks at a state when it steps from it, so its own warning would come a step late."""
    env = single_agent_env("PointGoal-v0")
    env.reset(seed=0)
    physics = env.game.trials.physics
    physics.qvel[0, 0] = 1e9
    physics.qpos[0, 0] = 1e10 - 0.08e9  # it moves 0.072e9 in four substeps, 0.088e9 in five
    observation, reward, ended, _, info = env.step([0.0, 0.0])
    assert info["physics_unstable"] is True
    assert ended is True
    assert reward == -100.0 * 100
    assert np.isfinite(observation).all()


def test_the_worst_reward_is_below_what_a_step_can_earn(scenario):
    env = single_agent_env(scenario, 20, horizon=50)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    worst = min(
        env.step(rng.choice([-1.0, 1.0], (20, *env.single_action_space.shape)))[1].min() for _ in range(100)
    )
    assert env.scenario.variation.worst_reward < worst


def test_broken_physics_is_told_in_infos_alone(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    env = vector_env("HalfCheetah-v0", 3, num_threads=2)
    env.reset(seed=0)
    env.game.trials.physics.qvel[1] = np.nan
    actions = {a: np.zeros((3, s.shape[0])) for a, s in env.game.action_spaces.items()}
    infos = env.step(actions)[4]
    assert infos["physics_unstable"].tolist() == [False, True, False]
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == [], "MuJoCo writes a log file otherwise"
    assert mujoco.get_mju_user_warning() is None


def test_threads_that_play_at_once_share_the_silence():
    inside, leave = threading.Event(), threading.Event()
    first = threading.Thread(target=lambda: quietly(lambda: (inside.set(), leave.wait(10))))
    first.start()
    assert inside.wait(10)

    def second():
        leave.set()
        first.join(10)
        return mujoco.get_mju_user_warning()

    assert quietly(second) is not None, "the first took the handler with it"
    assert mujoco.get_mju_user_warning() is None


def test_a_handler_of_the_users_own_hears_of_it():
    env, heard = single_agent_env("HalfCheetah-v0"), []
    env.reset(seed=0)
    env.game.trials.physics.qvel[0] = np.nan
    mujoco.set_mju_user_warning(heard.append)
    try:
        assert env.step(np.zeros(6))[4]["physics_unstable"] is True
        assert mujoco.get_mju_user_warning() is not None
    finally:
        mujoco.set_mju_user_warning(None)
    assert len(heard) == 1
    assert "unstable" in heard[0]
