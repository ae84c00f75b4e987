"""What the roles posted and received: recorded, replayed, drawn."""

import dataclasses
import pickle
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pytest

from ma_ssm_env import parallel_env, vector_env
from ma_ssm_env.message_log import MessageLog, TrialLog
from ma_ssm_env.message_plot import png, trial_svg
from ma_ssm_env.recorded_trials import SAMPLE
from ma_ssm_env.scenarios import find_scenario
from ma_ssm_env.variations import rand_params

SHORT = {"horizon": 6, "episodes_per_trial": 2}


def play(env, rng, steps):
    for _ in range(steps):
        if hasattr(env, "num_envs"):
            sizes = {a: (env.num_envs, *env.single_action_space(a).shape) for a in env.agents}
        else:
            sizes = {a: env.action_space(a).shape for a in env.agents}
        env.step({a: rng.uniform(-1, 1, size).astype(np.float32) for a, size in sizes.items()})


def test_a_log_has_what_was_posted_and_what_came_of_it():
    env = parallel_env("PointDir-v0", **SHORT)
    heard = []
    with MessageLog(env, on_step=heard.append) as log:
        env.reset(seed=3)
        actions = {a: np.full(env.action_space(a).shape, 0.25, np.float32) for a in env.agents}
        actions["meta_learning_0"][:] = (0.5, -0.5)
        _, _, _, _, infos = env.step(actions)
        assert len(log.running()) == 1
        row = {name: values[0] for name, values in log.running().fields.items()}
        np.testing.assert_array_equal(row["belief"], np.full(8, 0.25, np.float32))
        np.testing.assert_array_equal(row["prior"], np.array([0.5, -0.5], np.float32))
        np.testing.assert_array_equal(row["trust"], np.full(2, 0.25, np.float32))
        np.testing.assert_allclose(row["torque"], [0.5 + 0.625 * 0.25, -0.5 + 0.625 * 0.25])
        board = env.game.blackboard.fields
        np.testing.assert_array_equal(row["received_belief"], board["received_belief"][0])
        assert row["bits"] == np.float32(infos["adaptation_0"]["bits"]) == 40
        assert row["reward"] == np.float32(infos["adaptation_0"]["task_reward"])
        play(env, np.random.default_rng(0), 11)
        assert not env.agents
        assert log.running() is None
    (trial,) = log.trials
    assert len(trial) == len(heard) == 12
    assert trial.fields["episode"][:, 0].tolist() == [0] * 6 + [1] * 6
    assert trial.fields["step"][:, 0].tolist() == [*range(6), *range(6)]
    assert trial.task == tuple(env.game.trials.task[0])
    env.reset()
    play(env, np.random.default_rng(0), 2)
    assert len(heard) == 12, "closed logs hear nothing"


