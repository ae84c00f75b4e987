"""Evaluation on fixed tasks with common random numbers, for anything that speaks the policy protocol.

Every player meets the same worlds: trial j of task i is the world of seed `EVALUATION_SEED + i * trials + j`,
a range that training never uses. Returns are plain task returns, before the cost of the channel, which is
what the twin is paid too.

What shares draws and what does not: the lists of validation and test tasks differ, but both are played on
seeds from `EVALUATION_SEED` on, so their trials begin at the same start states under the same noise. The
address of a trial depends on the number of trials: `trials=3` is no prefix of `trials=5`, and results compare
world by world only where it is the same. All roles sample from one generator in turn, so whether one role
draws decides what the next one gets; policies that do not sample are not touched by that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.controls import team_vector_env, twin_vector_env
from ma_ssm_env.options import Options, set_of_roles, whole_number
from ma_ssm_env.policy import Players, Policy, require_policies
from ma_ssm_env.roles import AGENTS
from ma_ssm_env.scenarios import Scenario, find_scenario
from ma_ssm_env.variations import Split

EVALUATION_SEED = 10**15  # runs get world seeds from run * 10**6 on


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation gave.

    Attributes:
        tasks: the tasks [N, k], in the law's units.
        returns: plain task return of each inner episode [N, trials, K]. Where physics broke, each inner
            episode that was not reached has the law's worst reward for all its H steps.
        bits: mean nominal bits a step that the team sent [N, trials]; zeros for the twin.
        steps: control steps that it took.
        phases: where the task changes in mid-trial: mean plain reward of a step before the change, in the
            shock and in the recovery [N, trials, 3], NaN where a trial has no such step; else None.
    """

    tasks: NDArray[np.float64]
    returns: NDArray[np.float64]
    bits: NDArray[np.float64]
    steps: int
    phases: NDArray[np.float64] | None = None


def evaluate(
    scenario: str | Scenario,
    players: Players,
    *,
    split: Split = "test",
    tasks: NDArray[np.float64] | None = None,
    trials: int = 5,
    seed: int = EVALUATION_SEED,
    policy_seed: int = 0,
    **options: Any,
) -> Evaluation:
    """Play `trials` trials of every task of a split (or of `tasks`).

    Args:
        scenario: the scenario or its id.
        players: one policy plays the twin; a mapping from role to policy plays the team, and roles that it
            lacks are absent.
        split: whose list of tasks is played.
        tasks: tasks [N, k] to play instead.
        trials: trials a task.
        seed: seed of the first world.
        policy_seed: seed of the generator that players sample with.
        options: options of the environment; `task_source` is always "distribution" here.

    Raises:
        ValueError: a player that is no policy, players for a role that there is not, no trials, tasks that
            the law does not have, or options that do not fit.
    """
    trials = whole_number("trials", trials)
    found = find_scenario(scenario)
    tasks = found.variation.tasks(split) if tasks is None else _listed(found, tasks)
    repeated = np.repeat(tasks, trials, axis=0)
    rng = np.random.default_rng(policy_seed)
    if isinstance(players, Mapping):
        record, bits, steps = _play_team(found, players, repeated, seed, rng, options)
    else:
        record, bits, steps = _play_twin(found, players, repeated, seed, rng, options)
    shape = (len(tasks), trials)
    phases = record.phases.reshape(*shape, -1) if found.variation.changes else None
    return Evaluation(tasks, record.returns.reshape(*shape, -1), bits.reshape(shape), steps, phases)


def _listed(scenario: Scenario, tasks: Any) -> NDArray[np.float64]:
    # One task [k] would be taken for k worlds on it, each a task of its own.
    size = scenario.variation.size
    try:
        listed = np.asarray(tasks, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"tasks {tasks!r:.80}: numbers of shape [N, {size}] are expected") from None
    if listed.ndim == 1 and size == 1:
        listed = listed[:, None]
    if listed.ndim != 2 or listed.shape[1] != size or not len(listed):
        raise ValueError(f"tasks of shape {list(listed.shape)}: [N, {size}] is expected, N at least 1")
    return listed


