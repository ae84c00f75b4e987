"""The bodies: Gymnasium v5's dynamics, observations, rewards and ends bit for bit; starts, health, torque."""

import dataclasses

import gymnasium as gym
import mujoco
import numpy as np
import pytest

from ma_ssm_env import SCENARIOS, single_agent_env, vector_env
from ma_ssm_env.bodies import BODIES

# Contact costs are left out here, so they are switched off there.
OPTIONS = {"Ant": {"contact_cost_weight": 0}, "Humanoid": {"contact_cost_weight": 0}}
NAMES = ["Ant", "Hopper", "Walker2d", "Humanoid", "Swimmer", "HalfCheetah", "InvertedPendulum"]
TERMS = {
    "reward_forward": "reward_forward",
    "reward_control": "reward_ctrl",
    "reward_survive": "reward_survive",
}


def reference_of(name, **options):
    return gym.make(f"{name}-v5", **OPTIONS.get(name, {}), **options).unwrapped


def begin(reference, physics):
    """Put Gymnasium's world where ours starts."""
    reference.reset(seed=0)
    reference.set_state(physics.qpos[0].copy(), physics.qvel[0].copy())
    reference.data.qacc_warmstart[:] = 0  # a reset world remembers no solution
    return reference._get_obs()


def assert_seen(twin, observation, expected):
    fields, start = twin.observation_fields(), 0
    for field in ("positions", "velocities"):
        seen = observation[fields[field]]
        np.testing.assert_array_equal(seen, np.float32(expected[start : start + len(seen)]))
        start += len(seen)
    # What follows in Gymnasium's observation is left out by name, never by accident.
    left_out = {"Ant": 13 * 6, "Humanoid": 13 * 10 + 13 * 6 + 17 + 13 * 6}
    assert len(expected) - start == left_out.get(twin.scenario.body.name, 0)


def assert_paid(name, reward, info, expected, expected_info):
    # The center of mass is summed in another order than Gymnasium's; all else agrees bit for bit.
    tolerance = 1e-12 if name == "Humanoid" else 0.0
    assert abs(reward - expected) <= tolerance
    for ours, theirs in TERMS.items():
        assert abs(info[ours] - expected_info.get(theirs, 0.0)) <= tolerance


def gymnasiums_controls(physics, torque):
    """Gymnasium takes controls in the actuators' own range: float32 as ours, or what ours are scaled to."""
    reach = physics.model.actuator_ctrlrange[0, 1]
    return torque if reach == 1 else reach * torque.astype(np.float64)


def play(twin, reference, steps, rng, episodes=1):
    """Play both to the end of the trial or for `steps`; how many steps each inner episode had."""
    name, physics = twin.scenario.body.name, twin.game.trials.physics
    observation, _ = twin.reset(seed=int(rng.integers(100)))
    assert_seen(twin, observation, begin(reference, physics))
    lengths, fallen = [0], 0
    for _ in range(steps):
        torque = rng.uniform(-1, 1, physics.num_actuators).astype(np.float32)
        observation, reward, ended, truncated, info = twin.step(torque)
        expected, expected_reward, terminated, _, expected_info = reference.step(
            gymnasiums_controls(physics, torque)
        )
        assert_paid(name, reward, info, expected_reward, expected_info)
        lengths[-1] += 1
        assert not truncated
        assert info["episode_ended"] == (terminated or lengths[-1] == twin.options.horizon)
        fallen += terminated
        if info["episode_ended"] and not ended:
            expected = begin(reference, physics)
            lengths.append(0)
        np.testing.assert_array_equal(physics.qpos[0], reference.data.qpos)
        np.testing.assert_array_equal(physics.qvel[0], reference.data.qvel)
        assert_seen(twin, observation, expected)
        if ended:
            assert len(lengths) == episodes
            break
    return lengths, fallen


@pytest.mark.parametrize("name", NAMES)
def test_base_is_gymnasiums_from_start_to_end(name):
    """Three inner episodes, each to its end: by the horizon, or because the body is unhealthy."""
    twin, reference = single_agent_env(f"{name}-v0", episodes_per_trial=3, horizon=150), reference_of(name)
    rng, fallen = np.random.default_rng(0), 0
    for _ in range(2):
        lengths, falls = play(twin, reference, 450, rng, episodes=3)
        assert len(lengths) == 3
        fallen += falls
    assert (fallen > 0) == (BODIES[name].healthy is not None)
    assert twin.metadata["render_fps"] == reference.metadata["render_fps"]
    reference.close()


