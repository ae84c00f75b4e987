"""Agents: a role of the team together with its policy and how that learns. A file an agent.

An agent is settings alone, a frozen dataclass; `team.py` makes the training run of a list of agents. A role
that no agent has is absent.
"""

from policies.agents.adaptation import AdaptationAgent
from policies.agents.coordinator import CoordinatorAgent
from policies.agents.environment import EnvironmentAgent
from policies.agents.meta_learning import MetaLearningAgent
from policies.agents.state_modeling import StateModelingAgent
from policies.agents.team import Agent, by_role, maml_config, training_config

__all__ = [
    "AdaptationAgent",
    "Agent",
    "CoordinatorAgent",
    "EnvironmentAgent",
    "MetaLearningAgent",
    "StateModelingAgent",
    "by_role",
    "maml_config",
    "training_config",
]
