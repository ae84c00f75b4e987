"""Trials: the clock, inner episodes, tasks, and the reward laws by hand."""

import math

import numpy as np
import pytest

from ma_ssm_env import SCENARIOS, parallel_env, single_agent_env, vector_env

HEADER = ("episode_start", "time_left", "episode_index")


def test_worlds_that_were_never_seeded_are_not_one_another():
    for env in (vector_env("PointDir-v0", 4), single_agent_env("PointDir-v0", 4)):
        env.reset()
        seeds = env.game.trials.seeds.tolist()
        assert len(set(seeds)) == 4
        assert len(set(env.game.trials.task[:, 0].tolist())) == 4
        env.reset()
        assert env.game.trials.seeds.tolist() == seeds, "an unseeded reset goes on with the same worlds"


def headers(env, random_actions):
    """The headers of one trial of the team, from its reset to its last observation."""
    rng, read = np.random.default_rng(0), []
    observations, _ = env.reset()
    while True:
        rows = {tuple(float(x) for x in o[:3]) for o in observations.values()}
        assert len(rows) == 1, "all roles see the same header"
        read.append(rows.pop())
        if not env.agents:
            return read
        observations, _, terminations, truncations, _ = env.step(random_actions(env, rng))
        assert not any(truncations.values())
        assert all(terminations.values()) == (not env.agents)


def test_headers_by_hand(random_actions):
    env = parallel_env("PointDir-v0", episodes_per_trial=3, horizon=4)
    for agent in env.possible_agents:
        assert [env.observation_fields(agent)[name] for name in HEADER] == [slice(i, i + 1) for i in range(3)]
    expected = [
        *((1, 1, 0), (0, 0.75, 0), (0, 0.5, 0), (0, 0.25, 0)),
        *((1, 1, 0.5), (0, 0.75, 0.5), (0, 0.5, 0.5), (0, 0.25, 0.5)),
        *((1, 1, 1), (0, 0.75, 1), (0, 0.5, 1), (0, 0.25, 1), (0, 0, 1)),
    ]
    assert headers(env, random_actions) == expected
    assert headers(env, random_actions) == expected


def test_header_of_a_single_episode(random_actions):
    env = parallel_env("PointDir-v0", episodes_per_trial=1, horizon=2)
    assert headers(env, random_actions) == [(1, 1, 0), (0, 0.5, 0), (0, 0, 0)]


def test_state_shows_the_reward_that_is_paid(random_actions):
    for make in (parallel_env, single_agent_env):
        env = make("HalfCheetahVel-v0", feedback="none")
        env.reset(seed=0)
        paid = env.step(random_actions(env, np.random.default_rng(0)))[1]
        shown = float(env.state()[env.state_fields["true_last_reward"]][0])
        assert shown == pytest.approx(paid if make is single_agent_env else paid["adaptation_0"], abs=0.011)
        assert abs(shown) > 0.1


@pytest.mark.parametrize(("episodes", "horizon"), [(1, 1), (1, 7), (3, 1), (2, 5)])
def test_a_trial_has_k_times_h_steps(episodes, horizon, random_actions):
    env = parallel_env("PointGoal-v0", episodes_per_trial=episodes, horizon=horizon)
    rng = np.random.default_rng(0)
    for _ in range(2):
        env.reset()
        ended, returns, paid = [], [], 0.0
        while env.agents:
            _, _, _, _, infos = env.step(random_actions(env, rng))
            info = infos["coordinator_0"]
            ended.append(info["episode_ended"])
            paid += info["task_reward"]
            if info["episode_ended"]:
                returns.append(info["episode_return"])
                assert info["episode_return"] == pytest.approx(paid, rel=1e-12)
                paid = 0.0
            else:
                assert info["episode_return"] == 0.0
        assert ended == ([0] * (horizon - 1) + [1]) * episodes
        assert len(returns) == episodes