@pytest.mark.parametrize("name", ["Ant", "Hopper", "Walker2d", "Humanoid", "Swimmer"])
def test_dynamics_past_a_fall(name):
    base = SCENARIOS[f"{name}-v0"]
    lasting = dataclasses.replace(
        base, variation=dataclasses.replace(base.variation, ends_unhealthy=False), horizon=1000
    )
    options = {} if base.body.healthy is None else {"terminate_when_unhealthy": False}
    twin, reference = single_agent_env(lasting), reference_of(name, **options)
    lengths, _ = play(twin, reference, 1000, np.random.default_rng(1))
    assert lengths == [1000]
    reference.close()


@pytest.mark.parametrize(
    ("name", "spread", "normal"),
    [
        ("Ant", 0.1, True),
        ("Hopper", 0.005, False),
        ("Walker2d", 0.005, False),
        ("Humanoid", 0.01, False),
        ("Swimmer", 0.1, False),
        ("HalfCheetah", 0.1, True),
        ("InvertedPendulum", 0.01, False),
    ],
)
def test_start_states_are_those_of_gymnasium(name, spread, normal):
    env = single_agent_env(f"{name}-v0", 400)
    env.reset(seed=0)
    physics, reference = env.game.trials.physics, reference_of(name)
    np.testing.assert_array_equal(physics.model.qpos0, reference.init_qpos)
    offset = physics.qpos - reference.init_qpos
    assert np.abs(offset).max() <= spread
    assert offset.std() == pytest.approx(spread * 2 / np.sqrt(12), rel=0.03)
    assert physics.qvel.std() == pytest.approx(spread * (1 if normal else 2 / np.sqrt(12)), rel=0.03)
    assert (np.abs(physics.qvel).max() > spread) == normal
    # The same moments there.
    starts = []
    for seed in range(100):
        reference.reset(seed=seed)
        starts.append(np.concatenate([reference.data.qpos - reference.init_qpos, reference.data.qvel]))
    ours = np.concatenate([offset, physics.qvel], axis=1)
    assert np.array(starts).std() == pytest.approx(ours.std(), rel=0.08)
    reference.close()


ROOT = {"Ant": 2, "Hopper": 1, "Walker2d": 1, "Humanoid": 2}  # the height's column of qpos
HEALTH = [
    ("Ant", {}, True),
    ("Ant", {"height": 0.2}, True),
    ("Ant", {"height": 0.1999}, False),
    ("Ant", {"height": 1.0}, True),
    ("Ant", {"height": 1.0001}, False),
    ("Hopper", {}, True),
    ("Hopper", {"height": 0.7}, False),
    ("Hopper", {"height": 0.7001}, True),
    ("Hopper", {"height": 50.0}, True),
    ("Hopper", {"pitch": 0.2}, False),
    ("Hopper", {"pitch": -0.1999}, True),
    ("Hopper", {"qpos": 100.0}, False),
    ("Hopper", {"qvel": 99.9}, True),
    ("Hopper", {"qvel": -100.0}, False),
    ("Walker2d", {}, True),
    ("Walker2d", {"height": 0.8}, False),
    ("Walker2d", {"height": 1.9999}, True),
    ("Walker2d", {"height": 2.0}, False),
    ("Walker2d", {"pitch": 0.9999}, True),
    ("Walker2d", {"pitch": -1.0}, False),
    ("Walker2d", {"qvel": 500.0}, True),
    ("Humanoid", {}, True),
    ("Humanoid", {"height": 1.0}, False),
    ("Humanoid", {"height": 1.0001}, True),
    ("Humanoid", {"height": 2.0}, False),
]


