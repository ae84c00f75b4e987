"""Agents: settings that take effect, errors that name them, and the run that a team of them is."""

import subprocess
import sys
from dataclasses import replace

import pytest

import policies
from ma_ssm_env.roles import ROLES
from policies import (
    AdaptationAgent,
    CoordinatorAgent,
    EnvironmentAgent,
    MetaLearningAgent,
    StateModelingAgent,
)
from policies.adaptation import AdaptationConfig
from policies.agents import by_role, maml_config, training_config
from policies.cores import CoreConfig
from policies.curriculum_learner import CurriculumConfig
from policies.maml import InnerConfig

EVERYONE = (
    StateModelingAgent(),
    MetaLearningAgent(),
    AdaptationAgent(),
    EnvironmentAgent(),
    CoordinatorAgent(),
)


def config(*agents, **given):
    return training_config(by_role(agents), "PointDir-v0", 1000, 3, **given)


def test_the_agents_are_the_roles():
    assert tuple(by_role(EVERYONE)) == ROLES
    assert {type(agent).__name__ for agent in EVERYONE} == set(policies.__all__)


def test_who_imports_the_package_alone_needs_no_torch():
    code = (
        "import policies, sys; assert 'torch' not in sys.modules; "
        "policies.CoordinatorAgent; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'Coordinator'"):
        _ = policies.Coordinator


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: MetaLearningAgent(core="rnn"),
            r"MetaLearningAgent: core='rnn': one of 'mlp', .*'s5'.* expected",
        ),
        (
            lambda: AdaptationAgent(width=0),
            "AdaptationAgent: width=0: a whole number, 1 or more, is expected",
        ),
        (lambda: AdaptationAgent(width=True), "width=True"),
        (lambda: MetaLearningAgent(inner_steps=-1), "inner_steps=-1"),
        (lambda: MetaLearningAgent(inner_rate=0.0), "inner_rate=0.0: a number above 0.0"),
        (lambda: MetaLearningAgent(inner_rate=float("nan")), "inner_rate=nan"),
        (lambda: MetaLearningAgent(adapts="core"), "adapts='core'"),
        (lambda: MetaLearningAgent(inner_feedback="never"), "inner_feedback='never'"),
        (lambda: StateModelingAgent(forecast_horizon=11), "forecast_horizon=11: a whole number, 0 to 10 is"),
        (lambda: StateModelingAgent(belief_size=9), "belief_size=9: a whole number, 1 to 8 is"),
        (lambda: StateModelingAgent(messages="spoken"), "messages='spoken'"),
        (lambda: StateModelingAgent(forecast_weight=-1.0), "forecast_weight=-1.0"),
        (lambda: EnvironmentAgent(curriculum="hard"), "curriculum='hard'"),
        (lambda: EnvironmentAgent(shared_ledger=1), "shared_ledger=1"),
        (lambda: CoordinatorAgent(bandwidth_cost=-0.1), "bandwidth_cost=-0.1"),
        (lambda: CoordinatorAgent(trust="blind"), "trust='blind'"),
        (lambda: CoordinatorAgent(rate=1.5), "rate=1.5: a number of at least -1.0 and at most 1.0"),
        (lambda: AdaptationAgent(online=True), "online=True"),
        (lambda: AdaptationAgent(online=AdaptationConfig(adapts=("actuators",))), "acts a correction"),
        (lambda: AdaptationAgent(online=AdaptationConfig(policy_rate=0.1)), "policy_rate=0.1"),
    ],
)
def test_a_setting_that_cannot_be_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_repr_makes_the_agent_and_says_no_more_than_it_must():
    assert repr(MetaLearningAgent()) == "MetaLearningAgent(core='s5', width=96)"
    assert repr(CoordinatorAgent(rate=1.0)) == "CoordinatorAgent(core='s5', width=96, rate=1.0)"
    for agent in (*EVERYONE, AdaptationAgent(online=AdaptationConfig(window=8))):
        assert eval(repr(agent)) == agent


def test_a_team_is_agents_of_different_roles_one_of_whom_acts():
    with pytest.raises(ValueError, match="adaptation is there twice"):
        by_role([AdaptationAgent(), AdaptationAgent(width=8)])
    with pytest.raises(ValueError, match="'coordinator' is no agent"):
        by_role(["coordinator"])
    with pytest.raises(ValueError, match="state_modeling, coordinator: nobody acts on the body"):
        by_role([StateModelingAgent(), CoordinatorAgent()])


def test_roles_without_an_agent_are_absent_and_tasks_come_from_the_distribution_without_its_agent():
    options = config(MetaLearningAgent()).options
    assert options["absent_roles"] == ["adaptation", "coordinator", "environment", "state_modeling"]
    assert "task_source" not in options
    options = config(*EVERYONE).options
    assert "absent_roles" not in options
    assert options["task_source"] == "environment"


def test_settings_reach_the_run():
    curriculum = CurriculumConfig(decisions=7)
    found = config(
        MetaLearningAgent(core="gru", width=8),
        StateModelingAgent(core="mlp", width=9, forecast_weight=0.5, belief_size=3, messages="reinforced"),
        AdaptationAgent(width=10),
        CoordinatorAgent(bandwidth_cost=0.2, trust="fixed", rate=0.5),
        EnvironmentAgent(width=11, curriculum=curriculum, shared_ledger=False),
        prediction_horizon=4,
    )
    network = found.network
    assert network.core_of("meta_learning") == CoreConfig(kind="gru", width=8)
    assert network.core_of("state_modeling") == CoreConfig(kind="mlp", width=9)
    assert network.core_of("adaptation") == CoreConfig(width=10)
    assert network.core_of("coordinator") == CoreConfig()
    assert (network.forecast_horizon, network.proposer_width) == (4, 11)
    assert (found.ppo.forecast, found.ppo.num_worlds) == (0.5, 32)  # the tuned settings of the scenario stay
    assert (found.communication, found.curriculum, found.seed, found.steps) == (
        "reinforced",
        curriculum,
        3,
        1000,
    )
    assert found.options == {
        "belief_size": 3,
        "bandwidth_cost": 0.2,
        "fixed_trust": True,
        "fixed_rate": 0.5,
        "task_source": "environment",
    }


def test_the_agent_has_the_last_word_on_its_forecasts():
    meta = MetaLearningAgent()
    assert config(meta, StateModelingAgent(), prediction_horizon=10).network.forecast_horizon == 10
    own = StateModelingAgent(forecast_horizon=0)
    assert config(meta, own, prediction_horizon=10).network.forecast_horizon == 0
    assert config(meta, prediction_horizon=10).network.forecast_horizon == 0  # nobody forecasts


def test_inner_steps_are_meta_training_of_that_role():
    meta = MetaLearningAgent(inner_steps=2, inner_rate=0.3, adapts="head", tasks=4, trials=3)
    found = maml_config(meta, config(meta, CoordinatorAgent()))
    assert found.inner == InnerConfig(
        steps=2, rate=0.3, adapts="head", roles=("meta_learning",), feedback="step"
    )
    assert (found.tasks, found.trials, found.ppo.num_worlds, found.ppo.rollout) == (4, 3, 12, 100)
    with pytest.raises(ValueError, match="with an EnvironmentAgent"):
        maml_config(meta, config(meta, EnvironmentAgent()))
    own = config(meta, StateModelingAgent(messages="reinforced"))
    own = replace(own, critics="own", network=replace(own.network, privileged_critic=False))
    with pytest.raises(ValueError, match="critics of each role's own"):
        maml_config(meta, own)
