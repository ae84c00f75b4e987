"""Ids in the registries of Gymnasium and PettingZoo."""

import dataclasses
import pickle
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pettingzoo
import pytest

import ma_ssm_env
from ma_ssm_env import SCENARIOS, Scenario, neutral_policy, parallel_env, single_agent_env
from ma_ssm_env.bodies import BODIES
from ma_ssm_env.message_log import MessageLog, TrialLog
from ma_ssm_env.recorded_trials import load, record
from ma_ssm_env.registration import register_all
from ma_ssm_env.scenarios import reference
from ma_ssm_env.testing import CHECKS, check_env
from ma_ssm_env.variations import GOAL


def test_gym_make(scenario, assert_identical):
    env = gym.make(f"ma_ssm/{scenario}", horizon=3)
    assert isinstance(env.unwrapped, ma_ssm_env.SingleAgentEnv)
    assert env.unwrapped.options.horizon == 3
    same = single_agent_env(scenario, horizon=3)
    assert_identical(env.reset(seed=1), same.reset(seed=1))
    action = np.full(same.action_space.shape, 0.5, np.float32)
    ended = False
    while not ended:
        step = env.step(action)
        assert_identical(step, same.step(action))
        ended = step[2]
    env.close()


def test_gym_make_vec(scenario, assert_identical, random_actions):
    batch = gym.make_vec(f"ma_ssm/{scenario}", num_envs=2, horizon=3)
    assert isinstance(batch, ma_ssm_env.SingleAgentVectorEnv)
    singles = [gym.make(f"ma_ssm/{scenario}", horizon=3) for _ in range(2)]
    observations, _ = batch.reset(seed=4)
    for i, single in enumerate(singles):
        assert_identical(observations[i], single.reset(seed=4 + i)[0])
    rng = np.random.default_rng(0)
    for _ in range(3 * SCENARIOS[scenario].episodes_per_trial):
        actions = random_actions(batch, rng)
        observations, rewards, terminations, _, infos = batch.step(actions)
        for i, single in enumerate(singles):
            mine, reward, ended, _, _ = single.step(actions[i])
            assert_identical(infos["final_obs"][i] if ended else observations[i], mine)
            assert (float(rewards[i]), bool(terminations[i])) == (reward, ended)
    assert terminations.all()
    batch.close()


def test_gym_make_vec_of_processes_agrees(assert_identical, random_actions):
    ours = gym.make_vec("ma_ssm/PointDir-v0", num_envs=2, horizon=3)
    mode = {"autoreset_mode": gym.vector.AutoresetMode.SAME_STEP}
    theirs = gym.make_vec(
        "ma_ssm/PointDir-v0", num_envs=2, horizon=3, vectorization_mode="sync", vector_kwargs=mode
    )
    assert_identical(ours.reset(seed=0)[0], theirs.reset(seed=0)[0])
    rng = np.random.default_rng(0)
    for _ in range(15):
        actions = random_actions(ours, rng)
        got, expected = ours.step(actions), theirs.step(actions)
        assert_identical(got[0], expected[0])
        for a, b in zip(got[1:4], expected[1:4], strict=True):
            np.testing.assert_array_equal(a, b)
        assert ("final_obs" in got[4]) == ("final_obs" in expected[4])
        if "final_obs" in got[4]:
            np.testing.assert_array_equal(got[4]["_final_obs"], expected[4]["_final_obs"])
            assert_identical(list(got[4]["final_obs"]), list(expected[4]["final_obs"]))
            for name, values in expected[4]["final_info"].items():
                if not name.startswith("_"):
                    np.testing.assert_array_equal(values, got[4]["final_info"][name])


def test_render_mode_raises_no_warning():
    # Gymnasium looks at the class, before anything is made.
    env = gym.make("ma_ssm/PointDir-v0", render_mode="rgb_array")
    assert env.render_mode == "rgb_array"
    assert "rgb_array" in env.unwrapped.metadata["render_modes"]