@pytest.mark.parametrize(("name", "change", "healthy"), HEALTH)
def test_health_by_hand_and_by_gymnasium(name, change, healthy):
    reference = reference_of(name)
    qpos, qvel = reference.init_qpos.copy(), reference.init_qvel.copy()
    for what, value in change.items():
        match what:
            case "height":
                qpos[ROOT[name]] = value
            case "pitch":
                qpos[2] = value
            case "qpos":
                qpos[-1] = value
            case "qvel":
                qvel[0] = value
    assert BODIES[name].healthy(qpos[None], qvel[None]).tolist() == [healthy]
    reference.data.qpos[:], reference.data.qvel[:] = qpos, qvel
    assert bool(reference.is_healthy) == healthy
    reference.close()


def test_a_fall_ends_the_inner_episode_alone():
    env = single_agent_env("HumanoidDir-v0", 2, horizon=100)
    env.reset(seed=0, options={"task": [[0.5], [-2.0]]})
    trials = env.game.trials
    still = np.zeros((2, 17))
    first = env.step(still)[1]
    trials.physics.qpos[1, 2] = 0.5
    _, rewards, terminations, _, infos = env.step(still)
    assert infos["episode_ended"].tolist() == [False, True]
    assert terminations.tolist() == [False, False]
    assert infos["reward_survive"].tolist() == [5.0, 5.0], "the sources pay the step of the fall as well"
    assert infos["episode_return"].tolist() == [0.0, first[1] + rewards[1]]
    assert trials.episode.tolist() == [0, 1]
    assert trials.task.tolist() == [[0.5], [-2.0]]
    assert trials.physics.qpos[1, 2] == pytest.approx(1.4, abs=0.011)
    trials.physics.qpos[1, 2] = 0.5
    _, _, terminations, _, _ = env.step(still)
    assert terminations.tolist() == [False, True]


def test_a_fall_is_not_paid_by_gymnasiums_rewards():
    env = single_agent_env("Hopper-v0")
    env.reset(seed=0)
    assert env.step(np.zeros(3))[4]["reward_survive"] == 1.0
    env.game.trials.physics.qpos[0, 2] = 0.3
    _, _, ended, _, info = env.step(np.zeros(3))
    assert info["reward_survive"] == 0.0
    assert ended


def test_a_fallen_ant_goes_on_to_its_goal():
    env = single_agent_env("AntGoal-v0", horizon=5)
    env.reset(seed=0)
    ends = []
    for _ in range(10):
        env.game.trials.physics.qpos[0, 2] = 1.5
        ends.append(env.step(np.zeros(8))[4]["episode_ended"])
    assert ends == [False, False, False, False, True] * 2


@pytest.mark.parametrize("name", [*NAMES, "Point"])
def test_torques_reach_the_actuators_in_their_range(name):
    scenario = f"{name}-v0" if name != "Point" else "PointDir-v0"
    env = single_agent_env(scenario, 3)
    env.reset(seed=0)
    physics = env.game.trials.physics
    limit = {"Humanoid": 0.4, "InvertedPendulum": 3.0}.get(name, 1.0)
    np.testing.assert_array_equal(physics.model.actuator_ctrlrange, [[-limit, limit]] * physics.model.nu)
    env.step(np.array([[1.0], [-1.0], [0.0]]) * np.ones(physics.model.nu))
    applied = physics._batch.bind("ctrl")
    np.testing.assert_allclose(applied, np.array([[limit], [-limit], [0]]) * np.ones(physics.model.nu))
    assert (applied[2] == 0).all()


@pytest.mark.parametrize(("scenario", "limit"), [("Hopper-v0", 10), ("Walker2dVel-v0", 10), ("Ant-v0", None)])
def test_observed_velocities_are_clipped_where_gymnasium_clips(scenario, limit):
    env = single_agent_env(scenario, sensor_noise=1e-3)
    env.reset(seed=0)
    physics = env.game.trials.physics
    physics.qvel[0, :3] = [40.0, -35.0, 9.0]
    seen = env.game.observe()[0][env.observation_fields()["velocities"]]
    expected = [40, -35, 9] if limit is None else [limit, -limit, 9]
    np.testing.assert_allclose(seen[:3], expected, atol=0.01)
    assert physics.qvel[0, 0] == 40


