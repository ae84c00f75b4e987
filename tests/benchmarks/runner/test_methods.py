"""The ladder: every method of the table gives a record, and the variants differ in what they say they do."""

from types import SimpleNamespace

import numpy as np
import pytest

from baselines.sb3 import sb3_ppo_config
from benchmarks.runner import sb3
from benchmarks.runner.execute import execute, plan
from benchmarks.runner.methods import METHODS, Job, find_methods
from benchmarks.runner.ours import matched_width
from benchmarks.runner.suites import CORE_METHODS, CORE_SCENARIOS, SUITES, Suite
from ma_ssm_env import SCENARIOS
from policies.config import WORLDS_OF_A_RUN
from policies.cores import CORES

BUDGET = 200


@pytest.mark.slow
@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_trains_and_is_evaluated(method):
    run = plan(Suite("t", ("PointDir-v0",), (method,), 1, BUDGET, (BUDGET,), 1), "")[0]
    record = execute(run, lambda steps: None)
    last = record.result.evaluations[-1].array()
    assert last.shape == (20, 5, 2)
    assert np.isfinite(last).all()
    if METHODS[method].trains:
        assert record.result.charged_steps >= BUDGET
        assert record.result.parameters["actor"] > 0
    assert record.run.method == method


def test_seeds_of_a_baseline_share_no_worlds():
    worlds = []

    def train(*given, world_seed, **more):
        worlds.append(world_seed)
        return SimpleNamespace(parameters={}, steps=0)

    method = sb3._method(1.0, sb3_ppo_config, train, told={})
    for seed in (0, 1, 2):
        method.run(Job("PointDir-v0", seed, BUDGET, ()), lambda *_: None, lambda steps: None)
    assert np.diff(worlds).min() >= WORLDS_OF_A_RUN > sb3_ppo_config("PointDir-v0").worlds


def configuration(method):
    return METHODS[method].configuration("PointDir-v0", BUDGET)


def test_no_two_methods_are_set_alike():
    said = [(METHODS[m].kind, repr(configuration(m))) for m in METHODS if m != "sb3-recurrent-ppo"]
    assert len(set(said)) == len(said)


def test_every_core_is_in_the_ladder():
    for core in CORES:
        assert configuration(f"mono-{core}")["network"]["core"]["kind"] == core
        assert configuration(f"mono-{core}-matched")["network"]["core"]["kind"] == core
        assert configuration(f"team-{core}")["team"] is True


@pytest.mark.parametrize("core", ["mlp", "s5"])
def test_a_matched_agent_has_the_teams_parameters(core):
    counts = {}
    for method in (f"team-{core}", f"mono-{core}-matched"):
        counts[method], _ = METHODS[method].run(
            Job("PointDir-v0", 0, 1, ()), lambda *given: None, lambda steps: None
        )
    team, one = (counts[m]["actor"] for m in counts)
    assert team <= one < 1.02 * team
    assert matched_width("PointDir-v0", core) > configuration(f"mono-{core}")["network"]["core"]["width"]


def test_variants_are_what_they_are_called():
    assert configuration("mono-s5-plain-critic")["network"]["privileged_critic"] is False
    assert configuration("team-s5-free")["options"] == {"bandwidth_cost": 0.0}
    assert configuration("team-s5-reinforced")["communication"] == "reinforced"
    assert configuration("team-s5-without-coordinator")["options"] == {"absent_roles": ["coordinator"]}
    assert configuration("team-s5-curriculum")["partners"] == ()
    assert configuration("team-s5-alp-gmm")["partners"] == ("environment",)
    assert METHODS["mono-mlp-blind"].evaluation_options == {"feedback": "none"}
    assert METHODS["sb3-sac-oracle"].evaluation_options == {"reveal_task": True}
    assert METHODS["sb3-ppo-stack"].configuration("PointDir-v0", 1)["stack"] == 8


def test_core_is_the_suite_that_was_promised():
    assert set(CORE_SCENARIOS) <= set(SCENARIOS)
    assert len(CORE_SCENARIOS) == 8
    assert set(CORE_METHODS) <= set(METHODS)
    token = SUITES["token"]
    assert find_methods(token.methods) == list(METHODS)
    assert token.of("sb3-sac", METHODS["sb3-sac"].kind)[0] == 20_000
    assert token.of("sb3-shared-ppo", METHODS["sb3-shared-ppo"].kind)[0] == 100_000