@pytest.mark.parametrize(
    ("scenario", "options"),
    [
        ("PointDir-v0", {"muted_roles": {"state_modeling"}, "sensor_noise": 0.1}),
        ("PointDir-v0", {"task_source": "environment", "absent_roles": {"adaptation"}}),
        ("PointSwitch-v0", {"feedback": "episode"}),
        ("HopperMass-v0", {}),
    ],
)
def test_one_world_of_a_batch_is_recorded_saved_and_replayed(tmp_path, scenario, options):
    env = vector_env(scenario, 3, **SHORT, **options)
    log = MessageLog(env, world=2)
    env.reset(seed=40)
    play(env, np.random.default_rng(1), 40)
    assert len(log.trials) >= 2
    trial = log.trials[1]
    assert (trial.seed, trial.trial, trial.complete) == (42, 1, True)
    trial.save(tmp_path / "trial.npz")
    again = TrialLog.load(tmp_path / "trial.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["trial.npz"]
    assert (again.scenario, again.options, again.task) == (trial.scenario, trial.options, trial.task)
    seen = list(again.replay())
    assert len(seen) == len(trial)
    observations, actions = seen[3]
    assert set(observations) == set(env.agents)
    np.testing.assert_array_equal(actions["state_modeling_0"], trial.fields["belief"][3])


def test_a_log_listens_only(assert_identical):
    heard, unheard = parallel_env("PointDir-v0", **SHORT), parallel_env("PointDir-v0", **SHORT)
    MessageLog(heard)
    for env in (heard, unheard):
        env.reset(seed=2)
        play(env, np.random.default_rng(3), 9)
    assert_identical(heard.clone_state(), unheard.clone_state())


def test_a_copy_of_a_batch_is_not_listened_to():
    env = vector_env("PointDir-v0", 2, **SHORT)
    log = MessageLog(env)
    env.reset(seed=0)
    copy = pickle.loads(pickle.dumps(env))
    play(copy, np.random.default_rng(0), 3)
    assert log.running() is None
    assert copy.game.listeners == []


def test_a_replay_that_goes_another_way_is_told(tmp_path):
    env = parallel_env("PointDir-v0", **SHORT)
    log = MessageLog(env)
    env.reset(seed=0)
    play(env, np.random.default_rng(0), 12)
    log.trials[0].fields["reward"][4] += 0.5
    with pytest.raises(RuntimeError, match="step 4 goes another way than in the log"):
        list(log.trials[0].replay())


def test_a_trial_that_was_cut_short_is_not_one_that_can_be_replayed():
    env = parallel_env("PointDir-v0", **SHORT)
    env.reset(seed=0)
    play(env, np.random.default_rng(0), 2)
    log = MessageLog(env)  # in mid-trial
    play(env, np.random.default_rng(0), 10)
    assert [trial.complete for trial in log.trials] == [False]
    with pytest.raises(ValueError, match="only one from the start can be replayed"):
        next(log.trials[0].replay())
    env.reset(seed=0)
    play(env, np.random.default_rng(0), 3)
    env.reset(seed=1)  # breaks the trial off
    play(env, np.random.default_rng(0), 12)
    assert [len(trial) for trial in log.trials] == [10, 12]
    assert log.trials[1].complete
    assert log.trials[1].seed == 1


def test_a_reset_between_two_inner_episodes_begins_another_log():
    env = parallel_env("PointDir-v0", **SHORT)
    log = MessageLog(env)
    env.reset(seed=0)
    play(env, np.random.default_rng(0), 6)  # the first inner episode, whole
    env.reset(seed=1)
    play(env, np.random.default_rng(0), 12)
    (trial,) = log.trials
    assert (len(trial), trial.seed, trial.complete) == (12, 1, True)
    assert len(list(trial.replay())) == 12


@pytest.mark.parametrize("other", [{"seed": 1}, {"seed": 0, "trials": 1}, {"seed": 0, "steps": 8}])
def test_a_state_of_another_trial_at_the_same_clock_begins_another_log(other):
    def at(seed, trials=0, steps=2):
        env = parallel_env("PointDir-v0", **SHORT)
        env.reset(seed=seed)
        for _ in range(trials):
            env.reset()
        log = MessageLog(env)
        play(env, np.random.default_rng(0), steps)
        return env, log

    env, log = at(0)
    env.restore_state(at(**other)[0].clone_state())
    rest = 12 - other.get("steps", 2)
    play(env, np.random.default_rng(0), rest)
    (trial,) = log.trials
    assert (len(trial), trial.seed, trial.trial) == (rest, other["seed"], other.get("trials", 0))
    assert not trial.complete
    assert trial.fields["step"][0, 0] == 2
    assert trial.fields["episode"][0, 0] == (rest == 4)


def test_a_scenario_that_cannot_be_read_again_is_refused_before_the_play_begins():
    known = find_scenario("PointDir-v0")
    env = parallel_env(dataclasses.replace(known, id="PointElsewhere-v0"), **SHORT)
    with pytest.raises(ValueError, match=r"PointElsewhere-v0: a log needs a scenario of the table.*register"):
        MessageLog(env)
    assert env.game.listeners == []
    listed = find_scenario("HalfCheetahRandParams-v0")
    again = dataclasses.replace(listed, variation=rand_params(listed.body))
    assert again != listed, "the functions that a law binds compare by identity"
    env = parallel_env(again, **SHORT)
    with MessageLog(env) as log:
        env.reset(seed=0)
        play(env, np.random.default_rng(0), 12)
    assert len(log.trials) == 1


def test_what_is_no_log_and_what_is_no_world_are_refused(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="not a message log"):
        TrialLog.load(tmp_path / "x.npz")
    with pytest.raises(FileNotFoundError):
        TrialLog.load(tmp_path / "y.npz")
    with pytest.raises(ValueError, match="not a message log: an archive of something else"):
        TrialLog.load(SAMPLE)
    with pytest.raises(ValueError, match="world 2: this environment has worlds 0 to 1"):
        MessageLog(vector_env("PointDir-v0", 2), world=2)


def test_a_log_that_was_cut_short_or_damaged_is_refused(tmp_path):
    env = parallel_env("PointDir-v0", **SHORT)
    with MessageLog(env) as log:
        env.reset(seed=0)
        play(env, np.random.default_rng(0), 12)
    path = tmp_path / "trial.npz"
    log.trials[0].save(path)
    whole = path.read_bytes()
    spoilt = bytearray(whole)
    spoilt[len(whole) // 3] ^= 255
    for damaged in (b"", whole[:10], whole[: len(whole) // 2], whole[:-5], bytes(spoilt)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"trial\.npz: not a message log"):
            TrialLog.load(path)
    for about in ("[1]", "{}", '{"format": 0}', '{"format": 1}', '{"format": 1, "options": {}}'):
        np.savez(path, about=about)
        with pytest.raises(
            ValueError, match=r"trial\.npz: (not a message log|a message log of another format)"
        ):
            TrialLog.load(path)


def test_a_replay_shows_what_was_seen_but_an_empty_ledger():
    env = parallel_env("PointDir-v0", **SHORT)
    rng, seen = np.random.default_rng(0), []
    with MessageLog(env) as log:
        for trial in range(2):
            observations, _ = env.reset(seed=3 if trial == 0 else None)
            while env.agents:
                seen.append(observations)
                observations, *_ = env.step(
                    {a: rng.uniform(-1, 1, env.action_space(a).shape) for a in env.agents}
                )
    ledger = env.observation_fields("environment_0")["ledger"]
    for then, (again, _) in zip(seen[12:], log.trials[1].replay(), strict=True):
        assert then["environment_0"][ledger].any()
        then["environment_0"][ledger] = 0.0
        for agent, observation in again.items():
            np.testing.assert_array_equal(observation, then[agent])


def test_the_picture_of_a_trial(tmp_path):
    env = parallel_env("PointDir-v0", **SHORT)
    log = MessageLog(env)
    env.reset(seed=0)
    play(env, np.random.default_rng(0), 12)
    log.trials[0].draw(tmp_path / "trial.svg")
    root = ET.parse(tmp_path / "trial.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    words = [text.text for text in root.iter(space + "text")]
    assert words.count("belief, as sent") == words.count("inner episode 2") == 1
    assert len(list(root.iter(space + "image"))) == 6
    assert [len(line.get("points").split()) for line in root.iter(space + "polyline")] == [12, 12, 12]
    assert trial_svg(log.trials[0]) == (tmp_path / "trial.svg").read_text()


def test_an_image_is_the_png_of_its_pixels():
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    file = png(pixels)
    body = file[file.index(b"IDAT") + 4 : file.index(b"IEND") - 8]
    assert zlib.decompress(body) == b"".join(b"\0" + row.tobytes() for row in pixels)
    Image = pytest.importorskip("PIL.Image", reason="pillow comes with the extra `render`")
    from io import BytesIO

    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(file))), pixels)
