"""Recorded trials: who saw, did and was paid what, in one file that everyone can read.

    recorded = record("PointDir-v0", players, trials=16, seed=0)   # any players of the policy protocol
    recorded.save("trials.npz")
    recorded = as_recorded_trials("trials.npz", scenario="PointDir-v0")

    python -m ma_ssm_env.recorded_trials PointDir-v0 --policy scripted --out trials.npz

A file is a NumPy archive without pickles: `about` (JSON: format, scenario, options) and one array a name, as
`observations/meta_learning_0`. `SAMPLE` is such a file that ships with the package: 16 trials of the team
that talks its way through PointDir-v0 (module `scripted`).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ma_ssm_env.archive import read_archive, write_archive
from ma_ssm_env.commands import exit_with
from ma_ssm_env.evaluation import charge_unreached
from ma_ssm_env.options import set_of_roles, whole_number
from ma_ssm_env.parallel import TeamEnv
from ma_ssm_env.play import ask_who_plays, from_checkpoint, named_players
from ma_ssm_env.policy import Players, Policy, require_policies
from ma_ssm_env.recorded_arrays import TWIN, checked, world
from ma_ssm_env.roles import AGENTS
from ma_ssm_env.scenarios import SCENARIOS, Scenario, find_scenario
from ma_ssm_env.single_agent import SingleAgentEnv

__all__ = [
    "SAMPLE",
    "TWIN",
    "RecordedTrials",
    "as_recorded_trials",
    "load",
    "main",
    "record",
]

FORMAT = 1
KIND = "recorded trials"
SAMPLE = Path(__file__).with_name("samples") / "PointDir-v0.npz"
EXPECTED = (
    "recorded trials are expected: a RecordedTrials; a mapping with scenario, observations, actions and "
    "rewards; or the path of a file that `python -m ma_ssm_env.recorded_trials` wrote"
)
_MAY_LACK = ("tasks", "starts", "lengths", "options")


@dataclass(frozen=True, eq=False)
class RecordedTrials:
    """N trials of one scenario, time-major and padded with zeros to T steps; checked when it is made.

    Attributes:
        scenario: its id.
        observations: agent (`<role>_0`, or `agent` for the twin) -> float32 [T, N, O], what it saw at step t.
        actions: agent -> float32 [T, N, A] in [-1, 1], what it then did.
        rewards: plain task reward of step t [T, N], before the cost of the channel.
        tasks: the hidden tasks, in the law's units [N, k]; NaN where they are not known, as by default.
        lengths: steps that each trial had [N], 1 to T; all T by default.
        starts: step t is the first of an inner episode [T, N], booleans; always what `episode_start` in
            the observations says, and read from there by default.
        options: those that it was played with, beside the defaults; sets of roles as sorted lists.

    Raises:
        ValueError: an array that does not fit the scenario, its options or the others, numbers that are not
            finite or no actions; the message names the array.
    """

    scenario: str
    observations: dict[str, NDArray[np.float32]]
    actions: dict[str, NDArray[np.float32]]
    rewards: NDArray[np.float64]
    # None where a default is wanted; never None once it is made.
    tasks: NDArray[np.float64] = None  # type: ignore[assignment]
    lengths: NDArray[np.int64] = None  # type: ignore[assignment]
    starts: NDArray[np.bool_] = None  # type: ignore[assignment]
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in checked(self).items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        """Trials."""
        return int(self.rewards.shape[1])

    @property
    def team(self) -> bool:
        """Whether the team was recorded; else the twin."""
        return TWIN not in self.observations

    @property
    def agents(self) -> tuple[str, ...]:
        """Who was recorded."""
        return tuple(self.observations)

    @property
    def playing(self) -> NDArray[np.bool_]:
        """Which steps were played [T, N]; the others are padding."""
        played: NDArray[np.bool_] = np.arange(len(self.rewards))[:, None] < self.lengths
        return played

    @property
    def returns(self) -> NDArray[np.float64]:
        """Plain return of each inner episode [N, K]; 0 for one that was not recorded.

        Where physics broke, each inner episode that was not reached has the law's worst reward for all its
        H steps, as in an `evaluation`.
        """
        env = world(self.scenario, self.options, self.team)
        K, H, worst = env.options.episodes_per_trial, env.options.horizon, env.scenario.variation.worst_reward
        episode = np.cumsum(self.starts, axis=0) - 1
        returns = np.zeros((len(self), K))
        trial = np.broadcast_to(np.arange(len(self)), episode.shape)
        np.add.at(returns, (trial[self.playing], episode[self.playing]), self.rewards[self.playing])
        trials, last = np.arange(len(self)), self.lengths - 1
        broke_in = episode[last, trials]
        clock = last - np.where(self.starts & self.playing, np.arange(len(self.rewards))[:, None], -1).max(0)
        # The step that broke is paid the worst for every step that is missing, which no other step can earn.
        charge = worst * ((K - broke_in) * H - clock)
        for i in np.flatnonzero((broke_in + 1 < K) & np.isclose(self.rewards[last, trials], charge)):
            charge_unreached(returns[i], int(broke_in[i]) + 1, worst * H)
        return returns

    def fields(self, agent: str) -> dict[str, slice]:
        """Where each field lies in the agent's observation."""
        env = world(self.scenario, self.options, self.team)
        found: dict[str, slice] = env.observation_fields(agent) if self.team else env.observation_fields()
        return found

    def part(self, trials: Any) -> RecordedTrials:
        """Some of the trials, by what an axis is indexed with: a slice, indices or a mask [N]."""
        return dataclasses.replace(
            self,
            observations={agent: x[:, trials] for agent, x in self.observations.items()},
            actions={agent: x[:, trials] for agent, x in self.actions.items()},
            rewards=self.rewards[:, trials],
            tasks=self.tasks[trials],
            lengths=self.lengths[trials],
            starts=self.starts[:, trials],
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trials as a NumPy archive, whole or not at all."""
        about = {"kind": KIND, "format": FORMAT, "scenario": self.scenario, "options": self.options}
        arrays = {name: getattr(self, name) for name in ("rewards", "tasks", "lengths", "starts")}
        for name in ("observations", "actions"):
            arrays |= {f"{name}/{agent}": values for agent, values in getattr(self, name).items()}
        write_archive(path, about, arrays)


def load(path: str | os.PathLike[str], scenario: str | None = None) -> RecordedTrials:
    """Read what `save` wrote.

    Args:
        path: the file.
        scenario: the id that it must have been recorded on; None takes any.

    Raises:
        ValueError: no file there, or not one of recorded trials, damaged, of another format or scenario.
    """
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"{file}: no such file; {EXPECTED}")
    try:
        about, arrays = read_archive(file)
        kind, format = about["kind"], about["format"]
    except (KeyError, ValueError):
        raise ValueError(f"{file}: not a file of recorded trials, or a damaged one; {EXPECTED}") from None
    if kind != KIND or format != FORMAT:
        raise ValueError(
            f"{file}: {kind} of format {format}; this code reads {KIND} of format {FORMAT}: record them anew"
        )
    values: dict[str, Any] = {"scenario": about.get("scenario"), "options": about.get("options", {})}
    for name, array in arrays.items():
        group, _, agent = name.partition("/")
        if agent:
            values.setdefault(group, {})[agent] = array
        else:
            values[name] = array
    try:
        return as_recorded_trials(values, scenario=scenario)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def as_recorded_trials(value: object, *, name: str = "trials", scenario: str | None = None) -> RecordedTrials:
    """Recorded trials from whatever may hold them.

    Args:
        value: a `RecordedTrials`; a mapping with the names of its attributes, in which `tasks`, `starts`,
            `lengths` and `options` may be missing, and `observations` and `actions` may be the arrays of the
            twin; or the path of a file.
        name: what the value is, for messages: `support_data`.
        scenario: the id that they must have been recorded on; None takes any.

    Raises:
        ValueError: anything else; the message says what is expected.
    """
    if isinstance(value, RecordedTrials):
        found = value
    elif isinstance(value, Mapping):
        found = _from_mapping(name, value)
    elif isinstance(value, (str, os.PathLike)):
        try:
            return load(value, scenario)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    else:
        raise ValueError(f"{name} is {value!r:.80}; {EXPECTED}")
    if scenario is not None and found.scenario != scenario:
        raise ValueError(f"{name} were recorded on {found.scenario}, not on {scenario}: record some there")
    return found


def record(
    scenario: str | Scenario,
    players: Players,
    trials: int = 16,
    seed: int = 0,
    *,
    tasks: ArrayLike | None = None,
    policy_seed: int = 0,
    **options: Any,
) -> RecordedTrials:
    """Play `trials` trials, one in each of as many worlds, and record them.

    Args:
        scenario: the scenario or its id.
        players: one policy plays the twin; a mapping from role to policy plays the team, and roles that it
            lacks are absent.
        trials: how many, at least 1.
        seed: of the first world; world i has `seed + i`.
        tasks: tasks [N, k] to play, or one for all [k]; None draws them from the split.
        policy_seed: seed of the generator that players sample with.
        options: options of the environment; `task_source` is always "distribution" here.

    Raises:
        ValueError: a scenario that is not in the table, a player that is no policy, players for a role that
            there is not, or no trials.
    """
    trials = whole_number("trials", trials)
    found = find_scenario(scenario)
    known = found.id
    if SCENARIOS.get(known) != found:
        raise ValueError(
            f"{known}: recording needs a scenario of the table, to be read again; "
            "ma_ssm_env.register_scenario adds one of your own"
        )
    team = isinstance(players, Mapping)
    acting: dict[str, Policy]
    if isinstance(players, Mapping):
        unknown = [role for role in players if role not in AGENTS.values()]
        if unknown:
            raise ValueError(f"players for unknown role {unknown[0]!r}: of {', '.join(AGENTS.values())}")
        missing = {role for role in AGENTS.values() if role not in players}
        require_policies({f"the player of {role}": player for role, player in players.items()})
        options["absent_roles"] = missing | set_of_roles("absent_roles", options.get("absent_roles", ()))
        options["task_source"] = "distribution"
        acting = {a: players[role] for a, role in AGENTS.items() if role not in options["absent_roles"]}
    else:
        require_policies({"the player": players})
        acting = {TWIN: players}
    env = world(known, options, team, trials)
    seen, _ = env.reset(seed=seed, options=None if tasks is None else {"task": tasks})
    drawn = env.game.trials.task.copy()
    memories = {agent: policy.initial_memory(trials) for agent, policy in acting.items()}
    rng = np.random.default_rng(policy_seed)
    observations: dict[str, list[Any]] = {agent: [] for agent in acting}
    actions: dict[str, list[Any]] = {agent: [] for agent in acting}
    rewards: list[Any] = []
    playing, lengths = np.ones(trials, dtype=bool), np.zeros(trials, dtype=np.int64)
    while playing.any():
        now = seen if team else {TWIN: seen}
        did = {}
        for agent, policy in acting.items():
            did[agent], memories[agent] = policy.act(now[agent], memories[agent], rng)
            observations[agent].append(np.where(playing[:, None], now[agent], np.float32(0.0)))
            clipped = np.clip(did[agent], -1.0, 1.0)
            actions[agent].append(np.where(playing[:, None], clipped, 0.0).astype(np.float32))
        seen, paid, ended, _, infos = env.step(did if team else did[TWIN])
        rewards.append(np.where(playing, infos.get("task_reward", paid), 0.0))
        lengths += playing
        playing = playing & ~(next(iter(ended.values())) if team else ended)
    return RecordedTrials(
        scenario=known,
        observations={agent: np.stack(rows) for agent, rows in observations.items()},
        actions={agent: np.stack(rows) for agent, rows in actions.items()},
        rewards=np.stack(rewards),
        tasks=drawn,
        lengths=lengths,
        options=options,
    )


def _from_mapping(name: str, value: Mapping[Any, Any]) -> RecordedTrials:
    names = [f.name for f in dataclasses.fields(RecordedTrials)]
    missing = [n for n in names if n not in value and n not in _MAY_LACK]
    unknown = [n for n in value if n not in names]
    if missing or unknown:
        wrong = (
            f"without {', '.join(missing)}" if missing else f"with unknown {', '.join(map(repr, unknown))}"
        )
        raise ValueError(f"{name} are a mapping {wrong}; {EXPECTED}")
    given = dict(value)
    for group in ("observations", "actions"):
        if not isinstance(given[group], Mapping):
            given[group] = {TWIN: given[group]}
    try:
        return RecordedTrials(**given)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, 1 where recording failed, or 2 where what was asked for cannot be had."""
    parser = argparse.ArgumentParser(
        prog="python -m ma_ssm_env.recorded_trials",
        description="Record trials into a file.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("scenario", help="id, such as PointDir-v0")
    parser.add_argument("--out", required=True, help="the file, .npz")
    ask_who_plays(parser)
    parser.add_argument("--trials", type=int, default=16, help="how many, each in a world of its own")
    parser.add_argument("--seed", type=int, default=0, help="of the first world")
    parser.add_argument("--split", default="train", help="whose tasks: train, validation, test or ood")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    given = parser.parse_args(arguments)
    try:
        options: dict[str, Any] = {"split": given.split}
        if given.checkpoint:
            players, trained, _ = from_checkpoint(given.checkpoint, given.scenario)
            options = trained | options
        else:
            env = (SingleAgentEnv if given.twin else TeamEnv)(given.scenario)
            players = named_players(given.policy, env)
        recorded = record(given.scenario, players, given.trials, given.seed, **options)
    except (ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        recorded.save(given.out)
    except OSError as error:
        print(f"{given.out}: {error.strerror or error}", file=sys.stderr)
        return 1
    returns = [round(float(x), 4) for x in recorded.returns.mean(0)]
    if given.json:
        about = {"out": given.out, "scenario": recorded.scenario, "agents": list(recorded.agents)}
        print(json.dumps(about | {"trials": len(recorded), "returns": returns}))
    else:
        words = "  ".join(f"{value:.2f}" for value in returns)
        print(f"{given.out}: {len(recorded)} trials of {recorded.scenario}, return per inner episode {words}")
    return 0


if __name__ == "__main__":
    exit_with(main)