def test_gym_make_after_importing_by_name():
    code = (
        "import gymnasium as gym\n"
        "env = gym.make('ma_ssm_env:ma_ssm/HalfCheetahVel-v0')\n"
        "observation, _ = env.reset(seed=0)\n"
        "print(env.unwrapped.scenario.id, len(observation))\n"
    )
    ran = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "HalfCheetahVel-v0 27\n"), ran.stderr


def test_importing_is_quiet_and_needs_no_learning_library():
    code = "import sys, ma_ssm_env; print([m for m in ('torch', 'stable_baselines3') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "[]\n", "")


def test_pettingzoo_make(scenario, assert_identical):
    env = pettingzoo.make("parallel", f"ma_ssm/{scenario}", horizon=3)
    assert isinstance(env, ma_ssm_env.TeamEnv)
    assert_identical(env.reset(seed=1), parallel_env(scenario, horizon=3).reset(seed=1))
    cycle = pettingzoo.make("aec", f"ma_ssm/{scenario}", horizon=3)
    cycle.reset(seed=1)
    assert cycle.agent_selection == "state_modeling_0"
    assert_identical(cycle.observe("state_modeling_0"), env.reset(seed=1)[0]["state_modeling_0"])


def test_the_cycle_environment_plays_the_same_game(assert_identical, random_actions):
    cycle, team = ma_ssm_env.env("PointDir-v0", horizon=2), parallel_env("PointDir-v0", horizon=2)
    cycle.reset(seed=0)
    observations, _ = team.reset(seed=0)
    rng = np.random.default_rng(0)
    while team.agents:
        actions = random_actions(team, rng)
        for agent in team.agents:
            assert cycle.agent_selection == agent
            assert_identical(cycle.observe(agent), observations[agent])
            cycle.step(actions[agent])
        observations, rewards, *_ = team.step(actions)
        assert cycle.rewards == rewards
    assert all(cycle.terminations.values())


def test_registering_twice_does_nothing():
    before = dict(gym.registry)
    register_all()
    assert dict(gym.registry) == before


@pytest.mark.parametrize("id", list(SCENARIOS))
def test_registered_names_are_the_scenarios_ids(id):
    assert gym.spec(f"ma_ssm/{id}").kwargs == {"scenario": id}
    assert pettingzoo.spec("parallel", f"ma_ssm/{id}").kwargs == {"scenario": id}


# -- scenarios of a user's own ------------------------------------------------------------------------------


def drift_reward(body, transition, target):
    del body
    off = transition.velocity - target
    return {"drift": -np.sqrt(np.square(off[:, 0]) + np.square(off[:, 1]))}


def own_scenario(id="PointDrift-v0", **changes):
    """PointGoal's law of places, read as velocities."""
    law = dataclasses.replace(GOAL, name="Drift", reward=drift_reward, terms=("drift",), place=False)
    given = {"episodes_per_trial": 2, "horizon": 4, "outcome_scale": (-50.0, -5.0), **changes}
    return Scenario(id, BODIES["Point"], law, **given)


def test_a_scenario_of_ones_own_is_played_by_its_id(table, assert_identical):
    mine = own_scenario()
    assert ma_ssm_env.register_scenario(mine) is mine
    env = parallel_env("PointDrift-v0")
    assert env.scenario is mine
    env.reset(seed=0, options={"task": [1.0, 0.0]})
    *_, infos = env.step({a: np.zeros(env.action_space(a).shape, np.float32) for a in env.agents})
    # Little has moved after a step from near rest: about 1 m/s is missing to the velocity (1, 0).
    assert infos["coordinator_0"]["reward_drift"] == pytest.approx(-1.0, abs=0.4)
    twin = gym.make("ma_ssm/PointDrift-v0")
    assert_identical(twin.reset(seed=1), single_agent_env(mine).reset(seed=1))
    assert gym.make_vec("ma_ssm/PointDrift-v0", num_envs=3).num_envs == 3
    team = pettingzoo.make("parallel", "ma_ssm/PointDrift-v0")
    assert_identical(team.reset(seed=1), env.reset(seed=1))
    known = len(gym.registry)
    assert ma_ssm_env.register_scenario(own_scenario()) == mine  # the same again
    assert len(gym.registry) == known
    with pytest.raises(ValueError, match="versions of PointDrift: v0"):
        parallel_env("PointDrift-v1")
    del table["PointDrift-v0"]
    with pytest.raises(ValueError, match=r"did you mean PointDir-v0\? \(one of your own is known"):
        parallel_env("PointDrift-v0")