def test_defaults_of_the_scenarios(random_actions):
    lengths = {id: (s.episodes_per_trial, s.horizon) for id, s in SCENARIOS.items()}
    assert lengths == {
        "PointDir-v0": (2, 50),
        "PointGoal-v0": (2, 50),
        "HalfCheetah-v0": (1, 1000),
        "HalfCheetahVel-v0": (2, 200),
        "HalfCheetahDir-v0": (2, 200),
        "Ant-v0": (1, 1000),
        "AntVel-v0": (2, 200),
        "AntDir-v0": (2, 200),
        "AntGoal-v0": (2, 200),
        "Hopper-v0": (1, 1000),
        "Walker2d-v0": (1, 1000),
        "Walker2dVel-v0": (2, 200),
        "Humanoid-v0": (1, 1000),
        "HumanoidDir-v0": (2, 200),
        "Swimmer-v0": (1, 1000),
        "InvertedPendulum-v0": (1, 1000),
        "SwimmerDir-v0": (2, 200),
        "HalfCheetahGravity-v0": (2, 200),
        "HalfCheetahMass-v0": (2, 200),
        "HalfCheetahFriction-v0": (2, 200),
        "HalfCheetahDamping-v0": (2, 200),
        "HalfCheetahStrength-v0": (2, 200),
        "HalfCheetahRandParams-v0": (2, 200),
        "HalfCheetahCripple-v0": (2, 200),
        "AntGravity-v0": (2, 200),
        "AntCripple-v0": (2, 200),
        "HopperGravity-v0": (2, 200),
        "HopperMass-v0": (2, 200),
        "HopperRandParams-v0": (2, 200),
        "Walker2dGravity-v0": (2, 200),
        "Walker2dMass-v0": (2, 200),
        "Walker2dRandParams-v0": (2, 200),
        "HumanoidGravity-v0": (2, 200),
        "HalfCheetahFault-v0": (1, 400),
        "AntFault-v0": (1, 400),
        "HopperFault-v0": (1, 400),
        "Walker2dFault-v0": (1, 400),
        "HalfCheetahSwitch-v0": (1, 400),
        "PointSwitch-v0": (1, 400),
        "PointDirDelayed-v0": (3, 50),
        "PointGoalDelayed-v0": (4, 50),
        "HalfCheetahVelDelayed-v0": (2, 200),
        "HalfCheetahDirDelayed-v0": (2, 200),
    }
    for id in ("PointDir-v0", "HalfCheetahDir-v0"):
        env = parallel_env(id)
        assert len(headers(env, random_actions)) == math.prod(lengths[id]) + 1


def test_an_inner_episode_starts_afresh_on_the_same_task(random_actions):
    env = parallel_env("HalfCheetahVel-v0", horizon=3)
    env.reset(seed=0)
    trials, rng, starts, tasks = env.game.trials, np.random.default_rng(0), [], []
    for trial in range(3):
        if trial:
            env.reset()
        for _ in range(2):
            starts.append((trials.physics.qpos[0].copy(), trials.physics.qvel[0].copy()))
            for _ in range(3):
                tasks.append(float(trials.task[0, 0]))
                env.step(random_actions(env, rng))
    assert len(set(tasks)) == 3
    assert all(len(set(tasks[6 * i : 6 * i + 6])) == 1 for i in range(3))
    for i, (qpos, qvel) in enumerate(starts):
        assert (np.abs(qpos - trials.physics.model.qpos0) <= 0.1).all()
        assert (np.abs(qvel) < 0.6).all()
        assert all((qpos != other).all() for other, _ in starts[:i])


