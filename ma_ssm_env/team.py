"""The five-role game, batched: B worlds in which five roles control one body and see different things.

Everything about the game is here once; the PettingZoo environment (`parallel.py`) is the view of one world,
the vector environment (`team_vector.py`) the view of all with finished worlds begun anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from ma_ssm_env.actions import check_agents, check_mapping, checked_action
from ma_ssm_env.blackboard import Blackboard, combine
from ma_ssm_env.ledger import Ledger, outcome
from ma_ssm_env.options import Options
from ma_ssm_env.roles import (
    ACTING_ROLES,
    AGENTS,
    BELIEF_SIZE,
    HEADER,
    ROLE_TABLE,
    ROLES,
    action_box,
    layout,
    observation_box,
    observed_fields,
)
from ma_ssm_env.scenarios import Scenario
from ma_ssm_env.streams import Purpose, substream
from ma_ssm_env.trial import Outcome, TrialBatch

Float = NDArray[np.float32]

# What `state()` holds, in order: for critics in training, never for actors.
STATE_FIELDS = (
    *HEADER,
    "positions",
    "velocities",
    "root_position",
    "true_last_reward",
    "return_so_far",
    "received_belief",
    "last_torque",
    "last_prior",
    "last_correction",
    "last_trust",
    "last_rate",
    "task",
)


class TeamGame:
    """B worlds of the five-role game; nothing begins anew by itself.

    Attributes:
        scenario, options: what is played, and how.
        trials: clock, task, body and reward of the worlds.
        blackboard: what the roles will receive.
        agents: names of the agents, in the order of `ROLES`, absent roles left out.
        observation_fields, action_fields: agent -> field -> slice of its vector.
        observation_spaces, action_spaces: agent -> float32 Box of one world.
        state_fields, state_space: the same for `state()`.
    """

    def __init__(self, scenario: Scenario, options: Options, num_worlds: int) -> None:
        self.scenario, self.options, self.num_worlds = scenario, options, num_worlds
        self.trials = TrialBatch(scenario, options, num_worlds)
        m, k = self.trials.physics.num_actuators, scenario.variation.size
        self.blackboard = Blackboard(num_worlds, m, options.absent_roles | options.muted_roles)
        self.ledger = Ledger(num_worlds, k)
        self._trial_return = np.zeros(num_worlds)
        self._trial_episodes = np.zeros(num_worlds)
        self._channel_noise = np.zeros((num_worlds, options.horizon, BELIEF_SIZE), dtype=np.float32)
        self._worlds = np.arange(num_worlds)
        sizes = {
            **dict.fromkeys(HEADER, 1),
            "positions": self.trials.num_positions,
            "velocities": self.trials.num_velocities,
            "root_position": len(scenario.body.root),
            "last_reward": 1,
            "true_last_reward": 1,
            "return_so_far": 1,
            "received_belief": BELIEF_SIZE,
            "last_torque": m,
            "last_prior": m,
            "last_correction": m,
            "last_trust": m,
            "last_rate": 1,
            "ledger": Ledger.size(k),
            "task": len(scenario.variation.shown),
            "belief": BELIEF_SIZE,
            "prior": m,
            "correction": m,
            "trust": m,
            "rate": 1,
            "proposal": k,
        }
        self.present = tuple(role for role in ROLES if role not in options.absent_roles)
        self.agents = [ROLE_TABLE[role].agent for role in self.present]
        self.observation_fields: dict[str, dict[str, slice]] = {}
        self.action_fields: dict[str, dict[str, slice]] = {}
        for role in self.present:
            fields = observed_fields(ROLE_TABLE[role], options.observability)
            self.observation_fields[ROLE_TABLE[role].agent] = layout(fields, sizes)
            self.action_fields[ROLE_TABLE[role].agent] = layout(ROLE_TABLE[role].acts, sizes)
        self.state_fields = layout(STATE_FIELDS, sizes)
        self.observation_spaces = {a: observation_box(s) for a, s in self.observation_fields.items()}
        self.action_spaces = {a: action_box(s) for a, s in self.action_fields.items()}
        size = self.state_fields["task"].stop
        self.state_space = Box(-np.inf, np.inf, (size,), dtype=np.float32)
        self._neutral = {
            field: np.zeros((num_worlds, sizes[field]), np.float32)
            for role in ROLES
            for field in ROLE_TABLE[role].acts
        }
        self._sizes = sizes

    # -- starting ---------------------------------------------------------------------------------------

    def reset(self, seed: int | Sequence[int] | None, options: Mapping[str, Any] | None) -> None:
        """Begin the next trial of every world; a seed starts the worlds and their ledgers anew."""
        tasks = self.trials.tasks_of_options(options)
        self.trials.seed(seed)
        if seed is not None:
            self.ledger.clear()
        self.begin_trials(self._worlds, tasks)

    def begin_trials(self, worlds: NDArray[np.int64], tasks: NDArray[np.float64] | None = None) -> None:
        """Begin the next trial of `worlds` alone."""
        self.trials.begin_trials(worlds, tasks)
        self.blackboard.clear(worlds)
        self._trial_return[worlds] = 0.0
        self._trial_episodes[worlds] = 0.0
        self._draw_channel_noise(worlds)

    def _draw_channel_noise(self, worlds: NDArray[np.int64]) -> None:
        # A whole inner episode at once: the draw has the same size whatever the rates, and one call serves
        # 200 steps.
        trials, shape = self.trials, self._channel_noise.shape[1:]
        for world in worlds:
            address = int(trials.trial[world]), int(trials.episode[world])
            generator = substream(int(trials.seeds[world]), Purpose.CHANNEL, *address)
            self._channel_noise[world] = generator.standard_normal(shape, dtype=np.float32)

    # -- stepping ---------------------------------------------------------------------------------------

    def checked_actions(self, actions: Any, *, batched: bool) -> dict[str, Float]:
        """Actions by field, each float32 [B, size] in [-1, 1]; nothing has changed when this raises."""
        actions = check_mapping(self.scenario.id, actions)
        check_agents(self.scenario.id, actions, self.agents)
        fields = dict(self._neutral)
        for agent in self.agents:
            size = self.action_spaces[agent].shape[0]
            shape = (self.num_worlds, size) if batched else (size,)
            action = checked_action(self.scenario.id, agent, actions[agent], shape)
            action = action.reshape(self.num_worlds, size)
            for field, where in self.action_fields[agent].items():
                fields[field] = action[:, where]
        return fields

    def step(self, fields: Mapping[str, Float]) -> tuple[Outcome, NDArray[np.float64]]:
        """One control step under the actions of `checked_actions`.

        Returns:
            The outcome, and the cost of the channel that the team paid [B].
        """
        torque = combine(fields["prior"], fields["correction"], fields["trust"])
        noise = self._channel_noise[self._worlds, self.trials.clock]
        result = self.trials.step(torque)
        self.blackboard.post(
            belief=fields["belief"],
            prior=fields["prior"],
            correction=fields["correction"],
            trust=fields["trust"],
            rate=fields["rate"],
            torque=torque,
            noise=noise,
        )
        cost = self.options.bandwidth_cost * self.blackboard.normalised_rate().astype(np.float64)
        if result.episode_ended.any():
            self._trial_return += result.episode_return
            self._trial_episodes += result.episode_ended
            done = np.flatnonzero(result.trial_ended)
            if done.size:
                mean = self._trial_return[done] / self._trial_episodes[done]
                outcomes = outcome(mean, self.scenario.outcome_scale)
                self.ledger.record(done, self.trials.normalised_task()[done], outcomes)
            again = np.flatnonzero(result.episode_ended & ~result.trial_ended)
            if again.size:
                self._draw_channel_noise(again)
        return result, cost

    # -- observing --------------------------------------------------------------------------------------

    def observe(self) -> dict[str, Float]:
        """What each agent observes now, agent -> [B, O]; fresh arrays."""
        trials = self.trials
        values: dict[str, Float] = {
            "header": trials.header(),
            "positions": trials.positions(),
            "velocities": trials.velocities(),
            "last_reward": trials.feedback[:, None],
            "ledger": self.ledger.vector(),
            **self.blackboard.fields,
        }
        return {
            agent: np.concatenate(
                [values["header"], *[values[field] for field in list(fields)[len(HEADER) :]]], axis=1
            )
            for agent, fields in self.observation_fields.items()
        }

    def state(self) -> Float:
        """The state of the game [B, S], laid out as `state_fields` says: for critics, never for actors."""
        trials, board = self.trials, self.blackboard.fields
        return np.concatenate(
            [
                trials.header(),
                trials.positions(),
                trials.velocities(),
                trials.root_position(),
                trials.last_reward[:, None].astype(np.float32),
                trials.return_so_far[:, None].astype(np.float32),
                board["received_belief"],
                board["last_torque"],
                board["last_prior"],
                board["last_correction"],
                self.blackboard.trust,
                board["last_rate"],
                trials.normalised_active(),
            ],
            axis=1,
        )

    def active(self, agent: str) -> bool:
        """Whether the agent's action has an effect now; the environment role's has none: tasks are drawn."""
        return AGENTS[agent] in ACTING_ROLES

    # -- cloning ----------------------------------------------------------------------------------------

    def clone_state(self) -> dict[str, Any]:
        """A copy of everything that decides how the game goes on, random streams included."""
        return {
            "trials": self.trials.clone_state(),
            "blackboard": self.blackboard.clone_state(),
            "ledger": self.ledger.clone_state(),
            "trial_return": self._trial_return.copy(),
            "trial_episodes": self._trial_episodes.copy(),
            "channel_noise": self._channel_noise.copy(),
        }

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, in this or another game of the same scenario and options."""
        self.trials.restore_state(state["trials"])
        self.blackboard.restore_state(state["blackboard"])
        self.ledger.restore_state(state["ledger"])
        self._trial_return = state["trial_return"].copy()
        self._trial_episodes = state["trial_episodes"].copy()
        self._channel_noise = state["channel_noise"].copy()