def test_the_conformance_suite_runs_on_a_scenario_of_ones_own(table):
    results = check_env(ma_ssm_env.register_scenario(own_scenario()).id, horizon=4)
    assert set(results) == set(CHECKS)
    assert set(results.values()) == {"passed"}


def test_logs_and_pickles_of_a_scenario_of_ones_own(table, tmp_path, assert_identical):
    mine = own_scenario()
    with pytest.raises(ValueError, match="register_scenario adds one of your own"):
        play_a_trial(parallel_env(mine))
    with pytest.raises(ValueError, match="register_scenario adds one of your own"):
        record(mine, neutral_policy(2), trials=2)
    ma_ssm_env.register_scenario(mine)
    log = play_a_trial(parallel_env("PointDrift-v0"))
    log.save(tmp_path / "trial.npz")
    again = TrialLog.load(tmp_path / "trial.npz")
    assert len(list(again.replay())) == 8
    again.draw(tmp_path / "trial.svg")
    assert "PointDrift-v0" in (tmp_path / "trial.svg").read_text()
    recorded = record(mine, neutral_policy(2), trials=2)
    recorded.save(tmp_path / "trials.npz")
    assert len(load(tmp_path / "trials.npz", "PointDrift-v0")) == 2
    # A process that never registered it can still read the environment.
    env = parallel_env("PointDrift-v0")
    stored = pickle.dumps(env)
    del table["PointDrift-v0"]
    assert_identical(pickle.loads(stored).reset(seed=3), env.reset(seed=3))
    assert reference(SCENARIOS["PointDir-v0"]) == "PointDir-v0"


def play_a_trial(env):
    log = MessageLog(env)
    env.reset(seed=0)
    while env.agents:
        env.step({agent: np.zeros(env.action_space(agent).shape, np.float32) for agent in env.agents})
    return log.trials[0]


@pytest.mark.parametrize(
    ("mine", "message"),
    [
        ("PointDrift-v0", "'PointDrift-v0': a ma_ssm_env.scenarios.Scenario is expected"),
        (own_scenario("Point Drift"), "'Point Drift': the id of a scenario is letters and digits, then"),
        (own_scenario("PointDrift"), "'PointDrift': the id"),
        (own_scenario("PointDir-v0"), "PointDir-v0: another scenario has this id; .* a higher version"),
        (own_scenario(horizon=0), "horizon is 0; a whole number of at least 1"),
        (own_scenario(episodes_per_trial=2.0), "episodes_per_trial is 2.0"),
        (own_scenario(outcome_scale=(1.0, 1.0)), r"outcome_scale is \(1.0, 1.0\); .* the lower first"),
        (own_scenario(outcome_scale=(0.0, float("inf"))), "outcome_scale"),
        (own_scenario(feedback="often"), "feedback is 'often'; one of step, episode, none is expected"),
        (dataclasses.replace(own_scenario(), body="Point"), "a Body of ma_ssm_env.bodies .* not 'Point'"),
    ],
)
def test_what_cannot_be_registered_is_refused_and_leaves_nothing_behind(mine, message, table):
    before = dict(table), dict(gym.registry)
    with pytest.raises(ValueError, match=message):
        ma_ssm_env.register_scenario(mine)
    assert (dict(table), dict(gym.registry)) == before