def test_state_by_hand(random_actions):
    env = parallel_env("PointGoal-v0", horizon=3)
    env.reset(seed=0, options={"task": (1.75, 0.0)})
    rng, paid = np.random.default_rng(0), 0.0
    for step in range(1, 3):
        _, _, _, _, infos = env.step(random_actions(env, rng))
        reward = infos["coordinator_0"]["task_reward"]
        paid += reward
        state = {name: env.state()[where] for name, where in env.state_fields.items()}
        qpos, qvel = env.game.trials.physics.qpos[0], env.game.trials.physics.qvel[0]
        np.testing.assert_array_equal(state["positions"], np.float32(qpos))
        np.testing.assert_array_equal(state["root_position"], np.float32(qpos))
        np.testing.assert_array_equal(state["velocities"], np.float32(qvel))
        assert state["true_last_reward"] == np.float32(reward)
        assert state["return_so_far"] == np.float32(paid)
        assert state["time_left"] == np.float32(1 - step / 3)
        np.testing.assert_array_equal(state["task"], [1.0, 0.0])
    env.step(random_actions(env, rng))
    assert env.state()[env.state_fields["return_so_far"]] == 0
    assert env.state()[env.state_fields["true_last_reward"]] != 0


def test_running_tasks_do_not_show_the_place():
    for id, root_hidden in {
        "PointDir-v0": True,
        "HalfCheetahVel-v0": True,
        "AntDir-v0": True,
        "HumanoidDir-v0": True,
        "Walker2dVel-v0": True,
        "SwimmerDir-v0": True,
        "PointGoal-v0": False,
        "AntGoal-v0": False,
    }.items():
        env = parallel_env(id)
        env.reset(seed=0)
        qpos = env.game.trials.physics.qpos[0]
        root = list(env.scenario.body.root)
        shown = np.delete(qpos, root) if root_hidden else qpos
        np.testing.assert_array_equal(env.state()[env.state_fields["positions"]], np.float32(shown))


# -- tasks ----------------------------------------------------------------------------------------------


def test_a_task_by_reset_options_is_played_once():
    for env in (parallel_env("HalfCheetahVel-v0"), single_agent_env("HalfCheetahVel-v0")):
        for task in (1.25, [1.25], np.array([1.25]), np.float32(1.25)):
            env.reset(seed=0, options={"task": task})
            assert env.game.trials.task.tolist() == [[1.25]]
        env.reset(options={})
        assert env.game.trials.task[0, 0] != 1.25
        env.reset(options={"task": None, "foreign": 1})
        assert env.game.trials.task[0, 0] != 1.25


@pytest.mark.parametrize("make", [single_agent_env, vector_env])
def test_worlds_of_a_batch_are_not_begun_anew_by_parts(make):
    env = make("HalfCheetahVel-v0", 2)
    env.reset(seed=0)
    before = env.state()
    with pytest.raises(ValueError, match="'reset_mask': a batch begins anew as a whole"):
        env.reset(options={"reset_mask": np.array([True, False])})
    np.testing.assert_array_equal(env.state(), before)


def test_tasks_of_a_batch():
    env = vector_env("HalfCheetahVel-v0", 3, horizon=1)
    still = {a: np.zeros((3, s.shape[0])) for a, s in env.game.action_spaces.items()}
    for given, expected in (
        (0.5, [0.5, 0.5, 0.5]),
        ([0.5], [0.5, 0.5, 0.5]),
        ([0.5, 1, 2], [0.5, 1, 2]),
        ([[0.5], [1], [2]], [0.5, 1, 2]),
    ):
        env.reset(seed=0, options={"task": given})
        assert env.game.trials.task[:, 0].tolist() == expected
    env.set_tasks([3, 2, 1])
    assert env.game.trials.task[:, 0].tolist() == expected, "a pinned task waits for the next trial"
    for _ in range(4):
        env.step(still)
        env.step(still)
        assert env.game.trials.task[:, 0].tolist() == [3, 2, 1]
    env.reset(options={"task": 0.5})
    assert env.game.trials.task[:, 0].tolist() == [0.5] * 3
    env.reset()
    assert env.game.trials.task[:, 0].tolist() == [3, 2, 1]
    env.set_tasks(None)
    env.reset()
    assert not set(env.game.trials.task[:, 0]) & {1.0, 2.0, 3.0}
    goals = vector_env("PointGoal-v0", 2)
    goals.reset(options={"task": [1.0, 0.5]})
    assert goals.game.trials.task.tolist() == [[1.0, 0.5]] * 2


