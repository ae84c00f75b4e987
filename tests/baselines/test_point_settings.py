"""PointGoal was tuned for nobody: every learner takes there what it was tuned to on PointDir."""

import dataclasses

import pytest

from baselines.a2c import a2c_config
from baselines.off_policy import off_policy_config
from baselines.recurrent_ppo import recurrent_ppo_config
from baselines.sb3 import sb3_ppo_config
from policies.config import tuned


@pytest.mark.parametrize("settings", [tuned, sb3_ppo_config, a2c_config, recurrent_ppo_config])
def test_of_learners_on_policy(settings):
    assert settings("PointGoal-v0") == settings("PointDir-v0")
    assert settings("PointGoal-v0") != settings("HalfCheetahVel-v0")


@pytest.mark.parametrize("algorithm", ["sac", "td3", "tqc"])
def test_of_learners_off_policy(algorithm):
    goal, direction = (off_policy_config(algorithm, name) for name in ("PointGoal-v0", "PointDir-v0"))
    assert dataclasses.asdict(goal) == dataclasses.asdict(direction)
    assert goal != off_policy_config(algorithm, "HalfCheetahVel-v0")
