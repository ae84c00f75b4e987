"""Plays a team under conditions: roles absent, frozen or muted, messages swapped, the channel's rate set.

All conditions meet the same worlds (seed by seed, with the same channel noise) and are played side by side in
one batch of C x N x J worlds: condition, task, trial. A condition is what the listeners are given and what
acts in a role's place; the environment is never changed.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env import Policy
from ma_ssm_env.blackboard import receive_at_snr
from ma_ssm_env.controls import team_vector_env
from ma_ssm_env.evaluation import EVALUATION_SEED, charge_unreached
from ma_ssm_env.roles import ACTING_ROLES, ROLE_TABLE
from ma_ssm_env.scenarios import find_scenario

Array = NDArray[np.float64]
Float = NDArray[np.float32]
Indices = NDArray[np.int64]

SENDERS = {
    "received_belief": "state_modeling",
    "last_prior": "meta_learning",
    "last_correction": "adaptation",
    "last_rate": "coordinator",
}
# Messages that one role reads of another: (field, listener).
CHANNELS = (
    ("received_belief", "meta_learning"),
    ("received_belief", "adaptation"),
    ("received_belief", "coordinator"),
    ("last_prior", "adaptation"),
    ("last_prior", "coordinator"),
    ("last_correction", "coordinator"),
)
POSTED = {"received_belief": "belief", "last_prior": "prior", "last_correction": "correction"}


@dataclass(frozen=True)
class Swap:
    """Messages of other worlds of the same condition.

    Attributes:
        content: (field, listener) -> the world whose post is read [N J]; a channel that is not named is left.
        noise: the world whose channel noise is heard, the same for all listeners [N J]; None: the own.
    """

    content: Mapping[tuple[str, str], Indices]
    noise: Indices | None = None


@dataclass(frozen=True)
class Condition:
    """What is done to the team.

    Attributes:
        name: of the condition.
        absent: roles that act 0 and are received as 0.
        frozen: roles for which the reference policies act.
        muted: roles whose posts are received as 0.
        swap: messages of other worlds.
        rate: what the coordinator posts as the channel's rate; None: what it likes.
    """

    name: str = "team"
    absent: frozenset[str] = frozenset()
    frozen: frozenset[str] = frozenset()
    muted: frozenset[str] = frozenset()
    swap: Swap | None = None
    rate: float | None = None


@dataclass(frozen=True)
class Team:
    """Who plays what.

    Attributes:
        scenario: its id.
        players: a policy for each acting role; a role without one acts neutrally.
        references: policies for `frozen`.
        options: options of the environment.
    """

    scenario: str
    players: Mapping[str, Policy]
    references: Mapping[str, Policy] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Played:
    """What came of it.

    Attributes:
        returns: plain task return per inner episode, mean over the K of the trial [C, N, J].
        episodes: of each inner episode [C, N, J, K].
        bits: nominal bits a step [C, N, J].
        actions: role -> [C, T, N J, A], where recorded: what the environment took, in [-1, 1]. What an option
            of the team holds (`fixed_trust`, `fixed_rate`, `belief_size`) is as it was held. A world whose
            trial has ended is played on until the last one ends: `judged` says which steps count.
        states: `state()` before each step [C, T, N J, S], where recorded.
        steps: how many steps each judged trial lasted [C, N J].
        whole: worlds whose trial lasted as long as a trial can [C, N J].
    """

    returns: Array
    episodes: Array
    bits: Array
    actions: dict[str, Array]
    states: Array
    steps: Indices
    whole: NDArray[np.bool_]

    def judged(self, condition: int) -> NDArray[np.bool_]:
        """Where the recorded steps of a condition are of its judged trials [T, N J]."""
        return np.asarray(np.arange(self.steps.max())[:, None] < self.steps[condition])


class Match:
    """A team in C x N x J worlds, step by step.

    Attributes:
        observations: role -> what it is given now, after the conditions [B, O].
        memories: role -> its policy's memory before the coming step.
    """

    def __init__(
        self,
        team: Team,
        tasks: Array,
        trials: int,
        conditions: Sequence[Condition],
        *,
        seed: int = EVALUATION_SEED,
        policy_seed: int = 0,
        num_threads: int = 1,
    ) -> None:
        self.team, self.conditions = team, list(conditions)
        self.worlds = len(tasks) * trials  # of one condition
        self.count = self.worlds * len(self.conditions)
        options = dict(team.options)
        lacking = frozenset(ACTING_ROLES) - frozenset(team.players)
        self._always_absent = frozenset(options.pop("absent_roles", ())) | lacking
        self._always_absent -= {"environment"}
        self._always_muted = frozenset(options.get("muted_roles", ())) - {"environment"}
        options.pop("task_source", None)  # evaluation draws from the distribution, whatever training did
        self.env = team_vector_env(
            find_scenario(team.scenario), self.count, **{"num_threads": num_threads, **options}
        )
        self.scenario = self.env.scenario
        pinned = np.tile(
            np.repeat(np.asarray(tasks, dtype=np.float64), trials, axis=0), (len(self.conditions), 1)
        )
        self.env.set_tasks(pinned)
        seeds = [seed + i for i in range(self.worlds)] * len(self.conditions)
        self._agents = {role: ROLE_TABLE[role].agent for role in ACTING_ROLES}
        self._sizes = {r: self.env.single_action_space(a).shape[0] for r, a in self._agents.items()}
        self.fields = {r: self.env.observation_fields(a) for r, a in self._agents.items()}
        self.action_fields = {r: self.env.action_fields(a) for r, a in self._agents.items()}
        self._rng = np.random.default_rng(policy_seed)
        self._plan()
        raw, _ = self.env.reset(seed=seeds)
        self.memories = {r: p.initial_memory(self.count) for r, p in team.players.items()}
        self._frozen_memories = {
            r: team.references[r].initial_memory(len(rows)) for r, rows in self._frozen.items() if len(rows)
        }
        self._posts: dict[str, Float] = {}
        board, posts = self.env.game.blackboard, self._posts
        # Options of the team stand between what policies say and what is posted, so posts are read off the
        # blackboard, before finished worlds begin anew. The views last: each step has an array of its own.
        self.env.game.listeners.append(lambda step, setup: posts.update(board.posted))
        self.observations = self._given(raw)

    def _plan(self) -> None:
        # Which worlds each rule holds in, once.
        B, W = self.count, self.worlds
        blocks = [slice(c * W, (c + 1) * W) for c in range(len(self.conditions))]
        self._neutral = {role: np.zeros(B, dtype=bool) for role in ACTING_ROLES}
        self._silent = {role: np.zeros(B, dtype=bool) for role in ACTING_ROLES}
        frozen = {role: np.zeros(B, dtype=bool) for role in ACTING_ROLES}
        self._rates = np.full(B, np.nan, dtype=np.float32)
        own = np.arange(B)
        self._content: dict[tuple[str, str], Indices] = {}
        self._noise = own.copy()
        for block, condition in zip(blocks, self.conditions, strict=True):
            for role in condition.absent | self._always_absent:
                self._neutral[role][block] = True
                self._silent[role][block] = True
            for role in condition.muted | self._always_muted:
                self._silent[role][block] = True
            for role in condition.frozen:
                if role not in self.team.references:
                    raise ValueError(
                        f"condition {condition.name!r}: no reference policy for {role}; give one"
                    )
                frozen[role][block] = True
            if condition.rate is not None:
                self._rates[block] = condition.rate
            if condition.swap is not None:
                for channel, source in condition.swap.content.items():
                    rows = self._content.setdefault(channel, own.copy())
                    rows[block] = block.start + source
                if condition.swap.noise is not None:
                    self._noise[block] = block.start + condition.swap.noise
        self._frozen = {role: np.flatnonzero(rows) for role, rows in frozen.items()}
        self._set_rates = np.flatnonzero(~np.isnan(self._rates))
        self._swapped = {channel: np.flatnonzero(rows != own) for channel, rows in self._content.items()}
        self._noisy = np.flatnonzero(self._noise != own)

    def _given(self, raw: Mapping[str, Float]) -> dict[str, Float]:
        """What listeners are given: the environment's observations, but for what the conditions change."""
        given = {role: np.array(raw[agent]) for role, agent in self._agents.items()}
        for role, fields in self.fields.items():
            for name, sender in SENDERS.items():
                if name not in fields:
                    continue
                where = fields[name]
                if self._posts:
                    self._swap_in(given[role], name, role, where)
                silent = self._silent[sender]
                if silent.any():
                    given[role][silent, where] = 0.0
        return given

    def _swap_in(self, observation: Float, name: str, role: str, where: slice) -> None:
        source = self._content.get((name, role))
        if name == "received_belief":
            if source is None and not len(self._noisy):
                return
            rows = self._noisy
            if source is not None:
                rows = np.union1d(rows, self._swapped[name, role])
            if not len(rows):
                return
            content = rows if source is None else source[rows]
            observation[rows, where] = self.through_channel(
                self._posts["belief"][content], self._posts["noise"][self._noise[rows]], rows
            )
        elif source is not None and name in POSTED:
            rows = self._swapped[name, role]
            observation[rows, where] = self._posts[POSTED[name]][source[rows]]

    def act(self) -> dict[str, Float]:
        """Every role's actions in all worlds; memories go on."""
        actions = {}
        for role in ACTING_ROLES:
            if role in self.team.players:
                action, self.memories[role] = self.team.players[role].act(
                    self.observations[role], self.memories[role], self._rng
                )
                action = np.array(action, dtype=np.float32)
            else:
                action = np.zeros((self.count, self._sizes[role]), dtype=np.float32)
            rows = self._frozen[role]
            if len(rows):
                action[rows], self._frozen_memories[role] = self.team.references[role].act(
                    self.observations[role][rows], self._frozen_memories[role], self._rng
                )
            if role == "coordinator" and len(self._set_rates):
                where = self.action_fields[role]["rate"]
                action[self._set_rates, where] = self._rates[self._set_rates, None]
            action[self._neutral[role]] = 0.0
            actions[role] = action
        return actions

    def step(self, actions: Mapping[str, Float]) -> tuple[NDArray[np.bool_], dict[str, Any]]:
        """One control step: where trials ended [B], and the environment's infos."""
        given = {self._agents[role]: action for role, action in actions.items()}
        if "environment_0" in self.env.agents:
            size = self.env.single_action_space("environment_0").shape[0]
            given["environment_0"] = np.zeros((self.count, size), dtype=np.float32)
        raw, _, ended, _, infos = self.env.step(given)
        self._posts |= {"noise": infos["channel_noise"], "snr": infos["snr"]}
        self.observations = self._given(raw)
        return ended[self._agents["state_modeling"]], infos

    def posted(self, name: str) -> Float:
        """What was posted in the last step: belief, prior, correction, trust or rate; or the noise [B, .]."""
        return self._posts[name]

    def taken(self, role: str) -> Float:
        """The role's action of the last step as the environment took it [B, A]."""
        return np.concatenate([self._posts[name] for name in self.action_fields[role]], axis=1)

    def through_channel(self, belief: Float, noise: Float, rows: Indices | slice = slice(None)) -> Float:
        """What worlds `rows` receive of beliefs [n, d] through noise [n, d], by their channel's last step."""
        return receive_at_snr(belief, self._posts["snr"][rows], noise)

    def silent(self, role: str) -> NDArray[np.bool_]:
        """Worlds in which nothing that the role posts is received [B]."""
        return self._silent[role]

    def clone(self) -> dict[str, Any]:
        """All that decides how the match goes on, memories included."""
        return {
            "env": self.env.clone_state(),
            "observations": {r: o.copy() for r, o in self.observations.items()},
            "memories": copy.deepcopy(self.memories),
            "frozen": copy.deepcopy(self._frozen_memories),
            "posts": {n: p.copy() for n, p in self._posts.items()},
            "rng": copy.deepcopy(self._rng.bit_generator.state),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone` gave."""
        self.env.restore_state(state["env"])
        self.observations = {r: o.copy() for r, o in state["observations"].items()}
        self.memories = copy.deepcopy(state["memories"])
        self._frozen_memories = copy.deepcopy(state["frozen"])
        self._posts.clear()  # in place: the listener writes into it
        self._posts.update({n: p.copy() for n, p in state["posts"].items()})
        self._rng.bit_generator.state = copy.deepcopy(state["rng"])


def play(
    team: Team,
    tasks: Array,
    trials: int,
    conditions: Sequence[Condition],
    *,
    record: Sequence[str] = (),
    states: bool = False,
    seed: int = EVALUATION_SEED,
    policy_seed: int = 0,
    num_threads: int = 1,
) -> Played:
    """Play one trial in every world of every condition.

    Args:
        team: who plays.
        tasks: hidden tasks [N, k].
        trials: trials of each task, J.
        conditions: what is done to the team.
        record: roles whose actions are kept.
        states: keep `state()`.
        seed: of the first world; world i of every condition is that of `seed + i`.
        policy_seed: of the players' generator.
        num_threads: physics threads.
    """
    match = Match(
        team, tasks, trials, conditions, seed=seed, policy_seed=policy_seed, num_threads=num_threads
    )
    options = match.env.options
    B, K = match.count, options.episodes_per_trial
    returns, bits, steps = np.zeros((B, K)), np.zeros(B), np.zeros(B, dtype=np.int64)
    episode, playing = np.zeros(B, dtype=np.int64), np.ones(B, dtype=bool)
    kept: dict[str, list[Float]] = {role: [] for role in record}
    seen: list[Float] = []
    length = K * options.horizon
    worst = match.env.scenario.variation.worst_reward * options.horizon
    for _ in range(length):
        if states:
            seen.append(match.env.state())
        ended, infos = match.step(match.act())
        for role in record:
            kept[role].append(match.taken(role))
        silent = match.silent("state_modeling")
        bits += np.where(playing & ~silent, infos["bits"], 0.0)
        steps += playing
        for world in np.flatnonzero(infos["episode_ended"] & playing):
            returns[world, episode[world]] = infos["episode_return"][world]
            episode[world] += 1
            if ended[world]:
                charge_unreached(returns[world], int(episode[world]), worst)
        playing &= ~ended
        if not playing.any():
            break
    C, N = len(match.conditions), len(tasks)

    def split(series: list[Float]) -> Array:
        stacked = np.stack(series).astype(np.float64)  # [T, B, .]
        return stacked.reshape(len(stacked), C, match.worlds, -1).swapaxes(0, 1)

    episodes = returns.reshape(C, N, trials, K)
    return Played(
        returns=episodes.mean(-1),
        episodes=episodes,
        bits=(bits / steps).reshape(C, N, trials),
        actions={role: split(series) for role, series in kept.items()},
        states=split(seen) if states else np.zeros((C, 0, match.worlds, 0)),
        steps=steps.reshape(C, match.worlds),
        whole=(steps == length).reshape(C, match.worlds),
    )
