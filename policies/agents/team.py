"""From a list of agents to the training run of their team."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ma_ssm_env.options import TEAM_CONTROLS, make_options
from ma_ssm_env.roles import ACTING_ROLES, BELIEF_SIZE, ROLES
from ma_ssm_env.scenarios import find_scenario
from policies.agents.adaptation import AdaptationAgent
from policies.agents.coordinator import CoordinatorAgent
from policies.agents.environment import EnvironmentAgent
from policies.agents.meta_learning import MetaLearningAgent
from policies.agents.settings import core_of
from policies.agents.state_modeling import StateModelingAgent
from policies.config import TrainConfig, tuned
from policies.maml import MamlConfig, maml_ppo
from policies.team import NetworkConfig

Agent = MetaLearningAgent | AdaptationAgent | StateModelingAgent | EnvironmentAgent | CoordinatorAgent


def by_role(agents: Iterable[Agent]) -> dict[str, Agent]:
    """Agents by role, in the order of the roles.

    Args:
        agents: one for each role that is to be there, in any order.

    Raises:
        ValueError: something is no agent, two have one role, or no acting role has any.
    """
    found: dict[str, Agent] = {}
    for agent in agents:
        if not isinstance(agent, Agent):
            raise ValueError(
                f"agents: {agent!r} is no agent; instances of MetaLearningAgent, AdaptationAgent, "
                "StateModelingAgent, EnvironmentAgent and CoordinatorAgent are expected"
            )
        if agent.role in found:
            raise ValueError(f"agents: {agent.role} is there twice: {found[agent.role]!r} and {agent!r}")
        found[agent.role] = agent
    if not {"meta_learning", "adaptation"} & set(found):
        raise ValueError(
            f"agents: {', '.join(found) or 'none'}: nobody acts on the body; a MetaLearningAgent or an "
            "AdaptationAgent is expected"
        )
    return {role: found[role] for role in ROLES if role in found}


def training_config(
    agents: Mapping[str, Agent], scenario: str, steps: int, seed: int, prediction_horizon: int = 0
) -> TrainConfig:
    """The run that trains these agents together by PPO.

    Args:
        agents: by role (`by_role`); roles that are not there are absent.
        scenario: id.
        steps: control steps, over all worlds.
        seed: of networks, sampling and worlds.
        prediction_horizon: steps that state_modeling forecasts, where its agent leaves it open.
    """
    sender, environment = agents.get("state_modeling"), agents.get("environment")
    cores = {role: core_of(agent) for role, agent in agents.items() if role in ACTING_ROLES}
    core = next(iter(cores.values()))
    network = NetworkConfig(
        core=core,
        role_cores={role: own for role, own in cores.items() if own != core},
        forecast_horizon=_horizon(sender, prediction_horizon),
    )
    changes: dict[str, Any] = {}
    run: dict[str, Any] = {}
    if isinstance(sender, StateModelingAgent):
        changes["forecast"] = sender.forecast_weight
        run["communication"] = sender.messages
    if isinstance(environment, EnvironmentAgent):
        network = dataclasses.replace(network, proposer_width=environment.width)
        run["curriculum"] = environment.curriculum
    options = _options(agents)
    plain = {name: value for name, value in options.items() if name not in TEAM_CONTROLS}
    make_options(find_scenario(scenario), plain, team=True)  # refuses what the environment would refuse later
    return TrainConfig(
        scenario=find_scenario(scenario).id,
        team=True,
        steps=steps,
        seed=seed,
        network=network,
        ppo=tuned(scenario, **changes),
        options=options,
        **run,
    )


def maml_config(agent: MetaLearningAgent, training: TrainConfig) -> MamlConfig:
    """The same run as meta-training, where the agent takes inner steps.

    Raises:
        ValueError: the run has what meta-training cannot have.
    """
    if training.options.get("task_source") == "environment":
        raise ValueError(
            f"{agent!r} with an EnvironmentAgent: meta-training plays each task several times and draws the "
            "tasks itself; leave the EnvironmentAgent out, or take inner_steps=0"
        )
    if training.critics != "joint":
        raise ValueError(
            f"{agent!r} with critics of each role's own: meta-training has fitted baselines instead of "
            "critics; take another collaboration_mode, or inner_steps=0"
        )
    options = make_options(
        find_scenario(training.scenario),
        {name: value for name, value in training.options.items() if name not in TEAM_CONTROLS},
        team=True,
    )
    length = options.horizon * options.episodes_per_trial
    ppo = maml_ppo(agent.tasks * agent.trials, length, agent.inner_steps, forecast=training.ppo.forecast)
    return MamlConfig(
        scenario=training.scenario,
        team=True,
        steps=training.steps,
        seed=training.seed,
        tasks=agent.tasks,
        trials=agent.trials,
        inner=agent.inner,
        # As loud as the others: inner steps learn from what their noise does.
        network=dataclasses.replace(training.network, modulator_head=training.network.head),
        ppo=ppo,
        options=training.options,
    )


def _horizon(sender: Agent | None, prediction_horizon: int) -> int:
    if not isinstance(sender, StateModelingAgent):
        return 0
    return prediction_horizon if sender.forecast_horizon is None else sender.forecast_horizon


def _options(agents: Mapping[str, Agent]) -> dict[str, Any]:
    """Options of the environment that the agents ask for; those at their defaults are left out."""
    absent = sorted(set(ROLES) - set(agents))
    options: dict[str, Any] = {"absent_roles": absent} if absent else {}
    for agent in agents.values():
        match agent:
            case StateModelingAgent() if agent.belief_size != BELIEF_SIZE:
                options["belief_size"] = agent.belief_size
            case CoordinatorAgent():
                options["bandwidth_cost"] = agent.bandwidth_cost
                options |= {"fixed_trust": True} if agent.trust == "fixed" else {}
                options |= {} if agent.rate is None else {"fixed_rate": agent.rate}
            case EnvironmentAgent():
                options["task_source"] = "environment"
                options |= {"shared_ledger": True} if agent.shared_ledger else {}
    return options
