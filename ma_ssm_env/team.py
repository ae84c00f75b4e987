"""The five-role game, batched: B worlds in which five roles control one body and see different things.

Everything about the game is here once; the PettingZoo environment (`parallel.py`) is the view of one world,
the vector environment (`team_vector.py`) the view of all with finished worlds begun anew.

Under `task_source="environment"` a trial begins with a *setup step*, in which only the environment role is
active: its proposal, in normalised coordinates, becomes the hidden task (a category takes the nearer of its
values). Nothing is posted, paid or charged, the body stands at its start state and the clock at 0. Everyone
observes what the first control step will show as well, bit for bit: the start state under a header with
`episode_start` 1, a blank blackboard, no reward; the task in `state()` is 0 until it is chosen. From then
on the trial is that of `task_source="distribution"` on the same task. The environment role is a contextual
bandit: in the last step of a trial whose task it chose it is paid the absolute learning progress
|outcome - outcome of the most similar earlier task| (module `ledger`). A task that is given, by
`reset(options={"task": ...})` or `set_tasks`, wins: its trial has no setup step and does not pay the
environment role, but the ledger records it like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from ma_ssm_env.actions import are_plain, check_agents, check_mapping, checked_action
from ma_ssm_env.blackboard import Blackboard, channel_noise
from ma_ssm_env.cloned_state import names_of, require_kind
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
from ma_ssm_env.scenarios import Scenario, find_scenario, reference
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


class TeamStep(NamedTuple):
    """What one step did in B worlds of the team.

    Attributes:
        outcome: of the control step; in worlds that were at a setup step nothing happened.
        cost: what the team paid for the channel [B].
        pay: what each acting role is paid: the plain task reward minus that cost [B].
        progress: what the environment role is paid: absolute learning progress where a trial ended whose
            task it chose, else 0 [B].
    """

    outcome: Outcome
    cost: NDArray[np.float64]
    pay: NDArray[np.float64]
    progress: NDArray[np.float64]

    def paid(self, agent: str) -> NDArray[np.float64]:
        """The agent's reward [B]; a fresh array."""
        return (self.pay if AGENTS[agent] in ACTING_ROLES else self.progress).copy()