@pytest.mark.parametrize(
    ("id", "task", "message"),
    [
        (
            "HalfCheetahVel-v0",
            4.5,
            r"task 4.5: speed, m/s is 4.5; speed, m/s in \[0, 3\] \(ood: \[3, 4\]\) expected",
        ),
        ("HalfCheetahVel-v0", -0.1, r"speed, m/s is -0.1"),
        ("HalfCheetahVel-v0", math.nan, r"task nan: speed"),
        ("HalfCheetahVel-v0", "fast", r"task 'fast': speed"),
        ("HalfCheetahVel-v0", [[1.0], [1.0, 2.0]], r"task \[\[1.0\], \[1.0, 2.0\]\]: speed"),
        ("HalfCheetahVel-v0", [1.0, 2.0], r"2 tasks for 1 worlds"),
        ("HalfCheetahDir-v0", 0.5, r"direction is 0.5; direction -1 or 1 expected"),
        ("PointDir-v0", 3.2, r"angle, rad is 3.2"),
        ("PointGoal-v0", [2.6, 0.0], r"radius, m is 2.6; radius, m in \[0, 1.75\] \(ood: \[1.75, 2.5\]\)"),
        ("PointGoal-v0", 1.0, r"task 1.0: radius"),
        ("HalfCheetah-v0", 1.0, r"an empty task \(this scenario has one task\) expected"),
    ],
)
def test_tasks_out_of_range_are_refused(id, task, message, assert_identical):
    for env in (parallel_env(id), single_agent_env(id), vector_env(id, 1), single_agent_env(id, 1)):
        env.reset(seed=0)
        before = env.clone_state()
        with pytest.raises(ValueError, match=message):
            env.reset(seed=1, options={"task": task})
        with pytest.raises(ValueError, match=message):
            env.set_tasks(task)
        assert_identical(before, env.clone_state())


@pytest.mark.parametrize("options", [{"tasks": 1.0}, {"Task": 1.0}, {"tsk": 1.0}])
def test_misspelt_reset_options_are_refused(options, assert_identical):
    for env in (parallel_env("HalfCheetahVel-v0"), single_agent_env("HalfCheetahVel-v0")):
        env.reset(seed=0)
        before = env.clone_state()
        with pytest.raises(ValueError, match=r"reset option '\w+': unknown; did you mean 'task'\?"):
            env.reset(seed=1, options=options)
        with pytest.raises(ValueError, match=r"reset options 'task': a dict such as"):
            env.reset(seed=1, options="task")
        assert_identical(before, env.clone_state())


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True, 2**63, math.nan, np.array([0])])
def test_bad_seeds_are_refused(seed, assert_identical):
    for env in (
        parallel_env("PointDir-v0"),
        single_agent_env("PointDir-v0"),
        vector_env("PointDir-v0", 2),
        single_agent_env("PointDir-v0", 2),
    ):
        env.reset(seed=0)
        before = env.clone_state()
        with pytest.raises(
            ValueError, match=r"seed .*: a whole number in \[0, 2\*\*63\) is expected, or None"
        ):
            env.reset(seed=seed)
        assert_identical(before, env.clone_state())


def test_bad_lists_of_seeds_are_refused(assert_identical):
    env = vector_env("PointDir-v0", 2)
    env.reset(seed=0)
    before = env.clone_state()
    for seeds, message in (
        ([1], "1 seeds for 2 worlds"),
        ([1, -1], "seed -1"),
        (2**63 - 1, "seed 9223372036854775808"),
    ):
        with pytest.raises(ValueError, match=message):
            env.reset(seed=seeds)
    assert_identical(before, env.clone_state())


