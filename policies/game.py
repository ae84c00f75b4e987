"""One face for both games: the team of four acting roles, and the twin as a team of one.

Learners see roles, arrays and one shared reward. Roles that do not learn are played by their partners, or
act neutrally; the environment role does so while tasks come from the distribution, where its actions have
no effect.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ma_ssm_env import Policy
from ma_ssm_env.controls import team_vector_env, twin_vector_env
from ma_ssm_env.roles import ACTING_ROLES, AGENTS, ROLE_TABLE
from policies.curriculum_learner import CurriculumLearner
from policies.partners import Partner

AGENT = "agent"  # the one role of the twin
_ENVIRONMENT = ROLE_TABLE["environment"].agent


class Game:
    """B worlds, in which `roles` act.

    Attributes:
        roles: who learns, in order.
        observation_fields, action_fields: role -> field -> slice.
        state_fields: field -> slice of `state()`.
        chooses: tasks are chosen in setup steps, where the acting roles' actions have no effect.
        proposal_fields: observation and action fields of the environment role where it is to learn that, else
            None.
        proposer: the learner that then plays it; set it before `reset`.

    Args:
        scenario: id of the scenario.
        num_worlds: B.
        team: the five-role team; else the single-agent twin.
        options: options of the environment.
        others: roles that do not learn.
        partners: who plays them; without a partner they act neutrally.
        partner_seed: of what partners draw.
    """

    def __init__(
        self,
        scenario: str,
        num_worlds: int,
        team: bool,
        options: Mapping[str, Any],
        *,
        others: Collection[str] = (),
        partners: Mapping[str, Policy] | None = None,
        partner_seed: int = 0,
    ) -> None:
        self.team, self.num_worlds = team, num_worlds
        self.chooses = False
        self.proposal_fields: tuple[dict[str, slice], dict[str, slice]] | None = None
        self.proposer: CurriculumLearner | None = None
        self._partners: dict[str, Partner] = {}
        self._env: Any
        if team:
            self._env = team_vector_env(scenario, num_worlds, **options)
            present = [AGENTS[agent] for agent in self._env.agents]
            _check_others(others, present, self._env.options.task_source)
            self.roles = tuple(r for r in ACTING_ROLES if r in present and r not in others)
            self._partners = {
                ROLE_TABLE[role].agent: Partner(role, policy, num_worlds, partner_seed)
                for role, policy in (partners or {}).items()
            }
            self.chooses = self._env.options.task_source == "environment"
            if self.chooses and "environment" not in others:
                self.proposal_fields = (
                    self._env.observation_fields(_ENVIRONMENT),
                    self._env.action_fields(_ENVIRONMENT),
                )
            self._partners_see: dict[str, NDArray[np.float32]] = {}
            self._partners_start: dict[str, NDArray[np.bool_]] = {}
            self._setup = np.zeros(num_worlds, dtype=bool)
            self._ledger = np.zeros((num_worlds, 0), dtype=np.float32)
            agents = {role: ROLE_TABLE[role].agent for role in self.roles}
            self.observation_fields = {r: self._env.observation_fields(a) for r, a in agents.items()}
            self.action_fields = {r: self._env.action_fields(a) for r, a in agents.items()}
            self._agents = agents
            self._neutral = {
                agent: np.zeros((num_worlds, *self._env.single_action_space(agent).shape), np.float32)
                for agent in self._env.agents
                if agent not in agents.values() and agent not in self._partners
            }
        else:
            if others:
                raise ValueError(f"partners {', '.join(others)}: the single-agent twin has no other roles")
            self._env = twin_vector_env(scenario, num_worlds, **options)
            self.roles = (AGENT,)
            self.observation_fields = {AGENT: self._env.observation_fields()}
            self.action_fields = {AGENT: {"torque": slice(0, self._env.single_action_space.shape[0])}}
        self.state_fields: dict[str, slice] = self._env.state_fields
        self.scenario = self._env.scenario
        self.options = self._env.options

    def reset(self, seed: int) -> dict[str, Tensor]:
        """Begin anew: observations role -> [B, O]."""
        observations, infos = self._env.reset(seed=seed)
        if self.chooses:
            self._setup = infos["setup"]
            self._ledger = observations[_ENVIRONMENT]
        if self._partners:
            self._partners_see = {agent: observations[agent] for agent in self._partners}
            all_worlds = np.ones(self.num_worlds, dtype=bool)
            self._partners_start = dict.fromkeys(self._partners, all_worlds)
        return self._tensors(observations)

    def pin(self, tasks: NDArray[np.float64] | None) -> None:
        """Trials that begin from now on are played on `tasks` [B, k]; None: on tasks that worlds draw."""
        self._env.set_tasks(tasks)

    def remember(self, tasks: NDArray[np.float32], outcomes: NDArray[np.float32]) -> None:
        """Enter trials that were played elsewhere into the worlds' ledgers, the first as the oldest.

        Args:
            tasks: normalised [n, k].
            outcomes: scaled mean returns of an inner episode [n], as `ma_ssm_env.ledger.outcome` gives.

        Raises:
            ValueError: tasks come from the distribution, so that nobody reads the ledger.
        """
        if not self.chooses:
            raise ValueError("tasks come from the distribution: there is no ledger that anyone reads")
        ledger = self._env.game.ledger
        worlds = np.zeros(1, np.int64) if self.options.shared_ledger else np.arange(self.num_worlds)
        for task, value in zip(tasks, outcomes, strict=True):
            count = len(worlds)
            ledger.record(worlds, np.repeat(task[None], count, 0), np.full(count, value, np.float32))
        where = self._env.observation_fields(_ENVIRONMENT)["ledger"]
        self._ledger = self._ledger.copy()
        self._ledger[:, where] = ledger.vector()

    def step(self, actions: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor, Tensor, dict[str, Any]]:
        """Observations, the reward that is learned from [B], trial ends [B], and the environment's infos."""
        if self.team:
            given = {self._agents[role]: action.numpy() for role, action in actions.items()} | self._neutral
            if self._partners:
                given |= {
                    agent: partner.act(self._partners_see[agent], self._partners_start[agent])
                    for agent, partner in self._partners.items()
                }
            if self.proposer is not None:
                given[_ENVIRONMENT] = self.proposer.propose(self._ledger, self._setup)
            observations, rewards, ended, _, infos = self._env.step(given)
            if self.proposer is not None:
                self.proposer.pay(rewards[_ENVIRONMENT], ended[_ENVIRONMENT])
            if self._partners:
                self._partners_see = {agent: observations[agent] for agent in self._partners}
                # To who acts, the first control step shows what the setup step before it showed, and is the
                # first step of the trial; who chooses tasks remembers what it chose.
                self._partners_start = {
                    agent: ended[agent] | (self._setup & (AGENTS[agent] in ACTING_ROLES))
                    for agent in self._partners
                }
            if self.chooses:
                self._setup, self._ledger = infos["setup"], observations[_ENVIRONMENT]
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

    @property
    def setup(self) -> Tensor | None:
        """Which worlds stand at a setup step [B], as booleans; None where tasks are not chosen."""
        return torch.from_numpy(self._setup) if self.chooses else None

    def state(self) -> Tensor:
        """The state of the worlds [B, S], for critics."""
        return torch.from_numpy(self._env.state())

    def clone_state(self) -> dict[str, Any]:
        """Everything that decides how the worlds go on, random streams included."""
        state: dict[str, Any] = self._env.clone_state()
        if self._partners:
            state |= {
                "partners": {agent: partner.clone_state() for agent, partner in self._partners.items()},
                "partners_see": {agent: seen.copy() for agent, seen in self._partners_see.items()},
                "partners_start": {agent: start.copy() for agent, start in self._partners_start.items()},
            }
        if self.chooses:
            state |= {"setup": self._setup.copy(), "ledger": self._ledger.copy()}
        if self.proposer is not None:
            state["proposer"] = self.proposer.clone_state()
        return state

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, bit for bit."""
        self._env.restore_state(state)
        if self._partners:
            for agent, partner in self._partners.items():
                partner.restore_state(state["partners"][agent])
            self._partners_see = {agent: seen.copy() for agent, seen in state["partners_see"].items()}
            self._partners_start = {agent: start.copy() for agent, start in state["partners_start"].items()}
        if self.chooses:
            self._setup, self._ledger = state["setup"].copy(), state["ledger"].copy()
        if self.proposer is not None:
            self.proposer.restore_state(state["proposer"])

    def _tensors(self, observations: Any) -> dict[str, Tensor]:
        if self.team:
            return {role: torch.from_numpy(observations[agent]) for role, agent in self._agents.items()}
        return {AGENT: torch.from_numpy(observations)}


def _check_others(others: Collection[str], present: Collection[str], task_source: str) -> None:
    for role in others:
        if role not in present:
            raise ValueError(f"partner of {role!r}: not one of the roles that play, {', '.join(present)}")
    if "environment" in others and task_source == "distribution":
        raise ValueError(
            "partner of 'environment': tasks come from the distribution, and its actions have no effect; "
            "take the option task_source='environment'"
        )
    if not set(ACTING_ROLES) & set(present) - set(others):
        raise ValueError("every acting role has a partner: no role is left to learn")