def test_place_of_ant_and_humanoid_where_mujoco_puts_it():
    """The point whose velocity is paid, against MuJoCo's own kinematics of the start state."""
    for id, field in (("AntDir-v0", "xpos"), ("HumanoidDir-v0", "com")):
        env = single_agent_env(id, 3)
        env.reset(seed=5)
        physics, data = env.game.trials.physics, mujoco.MjData(BODIES[env.scenario.body.name].load())
        model = physics.model
        for world in range(3):
            data.qpos[:] = physics.qpos[world]
            mujoco.mj_kinematics(model, data)
            com = model.body_mass @ data.xipos / model.body_mass.sum()
            expected = data.xpos[1] if field == "xpos" else com
            np.testing.assert_allclose(physics.point[world], expected[:2], rtol=0, atol=1e-14)


@pytest.mark.parametrize("scenario", ["AntDir-v0", "HumanoidDir-v0"])
def test_a_start_has_no_velocity_of_the_last_fall(scenario):
    """What a world did before does not change what its next trial is paid."""
    played, fresh = single_agent_env(scenario), single_agent_env(scenario)
    played.reset(seed=0)
    for _ in range(20):
        played.step(np.ones(played.action_space.shape))
    played.reset(seed=3)
    fresh.reset(seed=3)
    for _ in range(3):
        torque = -np.ones(fresh.action_space.shape)
        assert played.step(torque)[1] == fresh.step(torque)[1]


@pytest.mark.parametrize("scenario", ["AntDir-v0", "HumanoidDir-v0", "Walker2dVel-v0"])
def test_worlds_that_fall_at_different_times_are_the_single_ones(scenario, random_actions, assert_identical):
    """A start of one world leaves where the others are alone."""
    env = single_agent_env(scenario, 4, num_threads=2)
    singles = [single_agent_env(scenario) for _ in range(4)]
    env.reset(seed=40)
    for i, single in enumerate(singles):
        single.reset(seed=40 + i)
    rng, apart = np.random.default_rng(0), 0
    for _ in range(120):
        actions = random_actions(env, rng)
        observations, rewards, ended, _, infos = env.step(actions)
        apart += 0 < infos["episode_ended"].sum() < 4
        for i, single in enumerate(singles):
            observation, reward, its_end, _, _ = single.step(actions[i])
            assert (reward, its_end) == (rewards[i], ended[i])
            if its_end:
                observation, _ = single.reset()
            assert_identical(observations[i], observation)
    assert apart > 1


@pytest.mark.parametrize("scenario", ["AntDir-v0", "HumanoidDir-v0", "Hopper-v0", "AntGoal-v0"])
def test_a_clone_goes_on_with_the_same_rewards(scenario, random_actions, assert_identical):
    env, other = vector_env(scenario, 3), vector_env(scenario, 3)
    env.reset(seed=0)
    other.reset(seed=9)
    rng = np.random.default_rng(0)
    for _ in range(5):
        env.step(random_actions(env, rng))
    other.restore_state(env.clone_state())
    for _ in range(40):
        actions = random_actions(env, rng)
        assert_identical(env.step(actions), other.step(actions))


@pytest.mark.parametrize("scenario", ["AntVel-v0", "HumanoidDir-v0", "Walker2dVel-v0"])
@pytest.mark.parametrize("value", [1e12, np.nan, np.inf])
def test_a_body_that_blows_up_ends_its_trial(scenario, value):
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda message: None)
    try:
        env, calm = single_agent_env(scenario, 2), single_agent_env(scenario, 2)
        env.reset(seed=0)
        calm.reset(seed=0)
        torque = np.full(env.action_space.shape, 0.1)
        env.game.trials.physics.qvel[1, 1] = value
        observations, _, ended, _, infos = env.step(torque)
        calm.step(torque)
    finally:
        mujoco.set_mju_user_warning(before)
    assert infos["physics_unstable"].tolist() == [False, True]
    assert ended.tolist() == [False, True]
    assert np.isfinite(observations).all()
    # The next trial of that world starts with a velocity of its own.
    single = single_agent_env(scenario)
    single.reset(seed=1)
    single.reset()
    for _ in range(2):
        rewards = env.step(torque)[1]
        assert rewards[0] == calm.step(torque)[1][0]
        assert rewards[1] == single.step(torque[1])[1]
