"""One face for both games: the team of four acting roles, and the twin as a team of one.

Learners see roles, arrays and one shared reward; the environment role acts neutrally here, as its actions
have no effect while tasks come from the distribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ma_ssm_env import SingleAgentVectorEnv, TeamVectorEnv
from ma_ssm_env.roles import ACTING_ROLES, ROLE_TABLE

AGENT = "agent"  # the one role of the twin


class Game:
    """B worlds, in which `roles` act.

    Attributes:
        roles: who learns, in order.
        observation_fields, action_fields: role -> field -> slice.
        state_fields: field -> slice of `state()`.
    """

    def __init__(self, scenario: str, num_worlds: int, team: bool, options: Mapping[str, Any]) -> None:
        self.team, self.num_worlds = team, num_worlds
        self._env: Any
        if team:
            self._env = TeamVectorEnv(scenario, num_worlds, **options)
            self.roles = tuple(r for r in ACTING_ROLES if ROLE_TABLE[r].agent in self._env.agents)
            agents = {role: ROLE_TABLE[role].agent for role in self.roles}
            self.observation_fields = {r: self._env.observation_fields(a) for r, a in agents.items()}
            self.action_fields = {r: self._env.action_fields(a) for r, a in agents.items()}
            self._agents = agents
            self._neutral = {
                agent: np.zeros((num_worlds, *self._env.single_action_space(agent).shape), np.float32)
                for agent in self._env.agents
                if agent not in agents.values()
            }
        else:
            self._env = SingleAgentVectorEnv(scenario, num_worlds, **options)
            self.roles = (AGENT,)
            self.observation_fields = {AGENT: self._env.observation_fields()}
            self.action_fields = {AGENT: {"torque": slice(0, self._env.single_action_space.shape[0])}}
        self.state_fields: dict[str, slice] = self._env.state_fields
        self.scenario = self._env.scenario
        self.options = self._env.options

    def reset(self, seed: int) -> dict[str, Tensor]:
        """Begin anew: observations role -> [B, O]."""
        observations, _ = self._env.reset(seed=seed)
        return self._tensors(observations)

    def pin(self, tasks: NDArray[np.float64] | None) -> None:
        """Trials that begin from now on are played on `tasks` [B, k]; None: on tasks that worlds draw."""
        self._env.set_tasks(tasks)

    def step(self, actions: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor, Tensor, dict[str, Any]]:
        """Observations, the reward that is learned from [B], trial ends [B], and the environment's infos."""
        if self.team:
            given = {self._agents[role]: action.numpy() for role, action in actions.items()} | self._neutral
            observations, rewards, ended, _, infos = self._env.step(given)
            first = self._agents[self.roles[0]]
            reward, done = rewards[first], ended[first]
        else:
            observations, reward, done, _, infos = self._env.step(actions[AGENT].numpy())
        return (
            self._tensors(observations),
            torch.from_numpy(reward.astype(np.float32)),
            torch.from_numpy(done.astype(np.float32)),
            infos,
        )

    def state(self) -> Tensor:
        """The state of the worlds [B, S], for critics."""
        return torch.from_numpy(self._env.state())

    def _tensors(self, observations: Any) -> dict[str, Tensor]:
        if self.team:
            return {role: torch.from_numpy(observations[agent]) for role, agent in self._agents.items()}
        return {AGENT: torch.from_numpy(observations)}