# -- rewards --------------------------------------------------------------------------------------------


def reward_by_hand(id, task, velocity, after, torque, healthy):
    """The law of a scenario, in float64, from planar velocity and place after a control step."""
    effort = np.square(np.float64(torque)).sum()
    match id.replace("Delayed", ""):
        case "PointDir-v0" | "PointSwitch-v0":  # before the switch
            return velocity[0] * math.cos(task[0]) + velocity[1] * math.sin(task[0])
        case "PointGoal-v0":
            return -math.hypot(after[0] - task[0] * math.cos(task[1]), after[1] - task[0] * math.sin(task[1]))
        case "HalfCheetahCripple-v0":
            return velocity[0] - 0.05 * effort
        case "HalfCheetahVel-v0" | "HalfCheetahSwitch-v0":
            return -abs(velocity[0] - task[0]) - 0.05 * effort
        case "HalfCheetahDir-v0":
            return task[0] * velocity[0] - 0.05 * effort
        case "Ant-v0" | "AntGravity-v0" | "AntFault-v0":
            return velocity[0] + healthy - 0.5 * effort
        case "AntVel-v0":
            return 1 - abs(velocity[0] - task[0]) - 0.005 * effort + 0.05
        case "AntDir-v0":
            return velocity[0] * math.cos(task[0]) + velocity[1] * math.sin(task[0]) - 0.5 * effort + 1
        case "AntGoal-v0":
            goal = task[0] * math.cos(task[1]), task[0] * math.sin(task[1])
            return -abs(after[0] - goal[0]) - abs(after[1] - goal[1]) - 0.1 * effort
        case "AntCripple-v0":
            return velocity[0] + 0.05
        case "HopperRandParams-v0" | "Walker2dRandParams-v0":
            return velocity[0] + 1 - 1e-3 * effort
        case "Hopper-v0" | "HopperGravity-v0" | "HopperMass-v0" | "HopperFault-v0":
            return velocity[0] + healthy - 1e-3 * effort
        case "Walker2d-v0" | "Walker2dGravity-v0" | "Walker2dMass-v0" | "Walker2dFault-v0":
            return velocity[0] + healthy - 1e-3 * effort
        case "Walker2dVel-v0":
            return 1 - abs(velocity[0] - task[0]) - 1e-3 * effort + 1
        case "Humanoid-v0" | "HumanoidGravity-v0":
            return 1.25 * velocity[0] + 5 * healthy - 0.1 * 0.4**2 * effort
        case "HumanoidDir-v0":  # the source's 0.25 / timestep of a displacement in five substeps
            along = velocity[0] * math.cos(task[0]) + velocity[1] * math.sin(task[0])
            return 0.25 / 0.003 * along * 0.015 + 5 - 0.1 * 0.4**2 * effort
        case "Swimmer-v0":
            return velocity[0] - 1e-4 * effort
        case "SwimmerDir-v0":
            return task[0] * velocity[0] - 1e-4 * effort
        case "HalfCheetah-v0" | "HalfCheetahFault-v0":
            return velocity[0] - 0.1 * effort
        case "HalfCheetahGravity-v0" | "HalfCheetahMass-v0" | "HalfCheetahFriction-v0":
            return velocity[0] - 0.1 * effort
        case "InvertedPendulum-v0":
            return float(healthy)
        case "HalfCheetahDamping-v0" | "HalfCheetahRandParams-v0" | "HalfCheetahStrength-v0":
            return velocity[0] - 0.1 * effort
    raise AssertionError(id)


