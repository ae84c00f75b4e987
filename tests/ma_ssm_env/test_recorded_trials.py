"""Recorded trials: what they hold, that they come back, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest

import ma_ssm_env.controls
from ma_ssm_env import SingleAgentVectorEnv, parallel_env, random_policy, single_agent_env
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.policy import ScriptedPolicy
from ma_ssm_env.recorded_trials import (
    SAMPLE,
    RecordedTrials,
    as_recorded_trials,
    load,
    main,
    record,
)
from ma_ssm_env.scripted import scripted_team

SHORT = {"horizon": 6, "episodes_per_trial": 2}
MADE_BY = ["PointDir-v0", "--policy", "scripted", "--seed", "900000"]


def same(one, two):
    assert (one.scenario, one.options, one.agents) == (two.scenario, two.options, two.agents)
    for name in ("rewards", "tasks", "lengths", "starts"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    for agent in one.agents:
        np.testing.assert_array_equal(one.observations[agent], two.observations[agent])
        np.testing.assert_array_equal(one.actions[agent], two.actions[agent])


def twin_mapping(**changes):
    recorded = record("PointDir-v0", random_policy(2), 3, **SHORT)
    values = {f.name: getattr(recorded, f.name) for f in dataclasses.fields(recorded)}
    return values | changes


def test_a_recording_replays_the_game_that_it_was_made_in():
    team = scripted_team(parallel_env("PointDir-v0"))
    recorded = record("PointDir-v0", team, 3, 40, **SHORT)
    assert recorded.team
    assert len(recorded) == 3
    for world in range(3):
        env = parallel_env("PointDir-v0", **SHORT)
        seen, _ = env.reset(seed=40 + world)
        np.testing.assert_array_equal(env.game.trials.task[0], recorded.tasks[world])
        for step in range(12):
            for agent in env.agents:
                np.testing.assert_array_equal(seen[agent], recorded.observations[agent][step, world])
            assert recorded.starts[step, world] == (step in (0, 6))
            did = {agent: recorded.actions[agent][step, world] for agent in env.agents}
            seen, _, _, _, infos = env.step(did)
            assert infos["adaptation_0"]["task_reward"] == recorded.rewards[step, world]


@pytest.mark.parametrize("scenario", ["PointDir-v0", "Hopper-v0"])
def test_returns_are_those_of_an_evaluation_and_trials_that_end_early_are_padded(scenario):
    options = {"horizon": 40, "episodes_per_trial": 2}
    env = single_agent_env(scenario, **options)
    player = random_policy(env.action_space.shape[0])
    tasks = np.tile(env.scenario.variation.tasks("test")[:1], (4, 1))
    recorded = record(scenario, player, 4, 7, tasks=tasks, **options)
    found = evaluate(scenario, player, tasks=tasks, trials=1, seed=7, **options)
    np.testing.assert_allclose(recorded.returns, found.returns[:, 0], rtol=1e-12)
    assert recorded.lengths.sum() == found.steps
    if scenario == "Hopper-v0":
        assert recorded.lengths.min() < recorded.lengths.max() == len(recorded.rewards)
        padding = ~recorded.playing
        assert padding.any()
        for values in (recorded.observations["agent"], recorded.actions["agent"], recorded.rewards):
            assert not values[padding].any()
            assert values[recorded.playing].any()


@pytest.mark.parametrize("breaks_at", [3, 12])
def test_broken_physics_is_charged_to_the_inner_episodes_that_it_took(monkeypatch, breaks_at):
    class Breaking(SingleAgentVectorEnv):
        calls = 0

        def step(self, actions):
            if self.calls == breaks_at:
                self.game.trials.physics.qvel[1] = 1e12
            self.calls += 1
            return super().step(actions)

    options = {"horizon": 8, "episodes_per_trial": 3}
    tasks = parallel_env("HalfCheetahVelDelayed-v0").scenario.variation.tasks("test")[:2]
    monkeypatch.setattr(ma_ssm_env.controls, "SingleAgentVectorEnv", Breaking)
    given = "HalfCheetahVelDelayed-v0", random_policy(6)
    recorded = record(*given, 2, 7, tasks=tasks, **options)
    found = evaluate(*given, tasks=tasks, trials=1, seed=7, **options)
    np.testing.assert_allclose(recorded.returns, found.returns[:, 0], rtol=1e-12)
    worst = parallel_env("HalfCheetahVelDelayed-v0").scenario.variation.worst_reward
    assert recorded.returns[1, 2] == 8 * worst
    assert recorded.returns.sum() == pytest.approx(recorded.rewards.sum(), rel=1e-12)


def test_a_trial_that_was_recorded_in_part_has_0_for_the_rest():
    whole = record("HalfCheetahVelDelayed-v0", random_policy(6), 2, 7, **SHORT)
    values = {f.name: getattr(whole, f.name) for f in dataclasses.fields(whole)}
    cut = RecordedTrials(**(values | {"lengths": np.array([12, 3]), "starts": None}))
    np.testing.assert_array_equal(cut.returns[0], whole.returns[0])
    np.testing.assert_allclose(cut.returns[1], [whole.rewards[:3, 1].sum(), 0.0], rtol=1e-12)


def test_what_is_saved_comes_back(tmp_path):
    options = {"absent_roles": {"adaptation"}, "muted_roles": {"state_modeling"}, "sensor_noise": 0.1}
    team = scripted_team(parallel_env("PointDir-v0"))
    recorded = record("PointDir-v0", team, 2, 5, **SHORT, **options)
    assert "adaptation_0" not in recorded.agents
    recorded.save(tmp_path / "new" / "trials.npz")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["trials.npz"]
    same(load(tmp_path / "new" / "trials.npz"), recorded)
    same(as_recorded_trials(str(tmp_path / "new" / "trials.npz")), recorded)
    same(as_recorded_trials(recorded), recorded)
    np.testing.assert_array_equal(recorded.part([1]).tasks, recorded.tasks[1:])
    assert recorded.fields("coordinator_0")["last_rate"] == slice(15, 16)


def test_arrays_of_the_twin_need_no_more_than_what_cannot_be_derived():
    values = twin_mapping()
    few = {name: values[name] for name in ("scenario", "rewards", "options")}
    few |= {name: values[name]["agent"].tolist() for name in ("observations", "actions")}
    found = as_recorded_trials(few)
    assert np.isnan(found.tasks).all()
    same(dataclasses.replace(found, tasks=values["tasks"]), RecordedTrials(**values))
    assert not found.team


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scenario": "PointDor-v0"}, "PointDor-v0: unknown scenario; did you mean PointDir-v0"),
        ({"scenario": "HalfCheetahVel-v0"}, r"observations of agent: shape \[12, 3, 8\]; \[12, 3, 27\]"),
        ({"scenario": None}, "an id such as PointDir-v0 is expected"),
        ({"options": {}}, "has at most 2 inner episodes"),
        ({"options": {"horizon": 5, "episodes_per_trial": 2}}, "of 1 to 10 steps"),
        ({"options": 3}, "options 3: a mapping"),
        ({"rewards": np.zeros((12, 4))}, r"observations of agent: shape \[12, 3, 8\]; \[12, 4, 8\]"),
        ({"rewards": np.zeros(12)}, r"rewards: shape \[12\]; \[T, N\] is expected"),
        ({"rewards": np.full((12, 3), np.nan)}, "rewards: finite numbers"),
        ({"rewards": "much"}, "rewards: an array of numbers is expected, not 'much'"),
        ({"actions": np.full((12, 3, 2), 1.5)}, r"actions of agent: numbers in \[-1, 1\]"),
        ({"observations": np.zeros((12, 3, 8)), "starts": None}, "a trial begins with episode_start 1"),
        ({"starts": np.ones((12, 3))}, "starts: they differ from episode_start"),
        ({"lengths": [12, 12, 13]}, "lengths from 12 to 13: 1 to 12"),
        ({"tasks": [[9.0]] * 3}, "9.0"),
        ({"actions": {"nobody": np.zeros((12, 3, 2))}}, "actions of nobody: the same agents"),
        ({"reward": 1}, "with unknown 'reward'; recorded trials are expected"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, message):
    values = twin_mapping(**changes)
    if changes == {"options": {}}:  # 12 steps, of which three begin an inner episode
        values["observations"]["agent"][[3], :, 0] = 1.0
        values["starts"] = None
    with pytest.raises(ValueError, match=message):
        as_recorded_trials(values)


def test_what_is_no_recording_is_refused_with_what_is_expected(tmp_path):
    expected = "a RecordedTrials; a mapping with scenario, observations, actions and rewards; or the path"
    for value in ("maml_tasks", None, 3, [1, 2], np.zeros(3)):
        with pytest.raises(ValueError, match=rf"support_data.*{expected}"):
            as_recorded_trials(value, name="support_data")
    with pytest.raises(ValueError, match="support_data are a mapping without actions, rewards"):
        as_recorded_trials({"scenario": "PointDir-v0", "observations": 1}, name="support_data")
    with pytest.raises(ValueError, match="recorded on PointDir-v0, not on PointGoal-v0: record some there"):
        as_recorded_trials(SAMPLE, scenario="PointGoal-v0")
    with pytest.raises(ValueError, match="players for unknown role 'boss'"):
        record("PointDir-v0", {"boss": random_policy(2)}, 1)


def test_damaged_files_and_other_formats_are_refused(tmp_path):
    whole = SAMPLE.read_bytes()
    for number, content in enumerate(
        (b"", b"no archive", whole[:-1000], whole[:5000], whole[:4000] + b"x" * 9 + whole[4009:])
    ):
        (tmp_path / f"{number}.npz").write_bytes(content)
        with pytest.raises(ValueError, match=f"{number}.npz: not a file of recorded trials, or a damaged"):
            load(tmp_path / f"{number}.npz")
    np.savez(tmp_path / "other.npz", rewards=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="not a file of recorded trials"):
        load(tmp_path / "other.npz")
    np.savez(tmp_path / "pickle.npz", about=np.array({"kind": 1}, dtype=object))
    with pytest.raises(ValueError, match="not a file of recorded trials"):
        load(tmp_path / "pickle.npz")
    about = {"kind": "recorded trials", "format": 2, "scenario": "PointDir-v0", "options": {}}
    np.savez(tmp_path / "newer.npz", about=json.dumps(about))
    with pytest.raises(ValueError, match=r"of format 2; this code reads recorded trials of format 1"):
        load(tmp_path / "newer.npz")
    with pytest.raises(ValueError, match=r"nowhere.npz: no such file; recorded trials are expected"):
        load(tmp_path / "nowhere.npz")


def test_the_sample_is_what_its_command_makes(tmp_path, capsys):
    sample = load(SAMPLE)
    assert main([*MADE_BY, "--out", str(tmp_path / "again.npz"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["trials"] == 16
    assert said["returns"][1] > 100, "the team that talks finds the direction"
    again = load(tmp_path / "again.npz")
    assert (again.options, again.agents) == (sample.options, sample.agents)
    np.testing.assert_array_equal(again.starts, sample.starts)
    np.testing.assert_allclose(again.tasks, sample.tasks, rtol=1e-12)
    # CPUs and versions of MuJoCo differ in the last bits.
    np.testing.assert_allclose(again.rewards, sample.rewards, atol=1e-4)
    for agent in sample.agents:
        np.testing.assert_allclose(again.observations[agent], sample.observations[agent], atol=1e-4)
    assert SAMPLE.stat().st_size < 300_000


def test_the_command_line_says_what_is_wrong(tmp_path, capsys):
    out = ["--out", str(tmp_path / "trials.npz")]
    for arguments, message in (
        (["NoSuch-v0", *out], "NoSuch-v0: unknown scenario"),
        (["PointDir-v0", *out, "--policy", "wise"], "--policy wise: one of random"),
        (["PointDir-v0", *out, "--trials", "0"], "trials=0"),
        (["PointDir-v0", *out, "--split", "dev"], "option split='dev'"),
        (["PointDir-v0", *out, "--checkpoint", str(tmp_path)], "no checkpoint there"),
    ):
        assert main(arguments) == 2
        captured = capsys.readouterr()
        assert message in captured.err
        assert captured.err.count("\n") == 1
        assert captured.out == ""
    (tmp_path / "file").write_text("")
    assert main(["PointDir-v0", "--trials", "1", "--twin", "--out", str(tmp_path / "file" / "x.npz")]) == 1
    assert "Not a directory" in capsys.readouterr().err
    with pytest.raises(SystemExit) as usage:
        main(["PointDir-v0"])
    assert usage.value.code == 2


def test_actions_are_recorded_as_they_had_effect():
    loud = ScriptedPolicy(lambda seen, rng: np.full((len(seen), 2), 3.0, np.float32))
    recorded = record("PointDir-v0", loud, 2, **SHORT)
    assert (recorded.actions["agent"] == 1.0).all()
