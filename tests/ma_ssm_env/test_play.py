"""Videos and scripted teams."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from ma_ssm_env import parallel_env, single_agent_env
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.play import from_checkpoint, main, named_players, play, write_video
from ma_ssm_env.policy import neutral_policy
from ma_ssm_env.scripted import scripted_team

needs_encoder = pytest.mark.skipif(
    importlib.util.find_spec("imageio_ffmpeg") is None, reason="no imageio-ffmpeg here; pip install .[render]"
)


def drawn(env):
    """Stand-in for pictures: the clock and the return, drawn as one pixel."""
    trials = env.game.trials
    return np.full((2, 2, 3), trials.episode[0] * 50 + trials.clock[0], np.uint8)


def test_the_scripted_team_solves_point_dir_by_talking():
    env = parallel_env("PointDir-v0")
    found = evaluate("PointDir-v0", scripted_team(env), trials=1)
    assert found.returns.mean() > 90, "near the 116 of a team that is shown the task"
    mute = evaluate("PointDir-v0", scripted_team(env), trials=1, muted_roles={"state_modeling"})
    assert abs(mute.returns.mean()) < 10, "without the belief it is at the blind ceiling"


def test_the_scripted_team_moves_without_a_conversation_where_velocities_are_hidden():
    env = parallel_env("PointDir-v0", hide_velocities=True)
    found = evaluate("PointDir-v0", scripted_team(env), trials=1, hide_velocities=True)
    assert np.isfinite(found.returns).all()
    assert found.returns.any(), "it moves, and whither is not asked"


def test_every_step_of_one_trial_is_a_frame(monkeypatch):
    env = parallel_env("PointDir-v0", render_mode="rgb_array", horizon=7, episodes_per_trial=2)
    monkeypatch.setattr(env, "render", lambda: drawn(env))
    frames = list(play(env, named_players("random", env), seed=0))
    assert [int(f[0, 0, 0]) for f in frames] == [*range(7), *range(50, 58)]
    few = list(play(env, named_players("neutral", env), seed=0, every=4))
    assert [int(f[0, 0, 0]) for f in few] == [0, 4, 51, 55, 57], "the last step is shown"
    assert env.game.trials.task[0, 0] != 1.0
    next(play(env, named_players("scripted", env), seed=0, task=[1.0]))
    assert env.game.trials.task[0, 0] == 1.0


def test_players_that_do_not_fit_are_refused():
    team, twin = parallel_env("PointDir-v0"), single_agent_env("PointDir-v0")
    with pytest.raises(ValueError, match="no policy for meta_learning, adaptation"):
        next(play(team, {"state_modeling": neutral_policy(8)}, seed=0))
    with pytest.raises(ValueError, match="a policy for each role is expected"):
        next(play(team, neutral_policy(8), seed=0))
    with pytest.raises(ValueError, match="one policy is expected for the twin"):
        next(play(twin, {}, seed=0))
    with pytest.raises(ValueError, match="with render_mode='rgb_array'"):
        next(play(twin, neutral_policy(2), seed=0))
    for name in ("scripted", "rubbish"):
        with pytest.raises(ValueError, match="one of random, neutral, scripted"):
            named_players(name, twin)
    with pytest.raises(ValueError, match="--policy nowhere:f"):
        named_players("nowhere:f", twin)
    assert set(named_players("ma_ssm_env.scripted:scripted_team", team)) >= {"coordinator"}


def test_the_command_line_says_what_is_missing(capsys, tmp_path, monkeypatch):
    assert main(["NoSuch-v0", "--out", str(tmp_path / "a.gif")]) == 2
    assert "NoSuch-v0: unknown scenario" in capsys.readouterr().err
    assert main(["PointDir-v0", "--checkpoint", str(tmp_path), "--out", str(tmp_path / "a.gif")]) == 2
    assert "no checkpoint there" in capsys.readouterr().err
    if importlib.util.find_spec("imageio_ffmpeg") is not None:
        assert main(["PointDir-v0", "--out", str(tmp_path / "a.mp5")]) == 2
        assert "a.mp5: no kind of video; a name that ends in .mp4, .gif" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    monkeypatch.setitem(sys.modules, "policies.checkpoint", None)  # as in an installation of the wheel
    with pytest.raises(RuntimeError, match="--checkpoint needs the package `policies` of a checkout"):
        from_checkpoint(str(tmp_path), "PointDir-v0")
    monkeypatch.setitem(sys.modules, "imageio.v2", None)
    with pytest.raises(RuntimeError, match=r"needs imageio and imageio-ffmpeg: pip install"):
        write_video(tmp_path / "a.mp4", iter([]), 10)
    assert list(tmp_path.iterdir()) == []


def test_a_video_appears_when_it_is_whole(tmp_path):
    imageio = pytest.importorskip("imageio.v2", reason="no imageio here; pip install .[render]")

    def broken():
        yield np.zeros((16, 16, 3), np.uint8)
        raise RuntimeError("the world ended")

    with pytest.raises(RuntimeError, match="the world ended"):
        write_video(tmp_path / "a.gif", broken(), 10)
    assert list(tmp_path.iterdir()) == []
    pictures = [np.full((16, 16, 3), 40 * i, np.uint8) for i in range(4)]
    assert write_video(tmp_path / "a.gif", iter(pictures), 10) == 4
    assert len(imageio.mimread(tmp_path / "a.gif")) == 4


@pytest.mark.usefixtures("opengl")
@needs_encoder
@pytest.mark.slow
def test_a_trained_team_in_a_video(tmp_path):
    environment = {**os.environ, "MUJOCO_GL": "egl"}
    train = ["policies.train", "--scenario", "PointDir-v0", "--team", "--steps", "1600", "--width", "16"]
    for command in (
        [*train, "--out", tmp_path / "team"],
        [
            *["ma_ssm_env.play", "PointDir-v0", "--checkpoint"],
            tmp_path / "team",
            "--out",
            tmp_path / "trial.mp4",
        ],
    ):
        command = [sys.executable, "-m", *command]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
    assert "101 frames of PointDir-v0" in ran.stdout
    import imageio.v2 as imageio

    with imageio.get_reader(tmp_path / "trial.mp4") as video:
        assert video.get_meta_data()["size"] == (640, 480)
        assert video.get_meta_data()["fps"] == 10
        first = video.get_data(0)
    assert first.std() > 5, "the picture is uniform"
