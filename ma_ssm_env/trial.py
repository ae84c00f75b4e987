"""Trials of B worlds: the clock, the hidden task, the body, the plain reward, and what of it is observed.

A trial is K inner episodes of at most H control steps on one hidden task. When an inner episode ends, the
body is put at a fresh start state and the task stays. The end of the trial is part of the game: a
termination. Broken physics ends the trial too, and each missing step is paid the law's worst reward.
Where the law changes in mid-trial, the change comes at a step that the world's fault stream draws once a
trial: uniform on the middle quarter of its K H steps ([150, 250] of 400).
The team and the single-agent twin are two views of this one class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.options import Options
from ma_ssm_env.physics import MAX_STATE, Physics
from ma_ssm_env.reset_options import task_of_options, tasks_of_worlds
from ma_ssm_env.roles import HEADER, layout
from ma_ssm_env.scenarios import Scenario
from ma_ssm_env.streams import Purpose, checked_seed, entropy_seed, substream
from ma_ssm_env.variations import Transition

Array = NDArray[np.float64]
Float = NDArray[np.float32]
Mask = NDArray[np.bool_]
BEFORE, SHOCK, RECOVERY = 0, 1, 2  # phases of a trial in which the task changes
SHOCK_SHARE = 8  # the shock lasts an eighth of the trial: 50 steps of 400


class Outcome(NamedTuple):
    """What one control step did in B worlds.

    Attributes:
        reward: plain task reward [B]; where physics broke, the law's worst for every missing step.
        terms: the reward's terms by name, each [B] (0 where physics broke).
        episode_ended: an inner episode ended [B].
        episode_return: its return where one ended, else 0 [B].
        trial_ended: the trial ended [B].
        unstable: physics broke [B].
        steps: control steps that the inner episode had when it ended, this one included [B].
        phase: 0 before the task changed in mid-trial, 1 in the shock (the first eighth of the trial's K H
            steps from the change on), 2 in the recovery [B]; always 0 where it never changes.
        some_ended: an inner episode ended in some world.
    """

    reward: Array
    terms: dict[str, Array]
    episode_ended: Mask
    episode_return: Array
    trial_ended: Mask
    unstable: Mask
    steps: NDArray[np.int64]
    phase: NDArray[np.int64]
    some_ended: bool


class TrialBatch:
    """B worlds, each in a trial of its own.

    Attributes:
        task: the hidden task in the law's units [B, k].
        active: what of it is in force at the coming step [B, a].
        change_at: control step of the trial at which the task changes, where the law does [B].
        seeds, trial, episode, clock: the address of each world in its random streams, and the control step
            of the inner episode [B].
        sensed_fields: where each field lies in a row of `sense()`.
        known: `sense()` [B, S], and right of it what the owner of the trials keeps there (`room_beside`).
        feedback: the observed reward [B].
        last_reward: the last plain task reward, undelayed and unfiltered [B].
        return_so_far: return of the running inner episode [B].
    """

    def __init__(self, scenario: Scenario, options: Options, num_worlds: int) -> None:
        self.scenario, self.options, self.num_worlds = scenario, options, num_worlds
        self.variation = scenario.variation
        self.physics = Physics(scenario.body, num_worlds, options.num_threads, self.variation.fields)
        model = self.physics.model
        root = scenario.body.root
        # Positions and velocities follow one another in the state: the sensors are one slice of it.
        first = 0 if self.variation.place else root[-1] + 1
        self._root = slice(root[0], root[-1] + 1)
        self.num_positions = model.nq - first
        self.num_velocities = 0 if options.hide_velocities else int(model.nv)
        B = num_worlds
        self.seeds = np.zeros(B, dtype=np.int64)
        self.trial = np.full(B, -1, dtype=np.int64)
        self.episode = np.zeros(B, dtype=np.int64)
        self.clock = np.zeros(B, dtype=np.int64)
        self.seeded = False
        self.task = np.zeros((B, self.variation.size))
        self.active = np.zeros((B, len(self.variation.shown)))
        probe = self.variation.target(self.variation.active(self.variation.tasks("test")[0], False))
        self._target = np.zeros((B, len(probe)))
        masked = self.physics.num_actuators if self.variation.mask is not None else 0
        self._mask = np.ones((B, masked), dtype=np.float32)
        self.change_at = np.zeros(B, dtype=np.int64)
        self._changed = np.zeros(B, dtype=bool)
        self.pinned_tasks: Array | None = None
        self.feedback = np.zeros(B)
        self.last_reward = np.zeros(B)
        self.return_so_far = np.zeros(B)
        rows = options.horizon + 1 if options.sensor_noise > 0 else 0
        self._noise = np.zeros((B, rows, self.num_positions + self.num_velocities), dtype=np.float32)
        self._noise_rows = np.arange(B) * rows
        sizes = {"positions": self.num_positions, "velocities": self.num_velocities}
        sizes |= dict.fromkeys((*HEADER, "last_reward"), 1)
        self.sensed_fields = layout((*HEADER, "positions", "velocities", "last_reward"), sizes)
        self._sensors = self.physics.state[:, first : model.nq + self.num_velocities]
        self.room_beside(0)
        # What the clock shows: episode_start and time left by control step, and the index by inner episode.
        H, last = options.horizon, max(1, options.episodes_per_trial - 1)
        self._clock_face = np.stack([np.arange(H + 1) == 0, 1.0 - np.arange(H + 1) / H], 1).astype(np.float32)
        self._episode_index = (np.arange(options.episodes_per_trial) / last).astype(np.float32)
        # In a single world, what an array operation costs is the call; Python's numbers make it dearer.
        self._one, self._horizon = np.array(1), np.array(options.horizon)
        self._control_dt = np.array(self.physics.control_dt)
        self._never, self._always = np.zeros(B, dtype=bool), np.ones(B, dtype=bool)

    def room_beside(self, columns: int) -> Float:
        """Make room for `columns` numbers a world beside what is sensed, in `known`; a view [B, columns]."""
        S = self.sensed_fields["last_reward"].stop
        self.known = np.zeros((self.num_worlds, S + columns), dtype=np.float32)
        self._sensed = self.known[:, :S]
        self._sensed_clock, self._sensed_index = self._sensed[:, :2], self._sensed[:, 2]
        self._sensed_body, self._sensed_reward = self._sensed[:, 3:-1], self._sensed[:, -1]
        return self.known[:, S:]

    # -- seeding and starting ---------------------------------------------------------------------------

    def seed(self, seed: int | Sequence[int] | None) -> None:
        """World i gets `seed + i` (or `seed[i]`) and counts its trials anew; None changes nothing.

        Raises:
            ValueError: a number of seeds that is not that of the worlds.
        """
        if seed is None:
            if not self.seeded:
                self.seeds[:] = [entropy_seed() for _ in range(self.num_worlds)]
                self.seeded = True
            return
        given: object = seed
        if isinstance(given, Sequence) and not isinstance(given, str):
            if len(given) != self.num_worlds:
                raise ValueError(f"{len(given)} seeds for {self.num_worlds} worlds: one a world is expected")
            self.seeds[:] = [checked_seed(s) for s in given]
        else:
            first = checked_seed(given)
            self.seeds[:] = [checked_seed(first + i) for i in range(self.num_worlds)]
        self.trial[:] = -1
        self.seeded = True

    def tasks_of_options(self, options: Mapping[str, Any] | None) -> Array | None:
        """Tasks [B, k] that `reset(options={"task": ...})` asks for, checked; None where it asks for none."""
        task = task_of_options(options)
        return None if task is None else self._tasks(task)

    def _tasks(self, tasks: Any) -> Array:
        return tasks_of_worlds(self.variation, tasks, self.num_worlds)

    def set_tasks(self, tasks: Any | None) -> None:
        """Pin the task of every world for trials that begin from now on; None: draw from the split again."""
        self.pinned_tasks = None if tasks is None else self._tasks(tasks)

    def begin_trials(self, worlds: NDArray[np.int64], tasks: Array | None = None) -> None:
        """Start the next trial of `worlds`, on `tasks` [B, k] where given."""
        if tasks is None:
            tasks = self.pinned_tasks
        self.trial[worlds] += 1
        for world in worlds:
            if tasks is None:
                generator = substream(int(self.seeds[world]), Purpose.TASK, int(self.trial[world]))
                self.task[world] = self.variation.sample(generator, self.options.split)
            else:
                self.task[world] = tasks[world]
            if self.variation.changes:
                faults = substream(int(self.seeds[world]), Purpose.FAULT, int(self.trial[world]))
                first, last = self.change_window()
                self.change_at[world] = first + int(faults.random() * (last - first + 1))
        self._changed[worlds] = False
        self._put_in_force(worlds)
        self.episode[worlds] = 0
        self.feedback[worlds] = 0.0
        self.last_reward[worlds] = 0.0
        self._begin_episodes(worlds)

    def change_window(self) -> tuple[int, int]:
        """First and last step of the trial at which the task may change: the middle quarter."""
        total = self.options.episodes_per_trial * self.options.horizon
        first = max(1, 3 * total // 8)
        return first, max(first, 5 * total // 8)

    def _time(self) -> NDArray[np.int64]:
        # Steps since the trial began, as if no inner episode had ended early.
        return self.episode * self.options.horizon + self.clock

    def _put_in_force(self, worlds: NDArray[np.int64]) -> None:
        # What the tasks of these worlds come to now: what is shown, rewarded, dead, and how heavy.
        law = self.variation
        for world in worlds:
            self.active[world] = law.active(self.task[world], bool(self._changed[world]))
            self._target[world] = law.target(self.active[world])
            if law.mask is not None:
                self._mask[world] = law.mask(self.active[world])
        if law.fields:
            self.physics.scale_models(worlds, [law.factors(active) for active in self.active[worlds]])

    def _meet_changes(self) -> None:
        due = np.flatnonzero(~self._changed & (self._time() >= self.change_at))
        if due.size:
            self._changed[due] = True
            self._put_in_force(due)

    def phase(self) -> NDArray[np.int64]:
        """The phase of the coming step: before the change, shock or recovery (0, 1, 2) [B]."""
        if not self.variation.changes:
            return np.zeros(self.num_worlds, dtype=np.int64)
        shock = self.options.episodes_per_trial * self.options.horizon // SHOCK_SHARE
        since = self._time() - self.change_at
        return np.where(since < 0, BEFORE, np.where(since < shock, SHOCK, RECOVERY))

    def _begin_episodes(self, worlds: NDArray[np.int64]) -> None:
        model, body = self.physics.model, self.scenario.body
        for world in worlds:
            address = (int(self.trial[world]), int(self.episode[world]))
            start = substream(int(self.seeds[world]), Purpose.START, *address)
            self.physics.place(world, *body.start(model, start))
            if self.options.sensor_noise > 0:
                sensors = substream(int(self.seeds[world]), Purpose.SENSORS, *address)
                # As many draws with hidden velocities as without: positions keep their noise.
                shape = (len(self._noise[world]), self.num_positions + int(model.nv))
                noise = sensors.standard_normal(shape, dtype=np.float32)[:, : self._noise.shape[2]]
                self._noise[world] = np.float32(self.options.sensor_noise) * noise
        self.physics.placed(worlds)
        self.clock[worlds] = 0
        self.return_so_far[worlds] = 0.0

    def target(self, world: int) -> Array:
        """The numbers that the reward law of `world` reads now [f], such as the place of a goal; a copy."""
        target: Array = self._target[world].copy()
        return target

    # -- stepping ---------------------------------------------------------------------------------------

    def step(self, torque: Float, resting: Mask | None = None) -> Outcome:
        """One control step of every world under `torque` [B, m]; inner episodes that end begin anew.

        Worlds that are `resting` [B] stand at the start of their trial and stay there, at no reward.
        """
        physics, options, law, body = self.physics, self.options, self.variation, self.scenario.body
        before = physics.point
        state_before = physics.state.copy()
        phase = self.phase()
        worked = torque * self._mask if law.mask is not None else torque
        broken = physics.step(worked, resting)
        if broken is not None:  # what is observed of a broken world is the last state that made sense
            physics.state[broken] = _sensible(state_before[broken])
        well = self._always if body.healthy is None else body.healthy(physics.qpos, physics.qvel)
        transition = Transition(
            velocity=(physics.point - before) / self._control_dt,
            position=physics.qpos[:, self._root],
            torque=physics.controls(torque),
            healthy=well,
        )
        terms = law.reward(body, transition, self._target)
        reward = np.zeros(self.num_worlds)
        for term in terms.values():
            reward += term
        if resting is not None:
            reward[resting] = 0.0
            terms = {name: np.where(resting, 0.0, term) for name, term in terms.items()}

        self.clock += self._one if resting is None else ~resting
        ended = self.clock >= self._horizon
        if law.ends_unhealthy and body.healthy is not None:
            ended |= ~well if resting is None else ~well & ~resting
        unstable = self._never
        if broken is not None:
            unstable = broken
            missing = (options.episodes_per_trial - self.episode) * options.horizon - self.clock + 1
            reward = np.where(broken, law.worst_reward * missing, reward)
            terms = {name: np.where(broken, 0.0, term) for name, term in terms.items()}
            ended |= broken
        self.return_so_far += reward
        self.last_reward = reward.copy()
        steps = self.clock.copy()
        # Both are set to 0 together when a trial begins, so they may be one array.
        self.feedback = self.last_reward if options.feedback == "step" else np.zeros(self.num_worlds)
        returns, trial_ended = np.zeros(self.num_worlds), np.zeros(self.num_worlds, dtype=bool)
        some_ended = bool(np.count_nonzero(ended))
        if some_ended:
            last = (self.episode + 1 >= options.episodes_per_trial) | unstable
            returns[ended] = self.return_so_far[ended]
            trial_ended = ended & last
            if options.feedback == "episode":
                self.feedback = np.where(ended & ~last, returns / options.horizon, 0.0)
            again = np.flatnonzero(ended & ~last)
            if again.size:
                self.episode[again] += 1
                self._begin_episodes(again)
        if law.changes:
            self._meet_changes()
        return Outcome(reward, terms, ended, returns, trial_ended, unstable, steps, phase, some_ended)

    # -- observing --------------------------------------------------------------------------------------

    def sense(self) -> Float:
        """Header, positions, velocities, observed reward, as `sensed_fields` says [B, S]: copy what you keep.

        The header is what every agent sees: episode_start, time left, index of the inner episode, in [0, 1].
        Positions leave out the root's planar position unless the task is a place; velocities are clipped
        where the body says so, and there are none under `hide_velocities`.
        """
        # NumPy takes several times faster where there is a place for it and no index to be refused.
        self._clock_face.take(self.clock, 0, self._sensed_clock, "clip")
        self._episode_index.take(self.episode, None, self._sensed_index, "clip")
        self._sensed_body[...] = self._sensors
        limit = self.scenario.body.velocity_limit
        if limit < np.inf:
            velocities = self._sensed[:, self.sensed_fields["velocities"]]
            np.clip(velocities, -limit, limit, out=velocities)
        if self.options.sensor_noise > 0:
            worlds, rows, size = self._noise.shape  # size is 0 where nothing is sensed
            noise = self._noise.reshape(worlds * rows, size)
            self._sensed_body += noise.take(self._noise_rows + self.clock, axis=0)
        self._sensed_reward[...] = self.feedback
        return self._sensed

    def root_position(self) -> Float:
        """Planar position of the root [B, 1 or 2]."""
        return self.physics.qpos[:, self._root].astype(np.float32)

    def normalised_task(self) -> Float:
        """The task of the trial in normalised coordinates [B, k]: for the ledger."""
        return self.variation.normalise(self.task).astype(np.float32)

    def normalised_active(self) -> Float:
        """What is active at the coming step in normalised coordinates [B, a]: for critics and the oracle."""
        return self.variation.normalise_active(self.active).astype(np.float32)

    # -- cloning ----------------------------------------------------------------------------------------

    _CLONED = (
        "seeds",
        "trial",
        "episode",
        "clock",
        "task",
        "active",
        "_target",
        "_mask",
        "change_at",
        "_changed",
        "feedback",
        "last_reward",
        "return_so_far",
        "_noise",
    )

    def clone_state(self) -> dict[str, Any]:
        """A copy of all that decides how the trials go on."""
        state = {name: getattr(self, name).copy() for name in self._CLONED}
        pinned = None if self.pinned_tasks is None else self.pinned_tasks.copy()
        state |= {"seeded": self.seeded, "pinned_tasks": pinned, "physics": self.physics.clone_state()}
        return {"scenario": self.scenario.id, "options": self._decisive_options(), **state}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Put back what `clone_state` gave; refused, and nothing changed, where it does not fit."""
        mine, its = (self.scenario.id, self._decisive_options()), (state["scenario"], state["options"])
        if mine != its:
            raise ValueError(f"state of {its[0]} with {its[1]} does not fit {mine[0]} with {mine[1]}")
        if len(state["seeds"]) != self.num_worlds:
            raise ValueError(f"state of {len(state['seeds'])} worlds does not fit {self.num_worlds}")
        for name in self._CLONED:
            setattr(self, name, state[name].copy())
        self.seeded = state["seeded"]
        pinned = state["pinned_tasks"]
        self.pinned_tasks = None if pinned is None else pinned.copy()
        self.physics.restore_state(state["physics"])

    def _decisive_options(self) -> Options:
        # Neither threads nor pictures change what happens.
        return dataclasses.replace(self.options, num_threads=1, render_mode=None)


def _sensible(state: Array) -> Array:
    # A state that was written from outside may have been senseless before the step already.
    return np.where(np.abs(state) <= MAX_STATE, state, 0.0)
