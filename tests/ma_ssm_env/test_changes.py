"""Tasks that change in mid-trial: when, from which stream, what is felt, shown and paid."""

import dataclasses
import math

import numpy as np
import pytest

from ma_ssm_env import SCENARIOS, parallel_env, single_agent_env, vector_env
from ma_ssm_env.streams import Purpose, substream

CHANGING = [id for id, scenario in SCENARIOS.items() if scenario.variation.changes]


def test_which_scenarios_change():
    faults = [f"{body}Fault-v0" for body in ("HalfCheetah", "Ant", "Hopper", "Walker2d")]
    assert [*faults, "HalfCheetahSwitch-v0", "PointSwitch-v0"] == CHANGING


def lasting(id):
    """The scenario, in which a fall ends nothing: random actions would end it before the change."""
    scenario = SCENARIOS[id]
    variation = dataclasses.replace(scenario.variation, ends_unhealthy=False)
    return dataclasses.replace(scenario, variation=variation)


@pytest.mark.parametrize("id", CHANGING)
def test_the_step_is_drawn_from_the_middle_quarter(id):
    env = single_agent_env(id, 2000)
    env.reset(seed=0)
    steps = env.game.trials.change_at
    assert (steps.min(), steps.max()) == (150, 250)
    counts = np.bincount(steps - 150)
    assert len(counts) == 101
    assert counts.min() > 3
    assert steps.mean() == pytest.approx(200, abs=3)
    for horizon, episodes, window in ((400, 1, (150, 250)), (100, 2, (75, 125)), (3, 1, (1, 1))):
        short = single_agent_env(id, horizon=horizon, episodes_per_trial=episodes)
        assert short.game.trials.change_window() == window