def _play_twin(
    scenario: Scenario,
    policy: Policy,
    tasks: NDArray[np.float64],
    seed: int,
    rng: np.random.Generator,
    options: dict[str, Any],
) -> tuple[_Returns, NDArray[np.float64], int]:
    require_policies({"the player": policy})
    env = twin_vector_env(scenario, len(tasks), **options)
    record = _Returns(len(tasks), env.options, scenario.variation.worst_reward)
    observations, _ = env.reset(seed=seed, options={"task": tasks})
    memory = policy.initial_memory(len(tasks))
    steps = 0
    while record.running:
        actions, memory = policy.act(observations, memory, rng)
        observations, rewards, ended, _, infos = env.step(actions)
        steps += int(record.playing.sum())
        record.hear(infos.get("task_reward", rewards), infos["phase"])
        record.add(infos["episode_ended"], infos["episode_return"], ended)
    return record, np.zeros(len(tasks)), steps


def _play_team(
    scenario: Scenario,
    players: Mapping[str, Policy],
    tasks: NDArray[np.float64],
    seed: int,
    rng: np.random.Generator,
    options: dict[str, Any],
) -> tuple[_Returns, NDArray[np.float64], int]:
    unknown = [role for role in players if role not in AGENTS.values()]
    if unknown:
        raise ValueError(
            f"players for unknown role {unknown[0]!r}; the roles are {', '.join(AGENTS.values())}"
        )
    require_policies({f"the player of {role}": player for role, player in players.items()})
    missing = frozenset(role for role in AGENTS.values() if role not in players)
    absent = set_of_roles("absent_roles", options.pop("absent_roles", frozenset())) | missing
    options["task_source"] = "distribution"  # whatever the team was trained with
    env = team_vector_env(scenario, len(tasks), absent_roles=absent, **options)
    record = _Returns(len(tasks), env.options, scenario.variation.worst_reward)
    observations, _ = env.reset(seed=seed, options={"task": tasks})
    memories = {agent: players[AGENTS[agent]].initial_memory(len(tasks)) for agent in env.agents}
    bits, steps = np.zeros(len(tasks)), np.zeros(len(tasks))
    while record.running:
        actions = {}
        for agent in env.agents:
            policy = players[AGENTS[agent]]
            actions[agent], memories[agent] = policy.act(observations[agent], memories[agent], rng)
        observations, _, ended, _, infos = env.step(actions)
        bits += np.where(record.playing, infos["bits"], 0.0)
        steps += record.playing
        record.hear(infos["task_reward"], infos["phase"])
        record.add(infos["episode_ended"], infos["episode_return"], ended[env.agents[0]])
    return record, bits / steps, int(steps.sum())


def charge_unreached(returns: NDArray[np.float64], ended: int, worst: float) -> None:
    """Give the inner episodes that broken physics took the worst return, in place; the sum stays.

    In the game the inner episode that broke is charged for all of them.

    Args:
        returns: of the K inner episodes of one trial that is over [K].
        ended: how many of them ended; all K, unless physics broke.
        worst: return of an inner episode at the law's worst reward, `worst_reward` H.
    """
    unreached = len(returns) - ended
    if unreached:
        returns[ended - 1] -= unreached * worst
        returns[ended:] = worst


class _Returns:
    """Collects returns and rewards of one trial a world; worlds that are through play on unheard."""

    def __init__(self, count: int, options: Options, worst_reward: float) -> None:
        self.returns = np.zeros((count, options.episodes_per_trial))
        self._worst = worst_reward * options.horizon
        self.playing = np.ones(count, dtype=bool)
        self._episode = np.zeros(count, dtype=np.int64)
        self._sums, self._counts = np.zeros((count, 3)), np.zeros((count, 3))

    @property
    def running(self) -> bool:
        return bool(self.playing.any())

    @property
    def phases(self) -> NDArray[np.float64]:
        """Mean reward of a step in each phase [B, 3]; NaN where there was none."""
        heard = self._counts > 0
        return np.where(heard, self._sums / np.where(heard, self._counts, 1), np.nan)

    def hear(self, rewards: NDArray[Any], phase: NDArray[np.int64]) -> None:
        worlds = np.flatnonzero(self.playing)
        self._sums[worlds, phase[worlds]] += rewards[worlds]
        self._counts[worlds, phase[worlds]] += 1

    def add(
        self, ended: NDArray[np.bool_], returns: NDArray[np.float64], trial_ended: NDArray[np.bool_]
    ) -> None:
        for world in np.flatnonzero(ended & self.playing):
            self.returns[world, self._episode[world]] = returns[world]
            self._episode[world] += 1
            if trial_ended[world]:
                charge_unreached(self.returns[world], int(self._episode[world]), self._worst)
        self.playing &= ~trial_ended