class TeamGame:
    """B worlds of the five-role game; nothing begins anew by itself.

    Attributes:
        scenario, options: what is played, and how.
        trials: clock, task, body and reward of the worlds.
        blackboard: what the roles will receive.
        ledger: tasks tried and their outcomes.
        setup: which worlds stand at a setup step [B].
        agents: names of the agents, in the order of `ROLES`, absent roles left out.
        observation_fields, action_fields: agent -> field -> slice of its vector.
        observation_spaces, action_spaces: agent -> float32 Box of one world.
        state_fields, state_space: the same for `state()`.
        listeners: called after each step with the `TeamStep` and the worlds [B] that were at a setup step
            (None: none was), before finished worlds begin anew; see `message_log`. They are no part of the
            game: neither cloned nor pickled.
    """

    def __init__(self, scenario: Scenario, options: Options, num_worlds: int) -> None:
        self.scenario, self.options, self.num_worlds = scenario, options, num_worlds
        self.trials = TrialBatch(scenario, options, num_worlds)
        self.listeners: list[Callable[[TeamStep, NDArray[np.bool_] | None], None]] = []
        m, k = self.trials.physics.num_actuators, scenario.variation.size
        kinds = tuple(coordinate.kind for coordinate in scenario.variation.coordinates)
        self.ledger = Ledger(num_worlds, kinds, shared=options.shared_ledger)
        self.setup = np.zeros(num_worlds, dtype=bool)
        self._chosen = np.zeros(num_worlds, dtype=bool)  # the environment role chose the present task
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
        self._chooses = options.task_source == "environment"
        self._rate_cost = np.array(options.bandwidth_cost)
        self._first_noise = self._worlds * options.horizon  # rows of a world's channel noise begin here
        # Actions of all roles lie side by side as they are posted; the proposal, which is not, comes last.
        parts = [(role, ROLE_TABLE[role].acts) for role in (*ACTING_ROLES, "environment")]
        columns = layout(tuple(field for _, acts in parts for field in acts), sizes)
        self._joint = np.zeros((num_worlds, columns["proposal"].stop), dtype=np.float32)
        posted, self._proposal = np.split(self._joint, [columns["proposal"].start], axis=1)
        silent = options.absent_roles | options.muted_roles
        self.blackboard = Blackboard(self.trials.room_beside(Blackboard.size(m)), posted, m, silent)
        self._gathered, self._parts = self._gathering()
        absent = [field for role, acts in parts if role not in self.present for field in acts]
        places = [*self.present, *absent]
        self._order = [
            places.index(place)
            for role, acts in parts
            for place in ([role] if role in self.present else acts)
        ]
        self._absent = [self._neutral[field] for field in absent]
        shapes = [self.action_spaces[agent].shape for agent in self.agents]
        self._shapes = {False: shapes, True: [(num_worlds, *shape) for shape in shapes]}

    def _gathering(self) -> tuple[NDArray[np.int64], dict[str, tuple[slice, tuple[int, int]] | None]]:
        # Where each number that is observed lies in what is known: one world after the other, one agent after
        # the other. Then, for each agent, which part of that is its own and the shape; None for the ledger's.
        size = self.trials.sensed_fields["last_reward"].stop
        board = self.blackboard.layout.items()
        known = self.trials.sensed_fields | {f: slice(size + w.start, size + w.stop) for f, w in board}
        rows = self._worlds[:, None] * self.trials.known.shape[1]
        wheres: list[NDArray[np.int64]] = []
        parts: dict[str, tuple[slice, tuple[int, int]] | None] = {}
        end = 0
        for agent, fields in self.observation_fields.items():
            parts[agent] = None
            if "ledger" not in fields:
                where = rows + np.concatenate([np.arange(known[f].start, known[f].stop) for f in fields])
                parts[agent], end = (slice(end, end + where.size), where.shape), end + where.size
                wheres.append(where.ravel())
        return np.concatenate(wheres) if wheres else np.zeros(0, np.int64), parts

    # -- starting ---------------------------------------------------------------------------------------

    def reset(self, seed: int | Sequence[int] | None, options: Mapping[str, Any] | None) -> None:
        """Begin the next trial of every world; a seed starts the worlds and their ledgers anew."""
        tasks = self.trials.tasks_of_options(options)
        self.trials.seed(seed)
        if seed is not None:
            self.ledger.clear()
        self.begin_trials(self._worlds, tasks)

    def begin_trials(self, worlds: NDArray[np.int64], tasks: NDArray[np.float64] | None = None) -> None:
        """Begin the next trial of `worlds` alone, on `tasks` [B, k] where given."""
        given = tasks is not None or self.trials.pinned_tasks is not None
        choosing = self.options.task_source == "environment" and not given
        if choosing:
            tasks = self._tasks_of(self._neutral["proposal"])
        self.setup = self.setup.copy()
        self.setup[worlds] = choosing
        self._chosen[worlds] = choosing
        self.trials.begin_trials(worlds, tasks)
        self.blackboard.clear(worlds)
        self._trial_return[worlds] = 0.0
        self._trial_episodes[worlds] = 0.0
        self._draw_channel_noise(worlds)

    def _tasks_of(self, proposal: Float) -> NDArray[np.float64]:
        # Rounding may carry a proposal of 1 past the end of the range.
        variation = self.scenario.variation
        low = np.array([coordinate.low for coordinate in variation.coordinates], dtype=np.float64)
        high = np.array([coordinate.high for coordinate in variation.coordinates], dtype=np.float64)
        tasks: NDArray[np.float64] = np.clip(variation.denormalise(proposal.astype(np.float64)), low, high)
        return tasks

    def _draw_channel_noise(self, worlds: NDArray[np.int64]) -> None:
        # A whole inner episode at once: the draw has the same size whatever the rates, and one call serves
        # 200 steps.
        trials, shape = self.trials, self._channel_noise.shape[1:]
        for world in worlds:
            address = int(trials.trial[world]), int(trials.episode[world])
            generator = substream(int(trials.seeds[world]), Purpose.CHANNEL, *address)
            self._channel_noise[world] = channel_noise(generator, shape)

    # -- stepping ---------------------------------------------------------------------------------------

    def _take(self, actions: Any, *, batched: bool) -> None:
        # The actions, checked and clipped, go into `_joint`, which is scratch.
        actions = check_mapping(self.scenario.id, actions)
        if list(actions) != self.agents:
            check_agents(self.scenario.id, actions, self.agents)
        shapes = self._shapes[batched]
        given = [actions[agent] for agent in self.agents]
        if are_plain(given, shapes):
            self._put_side_by_side(given, batched=batched)
            largest = np.maximum.reduce(np.abs(self._joint), axis=None)
            if largest <= 1.0:
                return
            if largest < np.inf:
                np.clip(self._joint, np.float32(-1.0), np.float32(1.0), out=self._joint)
                return
        checked = [
            checked_action(self.scenario.id, agent, action, shape)
            for agent, action, shape in zip(self.agents, given, shapes, strict=True)
        ]
        self._put_side_by_side(checked, batched=batched)

    def _put_side_by_side(self, actions: list[Float], *, batched: bool) -> None:
        # The present roles' actions and the absent roles' neutral ones.
        parts = actions + (self._absent if batched else [field[0] for field in self._absent])
        np.concatenate(
            [parts[i] for i in self._order], axis=-1, out=self._joint if batched else self._joint[0]
        )

    def step(self, actions: Any, *, batched: bool) -> TeamStep:
        """One setup step or control step, as each world stands.

        Args:
            actions: agent -> [B, A], or [A] where not `batched`.
            batched: whether they have an axis of worlds.

        Raises:
            ValueError: a missing or unknown agent, or an action that is not finite or of another size;
                nothing has changed then.
        """
        self._take(actions, batched=batched)
        setup = self.setup if self._chooses and self.setup.any() else None
        if setup is not None:
            # Draws are addressed, so the same trial begun again differs in its task alone.
            worlds = np.flatnonzero(setup)
            self.trials.trial[worlds] -= 1
            self.trials.begin_trials(worlds, self._tasks_of(self._proposal))
            self.setup = np.zeros(self.num_worlds, dtype=bool)
        noise = np.empty_like(self.blackboard.noise)
        rows = self._channel_noise.reshape(-1, BELIEF_SIZE)
        rows.take(self._first_noise + self.trials.clock, 0, noise, "clip")
        torque = self.blackboard.post(noise)
        result = self.trials.step(torque, setup)
        if setup is not None:
            self.blackboard.clear(np.flatnonzero(setup))
        progress = np.zeros(self.num_worlds)
        cost: NDArray[np.float64] = self._rate_cost * self.blackboard.share  # in double: so is the price
        if result.some_ended:
            self._trial_return += result.episode_return
            self._trial_episodes += result.episode_ended
            done = np.flatnonzero(result.trial_ended)
            if done.size:
                mean = self._trial_return[done] / self._trial_episodes[done]
                trial = done, self.trials.normalised_task()[done], outcome(mean, self.scenario.outcome_scale)
                progress[done] = np.where(self._chosen[done], self.ledger.learning_progress(*trial), 0.0)
                self.ledger.record(*trial)
            again = np.flatnonzero(result.episode_ended & ~result.trial_ended)
            if again.size:
                self._draw_channel_noise(again)
        done_step = TeamStep(result, cost, result.reward - cost, progress)
        for hear in self.listeners:
            hear(done_step, setup)
        return done_step

    # -- observing --------------------------------------------------------------------------------------

    def observe(self) -> dict[str, Float]:
        """What each agent observes now, agent -> [B, O]; fresh arrays."""
        sensed, observations = self.trials.sense(), {}
        gathered = self.trials.known.take(
            self._gathered, None, np.empty_like(self._gathered, np.float32), "clip"
        )
        for agent, part in self._parts.items():
            if part is None:
                observations[agent] = np.concatenate((sensed[:, : len(HEADER)], self.ledger.rows()), axis=1)
            else:
                observations[agent] = gathered[part[0]].reshape(part[1])
        return observations

    def state(self) -> Float:
        """The state of the game [B, S], laid out as `state_fields` says: for critics, never for actors."""
        trials, board = self.trials, self.blackboard.fields
        return np.concatenate(
            [
                trials.sense()[:, : trials.sensed_fields["velocities"].stop],
                trials.root_position(),
                trials.last_reward[:, None].astype(np.float32),
                trials.return_so_far[:, None].astype(np.float32),
                board["received_belief"],
                board["last_torque"],
                board["last_prior"],
                board["last_correction"],
                board["last_trust"],
                board["last_rate"],
                np.where(self.setup[:, None], np.float32(0.0), trials.normalised_active()),
            ],
            axis=1,
        )

    def active(self, agent: str) -> NDArray[np.bool_]:
        """In which worlds the agent's next action has an effect [B].

        The environment role's has one in a setup step alone, the acting roles' in all other steps.
        """
        return ~self.setup if AGENTS[agent] in ACTING_ROLES else self.setup.copy()

    # -- cloning ----------------------------------------------------------------------------------------

    def clone_state(self) -> dict[str, Any]:
        """A copy of everything that decides how the game goes on, random streams included."""
        return {
            "trials": self.trials.clone_state(),
            "blackboard": self.blackboard.clone_state(),
            "ledger": self.ledger.clone_state(),
            "setup": self.setup.copy(),
            "chosen": self._chosen.copy(),
            "trial_return": self._trial_return.copy(),
            "trial_episodes": self._trial_episodes.copy(),
            "channel_noise": self._channel_noise.copy(),
        }

    @cached_property
    def _cloned_names(self) -> dict[str, Any]:
        return names_of(self.clone_state())  # once: planners restore a state at every branch

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, in this or another game of the same scenario and options."""
        require_kind(state, self._cloned_names, "the team")
        self.trials.restore_state(state["trials"])
        self.blackboard.restore_state(state["blackboard"])
        self.ledger.restore_state(state["ledger"])
        self.setup = state["setup"].copy()
        self._chosen = state["chosen"].copy()
        self._trial_return = state["trial_return"].copy()
        self._trial_episodes = state["trial_episodes"].copy()
        self._channel_noise = state["channel_noise"].copy()

    def __getstate__(self) -> dict[str, Any]:
        # Arrays that are parts of one another would come apart; listeners stay behind.
        arguments = (reference(self.scenario), self.options, self.num_worlds)
        return {"arguments": arguments, "state": self.clone_state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        scenario, options, num_worlds = state["arguments"]
        type(self).__init__(self, find_scenario(scenario), options, num_worlds)
        self.restore_state(state["state"])