TASKS = {
    "PointDir-v0": [[0.7], [-3.0]],
    "PointGoal-v0": [[1.0, 2.0], [2.2, -0.5]],
    "HalfCheetah-v0": [[], []],
    "HalfCheetahVel-v0": [[0.1], [3.5]],
    "HalfCheetahDir-v0": [[1.0], [-1.0]],
    "Ant-v0": [[], []],
    "AntVel-v0": [[0.1], [3.5]],
    "AntDir-v0": [[0.7], [-3.0]],
    "AntGoal-v0": [[2.5, 2.0], [3.9, -0.5]],
    "Hopper-v0": [[], []],
    "Walker2d-v0": [[], []],
    "Walker2dVel-v0": [[0.1], [3.5]],
    "Humanoid-v0": [[], []],
    "HumanoidDir-v0": [[0.7], [-3.0]],
    "Swimmer-v0": [[], []],
    "SwimmerDir-v0": [[1.0], [-1.0]],
    "HalfCheetahGravity-v0": [[1.0], [-4.0]],
    "HalfCheetahMass-v0": [[1.0], [-4.0]],
    "HalfCheetahFriction-v0": [[1.0], [-4.0]],
    "HalfCheetahDamping-v0": [[1.0], [-4.0]],
    "HalfCheetahStrength-v0": [[1.0], [-4.0]],
    "InvertedPendulum-v0": [[], []],
    "HalfCheetahRandParams-v0": [[1.0] * 29, [-3.0] * 29],
    "HalfCheetahCripple-v0": [[0], [5]],
    "AntGravity-v0": [[1.0], [-4.0]],
    "AntCripple-v0": [[0], [3]],
    "HopperGravity-v0": [[1.0], [-4.0]],
    "HopperMass-v0": [[1.0], [-4.0]],
    "HopperRandParams-v0": [[1.0] * 16, [-3.0] * 16],
    "Walker2dGravity-v0": [[1.0], [-4.0]],
    "Walker2dMass-v0": [[1.0], [-4.0]],
    "Walker2dRandParams-v0": [[1.0] * 28, [-3.0] * 28],
    "HumanoidGravity-v0": [[1.0], [-3.0]],
    "AntFault-v0": [[0], [7]],
    "HopperFault-v0": [[0], [2]],
    "Walker2dFault-v0": [[0], [5]],
    "HalfCheetahFault-v0": [[0], [5]],
    "HalfCheetahSwitch-v0": [[0.1, 3.0], [3.5, 0.0]],
    "PointSwitch-v0": [[0.7, 2.0], [-3.0, 4.0]],
}
CONTROL_DT = {
    "Point": 0.1,
    "HalfCheetah": 0.05,
    "Ant": 0.05,
    "Hopper": 0.008,
    "Walker2d": 0.008,
    "Humanoid": 0.015,
    "Swimmer": 0.04,
    "InvertedPendulum": 0.04,
}
TASKS |= {f"{id}Delayed-v0": TASKS[f"{id}-v0"] for id in ("PointDir", "PointGoal")}
TASKS |= {f"HalfCheetah{law}Delayed-v0": TASKS[f"HalfCheetah{law}-v0"] for law in ("Vel", "Dir")}


def test_reward_laws_by_hand(scenario, random_actions):
    env = single_agent_env(scenario, 2, horizon=100)
    env.reset(seed=0, options={"task": TASKS[scenario]})
    physics, body = env.game.trials.physics, env.scenario.body
    dt = CONTROL_DT[body.name]
    assert physics.control_dt == pytest.approx(dt)
    rng, root = np.random.default_rng(0), list(body.root)
    for step in range(20):
        before, place = physics.point.copy(), physics.qpos[:, root].copy()
        torque = random_actions(env, rng)
        _, rewards, _, _, infos = env.step(torque)
        after = physics.qpos[:, root]
        if infos["episode_ended"].any():  # a fall: the world is where the next inner episode starts
            assert step > (1 if body.name == "InvertedPendulum" else 5), "a pole falls sooner than a body"
            break
        velocity = (physics.point - before) / dt
        if body.marker is None:
            np.testing.assert_array_equal(velocity, (after - place) / dt)
        for i in range(2):
            expected = reward_by_hand(scenario, TASKS[scenario][i], velocity[i], after[i], torque[i], 1.0)
            assert rewards[i] == pytest.approx(expected, rel=1e-5, abs=1e-6)
        terms = [infos["reward_" + name] for name in env.scenario.variation.terms]
        np.testing.assert_array_equal(rewards, sum(terms))