OPTIONS = [
    {},
    {"sensor_noise": 0.5},
    {"feedback": "none"},
    {"split": "test"},
    {"hide_velocities": True},
    {"absent_roles": {"state_modeling"}},
    {"bandwidth_cost": 1.0, "observability": "full"},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_step_comes_from_the_fault_stream_alone(options, random_actions):
    env = vector_env("PointSwitch-v0", 3, **options)
    env.reset(seed=40)
    for trial in range(3):
        for world in range(3):
            u = substream(40 + world, Purpose.FAULT, trial).random()
            assert env.game.trials.change_at[world] == 150 + int(u * 101)
        if trial == 1:
            env.step(random_actions(env, np.random.default_rng(0)))
        env.reset(options={"task": [1.0, 2.0]} if trial == 0 else None)


def test_a_healthy_body_until_the_fault(assert_identical):
    env = single_agent_env("HalfCheetahFault-v0")
    plain = single_agent_env("HalfCheetah-v0", horizon=400)
    crippled = single_agent_env("HalfCheetahCripple-v0", horizon=400, episodes_per_trial=1)
    env.reset(seed=1, options={"task": 4})
    plain.reset(seed=1)
    crippled.reset(seed=1, options={"task": 4})
    change = int(env.game.trials.change_at[0])
    physics = env.game.trials.physics
    rng = np.random.default_rng(0)
    for step in range(400):
        torque = rng.uniform(-1, 1, 6).astype(np.float32)
        if step == change:  # from here on it is a crippled body at that state
            crippled.game.trials.physics._rows[:] = physics._rows
        mine = env.step(torque)
        if step < change:
            assert_identical(mine[:4], plain.step(torque)[:4])
        else:
            crippled.step(torque)
            np.testing.assert_array_equal(physics.qpos, crippled.game.trials.physics.qpos)
            if step == change:
                plain.step(torque)
                assert (physics.qvel != plain.game.trials.physics.qvel).any()
        expected = -0.1 * np.square(torque).sum()
        assert mine[4]["reward_control"] == pytest.approx(expected, rel=1e-6), "of what was commanded"


@pytest.mark.parametrize("body", ["Ant", "Hopper", "Walker2d"])
def test_a_fault_reaches_the_actuator_alone(body):
    env = single_agent_env(lasting(f"{body}Fault-v0"), reveal_task=True)
    env.reset(seed=1, options={"task": 2})
    physics, change = env.game.trials.physics, int(env.game.trials.change_at[0])
    rng, cost = np.random.default_rng(0), env.scenario.body.control_cost
    for step in range(change + 3):
        torque = rng.uniform(-1, 1, physics.num_actuators).astype(np.float32)
        *_, infos = env.step(torque)
        expected = torque.copy()
        expected[2] *= step < change
        np.testing.assert_array_equal(physics._ctrl[0], expected)
        assert infos["reward_control"] == pytest.approx(-cost * np.square(torque).sum(), rel=1e-6)


@pytest.mark.parametrize("body", ["Ant", "Hopper", "Walker2d"])
def test_a_fall_before_the_fault_ends_the_trial(body):
    env = single_agent_env(f"{body}Fault-v0")
    env.reset(seed=0)
    env.game.trials.physics.qpos[0, 2] = 1.5  # too high for an ant, too steep for the others
    _, _, ended, _, infos = env.step(np.zeros(env.action_space.shape))
    assert ended
    assert infos["phase"] == 0
    assert infos["reward_survive"] == 0.0


@pytest.mark.parametrize("id", CHANGING)
@pytest.mark.parametrize("make", [parallel_env, single_agent_env])
def test_phases(id, make, random_actions):
    env = make(lasting(id))
    env.reset(seed=3)
    change, phases = int(env.game.trials.change_at[0]), []
    rng = np.random.default_rng(0)
    for _ in range(400):
        infos = env.step(random_actions(env, rng))[4]
        phases.append((infos["adaptation_0"] if make is parallel_env else infos)["phase"])
    assert phases == [0] * change + [1] * 50 + [2] * (350 - change)
    assert all(type(phase) is int for phase in phases)
    env.reset()
    infos = env.step(random_actions(env, rng))[4]
    assert (infos["adaptation_0"] if make is parallel_env else infos)["phase"] == 0


def test_phases_of_batches(random_actions):
    for env in (vector_env("PointSwitch-v0", 5), single_agent_env("PointSwitch-v0", 5)):
        env.reset(seed=3)
        rng = np.random.default_rng(0)
        for _ in range(2):
            change = env.game.trials.change_at.copy()
            read = np.array([env.step(random_actions(env, rng))[4]["phase"] for _ in range(400)])
            steps = np.arange(400)[:, None]
            np.testing.assert_array_equal(read, (steps >= change) * 1 + (steps >= change + 50))


def test_the_phase_is_always_there(scenario, random_actions):
    rng = np.random.default_rng(0)
    team = parallel_env(scenario)
    _, infos = team.reset(seed=0)
    assert all(info["phase"] == 0 for info in infos.values())
    assert all(info["phase"] == 0 for info in team.step(random_actions(team, rng))[4].values())
    for env in (vector_env(scenario, 2), single_agent_env(scenario, 2)):
        env.reset(seed=0)
        assert env.step(random_actions(env, rng))[4]["phase"].tolist() == [0, 0]


def test_the_oracle_sees_the_fault_when_it_comes():
    env = single_agent_env("HalfCheetahFault-v0", reveal_task=True)
    observation, _ = env.reset(seed=2, options={"task": 5})
    change, where = int(env.game.trials.change_at[0]), env.observation_fields()["task"]
    dead = np.array([-1, -1, -1, -1, -1, 1], dtype=np.float32)
    for step in range(400):
        expected = np.full(6, -1.0) if step < change else dead
        np.testing.assert_array_equal(observation[where], expected)
        np.testing.assert_array_equal(env.state()[env.state_fields["task"]], expected)
        observation, *_ = env.step(np.zeros(6))
    np.testing.assert_array_equal(observation[where], dead)
    observation, _ = env.reset(options={"task": 5})
    np.testing.assert_array_equal(observation[where], np.full(6, -1.0))


SWITCHES = {
    "PointSwitch-v0": [((0.5, 2.0), 0.5, 2.5), ((3.0, 4.0), 3.0, 7.0 - math.tau), ((-3.0, 1.6), -3.0, -1.4)],
    "HalfCheetahSwitch-v0": [((0.5, 2.5), 0.5, 2.5), ((3.5, 1.0), 3.5, 1.0)],
}


@pytest.mark.parametrize("id", list(SWITCHES))
def test_what_is_paid_and_shown_over_a_switch(id, random_actions):
    for task, before, after in SWITCHES[id]:
        env = single_agent_env(id, reveal_task=True)
        observation, _ = env.reset(seed=4, options={"task": task})
        change, where = int(env.game.trials.change_at[0]), env.observation_fields()["task"]
        physics, rng = env.game.trials.physics, np.random.default_rng(0)
        for step in range(400):
            now = before if step < change else after
            shown = now / math.pi if id.startswith("Point") else now / 1.5 - 1
            assert observation[where] == pytest.approx([shown], abs=1e-6)
            assert env.state()[env.state_fields["task"]] == observation[where]
            root = physics.qpos[0, :2].copy()
            torque = random_actions(env, rng)
            observation, reward, *_ = env.step(torque)
            moved = physics.qpos[0, :2] - root
            if id.startswith("Point"):
                expected = (moved[0] * math.cos(now) + moved[1] * math.sin(now)) / 0.1
            else:
                expected = -abs(moved[0] / 0.05 - now) - 0.05 * np.square(torque).sum()
            assert reward == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_laws_of_the_switches():
    env = vector_env("PointSwitch-v0", 1000)
    env.reset(seed=0)
    angle, turn = env.game.trials.task.T
    assert (math.pi / 2 <= turn).all()
    assert (turn <= 1.5 * math.pi).all()
    assert np.abs(angle).max() <= math.pi
    law = env.scenario.variation
    after = np.array([law.active(task, True)[0] for task in env.game.trials.task])
    assert np.abs(after).max() <= math.pi
    np.testing.assert_allclose(np.cos(after - angle), np.cos(turn), atol=1e-9)
    assert np.cos(after - angle).max() < 1e-9, "by 90 degrees at least"
    env = vector_env("HalfCheetahSwitch-v0", 1000)
    env.reset(seed=0)
    assert abs(np.corrcoef(env.game.trials.task.T)[0, 1]) < 0.1, "the speeds are independent"


def test_the_change_of_a_longer_trial_comes_in_any_inner_episode(random_actions):
    env = single_agent_env("PointSwitch-v0", 40, horizon=10, episodes_per_trial=4)
    env.reset(seed=0)
    change = env.game.trials.change_at.copy()
    assert set(change // 10) == {1, 2}
    rng = np.random.default_rng(0)
    read = np.array([env.step(random_actions(env, rng))[4]["phase"] for _ in range(40)])
    steps = np.arange(40)[:, None]
    np.testing.assert_array_equal(read, (steps >= change) * 1 + (steps >= change + 5))


def test_the_ledger_has_the_whole_task(random_actions):
    env = parallel_env("PointSwitch-v0", horizon=4)
    env.reset(seed=0, options={"task": (0.0, math.pi)})
    while env.agents:
        env.step(random_actions(env, np.random.default_rng(0)))
    observation, _ = env.reset()
    np.testing.assert_allclose(observation["environment_0"][3:5], [0.0, 0.0], atol=1e-6)
    assert observation["environment_0"][6] == 1


def test_a_fault_is_not_in_what_the_policy_sees_of_its_torque():
    env = single_agent_env("HalfCheetahFault-v0", horizon=8)
    env.reset(seed=0, options={"task": 0})
    for _ in range(7):
        observation, *_ = env.step(np.ones(6))
        np.testing.assert_array_equal(observation[env.observation_fields()["last_torque"]], np.ones(6))
