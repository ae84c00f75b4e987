"""What a trial is judged by: the mean of its inner episodes; the last where the reward is delayed."""

import numpy as np
import pytest

from benchmarks.judged_return import judged_by_last, judged_return
from benchmarks.report.references import default_path, read_references
from ma_ssm_env import SCENARIOS

RETURNS = np.array([[0.0, 3.0, 6.0], [1.0, 1.0, 4.0]])


def test_the_mean_counts_but_where_the_reward_is_delayed_the_last():
    assert judged_return("PointDir-v0", RETURNS).tolist() == [3.0, 2.0]
    assert judged_return("PointDirDelayed-v0", RETURNS).tolist() == [6.0, 4.0]
    assert float(judged_return("PointDirDelayed-v0", (0.0, 2.0))) == 2.0


def test_the_rule_of_names_is_the_rule_of_feedback():
    for name, scenario in SCENARIOS.items():
        assert judged_by_last(name) == (scenario.feedback == "episode"), name


def test_a_score_of_a_delayed_scenario_is_of_its_last_inner_episode():
    found, problem = read_references(default_path()).find("PointDirDelayed-v0", 3)
    assert problem is None
    oracle, random = found.oracle[-1], found.random[-1]
    returns = judged_return("PointDirDelayed-v0", [[0.0, 50.0, oracle], [0.0, 0.0, (oracle + random) / 2]])
    assert found.score(returns) == pytest.approx([1.0, 0.5])
