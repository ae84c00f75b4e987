"""One shape for all roles: observations padded and marked with their role, actions padded.

For learners that share one network between agents. The same as SuperSuit's `pad_observations_v0`,
`pad_action_space_v0` and `agent_indicator_v0` in one call, and without SuperSuit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

Float = NDArray[np.float32]


class HomogeneousEnv(ParallelEnv[str, Float, Float]):
    """A `ParallelEnv` whose agents all have the same spaces.

    An observation is the agent's own, zeros up to the longest of all agents, then a one-hot vector that says
    which of `possible_agents` it is. An action is the agent's own, then numbers that nobody reads, up to the
    longest. Rewards, terminations, infos and `state()` are those of the environment within.

    Attributes:
        unwrapped_env: the environment within.
    """

    def __init__(self, env: ParallelEnv[str, Any, Any]) -> None:
        for agent in env.possible_agents:
            for space in (env.observation_space(agent), env.action_space(agent)):
                if not isinstance(space, Box) or len(space.shape) != 1:
                    raise ValueError(
                        f"homogeneous: {agent} has a space {space}; a vector (1-d Box) is expected"
                    )
        self.unwrapped_env = env
        self.metadata = env.metadata
        self.render_mode = getattr(env, "render_mode", None)
        self.possible_agents = list(env.possible_agents)
        count = len(self.possible_agents)
        self._marks = dict(zip(self.possible_agents, np.eye(count, dtype=np.float32), strict=True))
        observed = [env.observation_space(agent) for agent in self.possible_agents]
        acted: list[Any] = [env.action_space(agent) for agent in self.possible_agents]
        self._action_sizes = {a: s.shape[0] for a, s in zip(self.possible_agents, acted, strict=True)}
        low, high = _hull(observed)
        marks = np.zeros(count, np.float32), np.ones(count, np.float32)
        self._observation_space = Box(np.append(low, marks[0]), np.append(high, marks[1]), dtype=np.float32)
        self._action_space = Box(*_hull(acted), dtype=np.float32)
        self.observation_spaces = dict.fromkeys(self.possible_agents, self._observation_space)
        self.action_spaces = dict.fromkeys(self.possible_agents, self._action_space)
        if hasattr(env, "state_space"):
            self.state_space = env.state_space

    @property
    def agents(self) -> list[str]:  # type: ignore[override]
        """Who acts now."""
        return self.unwrapped_env.agents

    def observation_space(self, agent: str) -> Box[np.float32]:
        """The same Box object for every agent."""
        return self._own(agent, self._observation_space)

    def action_space(self, agent: str) -> Box[np.float32]:
        """The same Box object for every agent."""
        return self._own(agent, self._action_space)

    def pad_action(self, agent: str, action: Any) -> Float:
        """The agent's own action [A] in the common shape, zeros behind it; `own_action` takes it back.

        Raises:
            ValueError: the action has not the agent's own size.
        """
        own = np.asarray(action, dtype=np.float32)
        if own.shape != (self._action_sizes[agent],):
            raise ValueError(
                f"homogeneous: {agent} acts {self._action_sizes[agent]} numbers; this has shape {own.shape}"
            )
        return _padded(own, self._action_space.shape[0])

    def own_action(self, agent: str, action: Any) -> Any:
        """What the environment within is given of an action of the common shape [A].

        Raises:
            ValueError: the action has not the common shape.
        """
        given = np.asarray(action)
        if given.size != self._action_space.shape[0]:
            raise ValueError(
                f"homogeneous: action of {agent} has shape {given.shape}; "
                f"{self._action_space.shape} is expected"
            )
        return given.reshape(-1)[: self._action_sizes[agent]]

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Float], dict[str, dict[str, Any]]]:
        """Begin the next episode, as the environment within does; observations [O] of one size."""
        observations, infos = self.unwrapped_env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        return self._marked(observations), infos

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[
        dict[str, Float], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:
        """One step under actions of the common shape."""
        own = {
            agent: self.own_action(agent, action) if agent in self._action_sizes else action
            for agent, action in actions.items()
        }
        observations, rewards, terminations, truncations, infos = self.unwrapped_env.step(own)
        return self._marked(observations), rewards, terminations, truncations, infos

    def state(self) -> Any:
        """That of the environment within."""
        return self.unwrapped_env.state()

    def render(self) -> Any:
        """That of the environment within."""
        return self.unwrapped_env.render()

    def close(self) -> None:
        """Close the environment within."""
        self.unwrapped_env.close()  # type: ignore[no-untyped-call]

    def _own(self, agent: str, space: Box[np.float32]) -> Box[np.float32]:
        if agent not in self._marks:
            raise ValueError(f"unknown agent {agent!r}; the agents are {', '.join(self.possible_agents)}")
        return space

    def _marked(self, observations: Mapping[str, Float]) -> dict[str, Float]:
        size = self._observation_space.shape[0] - len(self._marks)
        return {
            agent: np.concatenate([_padded(observation, size), self._marks[agent]])
            for agent, observation in observations.items()
        }


def homogeneous(env: ParallelEnv[str, Any, Any]) -> HomogeneousEnv:
    """`env` with one observation space and one action space for all agents, who is who in a one-hot vector.

    Raises:
        ValueError: a space that is not a vector.
    """
    return HomogeneousEnv(env)


def _padded(vector: Float, size: int) -> Float:
    padded = np.zeros(size, dtype=np.float32)
    padded[: len(vector)] = vector
    return padded


def _hull(spaces: list[Any]) -> tuple[Float, Float]:
    """The smallest bounds that hold every space, with zeros behind the shorter ones."""
    size = max(space.shape[0] for space in spaces)
    low = np.min([_padded(space.low, size) for space in spaces], axis=0)
    high = np.max([_padded(space.high, size) for space in spaces], axis=0)
    return low.astype(np.float32), high.astype(np.float32)
