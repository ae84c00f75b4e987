"""A film strip: what a team posted is what is drawn, and the command line says what is missing."""

import re

import numpy as np
import pytest

from benchmarks import films
from benchmarks.films import Trial, caption, main, play, strip
from ma_ssm_env import parallel_env
from ma_ssm_env.roles import AGENTS


class Constant:
    """Posts one value in every field."""

    def __init__(self, size, value):
        self.size, self.value = size, value

    def initial_memory(self, batch):
        return ()

    def act(self, observations, memory, rng):
        assert observations.shape[0] == 1
        return np.full((1, self.size), self.value, dtype=np.float32), memory


def team(value):
    env = parallel_env("PointDir-v0")
    return {role: Constant(env.action_space(agent).shape[0], value) for agent, role in AGENTS.items()}


@pytest.fixture
def drawn(monkeypatch):
    """No OpenGL is needed to see what was posted."""
    monkeypatch.setattr(
        "ma_ssm_env.rendering.Renderer.frame", lambda self, world: np.full((48, 64, 3), 99, dtype=np.uint8)
    )


def test_a_trial_holds_what_was_posted_and_paid(drawn):
    trial = play("PointDir-v0", team(0.5), task=2)
    assert len(trial.rewards) == 100
    assert trial.ends == [50, 100]
    assert trial.returns == pytest.approx([sum(trial.rewards[:50]), sum(trial.rewards[50:])], rel=1e-5)
    assert {name: np.shape(values) for name, values in trial.said.items()} == {
        "belief": (100, 8),
        "prior": (100, 2),
        "correction": (100, 2),
        "trust": (100, 2),
        "rate": (100, 1),
    }
    assert np.all(np.asarray(trial.said["belief"]) == 0.5)
    assert [step for step, _ in trial.frames] == [0, 14, 28, 42, 57, 71, 85, 99]
    with pytest.raises(IndexError, match="has test tasks 0 to 19"):
        play("PointDir-v0", team(0.5), task=20)


def test_the_strip_draws_every_field_and_picture():
    said = {"belief": [np.array([1.0, -1.0], dtype=np.float32)] * 4, "rate": [np.zeros(1, np.float32)] * 4}
    frame = np.zeros((48, 64, 3), dtype=np.uint8)
    frames = [(0, frame), (3, frame)]
    trial = Trial("PointDir-v0", np.array([0.5]), frames, said, [0, 1, -2, 0], [2, 4], [1, -2])
    svg = strip(trial)
    assert svg.count("<image") == 2
    assert svg.count("<path") == 2 + 1 + 1  # belief, rate, reward
    assert svg.count('class="end"') == 1
    paths = re.findall(r'd="M([^"]+)"', svg)
    heights = [[float(pair.split()[1]) for pair in path.split("L")] for path in paths]
    assert heights[1][0] - heights[0][0] == pytest.approx(films._PANEL, abs=0.11)  # from 1 down to -1
    assert "test task (0.50); return of its inner episodes: 1.0, -2.0" in caption(trial)
    assert "in units of 2)" in caption(trial)


def test_what_cannot_be_filmed_is_said(tmp_path, capsys):
    assert main([str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "checkpoint" in capsys.readouterr().err