def test_point_moves_as_its_page_says():
    env = single_agent_env("PointDir-v0", horizon=200)
    env.reset(seed=0, options={"task": 0.0})
    speeds = []
    for _ in range(60):
        _, reward, _, _, _ = env.step([1.0, 0.0])
        speeds.append(env.game.trials.physics.qvel[0, 0])
    assert speeds[-1] == pytest.approx(2.0, rel=1e-3)
    assert reward == pytest.approx(2.0, rel=1e-3)
    kept = np.diff(speeds[1:10]) / np.diff(speeds[:9])
    np.testing.assert_allclose(kept, 0.8, atol=0.005)


def test_feedback_is_the_plain_reward(random_actions):
    env = parallel_env("HalfCheetahVel-v0", horizon=4, bandwidth_cost=1.0)
    where = env.observation_fields("state_modeling_0")["last_reward"]
    observations, _ = env.reset(seed=0)
    assert observations["state_modeling_0"][where] == 0
    rng = np.random.default_rng(0)
    for _ in range(8):
        observations, _, _, _, infos = env.step(random_actions(env, rng))
        assert observations["state_modeling_0"][where] == np.float32(infos["state_modeling_0"]["task_reward"])


def test_feedback_by_episodes_is_the_mean_reward(random_actions):
    env = parallel_env("HalfCheetahVel-v0", horizon=4, episodes_per_trial=3, feedback="episode")
    where = env.observation_fields("state_modeling_0")["last_reward"]
    env.reset(seed=0)
    rng, shown, returns = np.random.default_rng(0), [], []
    for _ in range(12):
        observations, _, _, _, infos = env.step(random_actions(env, rng))
        shown.append(float(observations["state_modeling_0"][where][0]))
        returns.append(infos["state_modeling_0"]["episode_return"])
    expected = [0, 0, 0, returns[3] / 4, 0, 0, 0, returns[7] / 4, 0, 0, 0, 0]
    np.testing.assert_allclose(shown, expected, rtol=1e-6)


DELAYED = {"PointDir": 3, "PointGoal": 4, "HalfCheetahVel": 2, "HalfCheetahDir": 2}


@pytest.mark.parametrize("id", list(DELAYED))
def test_delayed_versions_are_the_same_law_seen_by_episodes(id, random_actions, assert_identical):
    delayed = parallel_env(f"{id}Delayed-v0", horizon=4)
    assert delayed.options.feedback == "episode"
    assert delayed.options.episodes_per_trial == DELAYED[id]
    assert delayed.scenario.variation is SCENARIOS[f"{id}-v0"].variation
    plain = parallel_env(f"{id}-v0", horizon=4, episodes_per_trial=DELAYED[id], feedback="episode")
    assert_identical(delayed.reset(seed=0), plain.reset(seed=0))
    rng = np.random.default_rng(0)
    while plain.agents:
        actions = random_actions(plain, rng)
        assert_identical(delayed.step(actions), plain.step(actions))
    assert parallel_env(f"{id}Delayed-v0", feedback="step").options.feedback == "step"
    assert all(("Delayed" in i) == (s.feedback == "episode") for i, s in SCENARIOS.items())


def test_feedback_does_not_change_what_is_paid(random_actions):
    paid = []
    for feedback in ("step", "episode", "none"):
        env = parallel_env("HalfCheetahVel-v0", horizon=4, feedback=feedback)
        env.reset(seed=0)
        rng = np.random.default_rng(0)
        paid.append([env.step(random_actions(env, rng))[1]["coordinator_0"] for _ in range(8)])
    assert paid[0] == paid[1] == paid[2]
