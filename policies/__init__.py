"""Policies in PyTorch: memory cores, the team and its differentiable channel, PPO, checkpoints.

The agents bind a role to its policy and learner:

    from policies import AdaptationAgent, CoordinatorAgent, MetaLearningAgent, StateModelingAgent
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policies.agents import (
        AdaptationAgent,
        CoordinatorAgent,
        EnvironmentAgent,
        MetaLearningAgent,
        StateModelingAgent,
    )

__all__ = [
    "AdaptationAgent",
    "CoordinatorAgent",
    "EnvironmentAgent",
    "MetaLearningAgent",
    "StateModelingAgent",
]


def __getattr__(name: str) -> Any:
    """The agents, imported when they are asked for: they need torch, and who imports `policies` may not."""
    if name in __all__:
        from policies import agents

        return getattr(agents, name)
    raise AttributeError(f"module 'policies' has no attribute {name!r}")
