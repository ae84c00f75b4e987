"""What a change in mid-trial costs, and how fast it is made good.

level     mean reward over the 50 steps before the change
deficit   sum over the steps after it of (level - reward)
recovery  steps until the mean reward of 20 steps is back at level - 10% of |level|; infinite if never
harm      share of the return that adaptation loses where nothing changes

A body that falls ends its trial, and is paid 0 for the steps that are left: to fall costs all of them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env import Policy, single_agent_env
from ma_ssm_env.evaluation import EVALUATION_SEED

Array = NDArray[np.float64]
LEVEL_STEPS = 50
AVERAGED = 20
SHARE = 0.9


@dataclass(frozen=True)
class Recovery:
    """Measures of each world that met its change.

    Attributes:
        level: mean reward before the change [n].
        deficit: reward lost after it [n].
        steps: steps to 90% of the level, infinite where it was not reached [n].
        after: mean reward of the last 50 steps [n].
    """

    level: Array
    deficit: Array
    steps: Array
    after: Array


@dataclass(frozen=True)
class Played:
    """Trials of one player.

    Attributes:
        rewards: plain task reward of the first trial of every world, 0 after its end [T, B]; T is the
            longest that a trial can be.
        alive: which steps were played [T, B].
        phases: 0 before the change, 1 and 2 after [T, B].
        ms_per_step: CPU milliseconds of the player for one step of all worlds.
    """

    rewards: Array
    alive: NDArray[np.bool_]
    phases: NDArray[np.int64]
    ms_per_step: float


def play(
    scenario: str,
    player: Policy,
    tasks: Array,
    *,
    trials: int = 1,
    seed: int = EVALUATION_SEED,
    policy_seed: int = 0,
    **options: Any,
) -> Played:
    """Play `trials` trials of the twin on each of `tasks` [N, k], and keep every reward.

    Args:
        scenario: its id.
        player: who plays the twin.
        tasks: in the law's units [N, k].
        trials: trials of each task.
        seed: of the first world.
        policy_seed: of the generator that the player samples with.
        options: of the environment.
    """
    repeated = np.repeat(np.asarray(tasks, dtype=np.float64), trials, axis=0)
    env = single_agent_env(scenario, len(repeated), **options)
    rng = np.random.default_rng(policy_seed)
    observations, _ = env.reset(seed=seed, options={"task": repeated})
    memory = player.initial_memory(len(repeated))
    alive = np.ones(len(repeated), dtype=bool)
    rewards, lives, phases, spent = [], [], [], 0.0
    while alive.any():
        began = time.process_time()
        actions, memory = player.act(observations, memory, rng)
        spent += time.process_time() - began
        observations, reward, ended, _, infos = env.step(actions)
        rewards.append(np.where(alive, reward, 0.0))
        lives.append(alive.copy())
        phases.append(infos["phase"])
        alive &= ~ended
    rest = ((0, env.options.horizon * env.options.episodes_per_trial - len(rewards)), (0, 0))
    return Played(
        np.pad(np.stack(rewards), rest),
        np.pad(np.stack(lives), rest),
        np.pad(np.stack(phases), rest),
        1000.0 * spent / len(rewards),
    )


def recovery(
    rewards: Array, change_at: NDArray[np.int64], alive: NDArray[np.bool_] | None = None
) -> Recovery:
    """Measures of worlds whose change came at step `change_at` [B].

    Left out are worlds that ended before their change, and changes in the last 20 steps of a trial.

    Args:
        rewards: of whole trials, 0 after an early end [T, B].
        change_at: first step after the change.
        alive: which steps were played [T, B]; all by default.
    """
    length = np.full(rewards.shape[1], len(rewards)) if alive is None else alive.sum(0)
    last = len(rewards) - AVERAGED
    rows = []
    for world in np.flatnonzero((change_at > 0) & (change_at < length) & (change_at <= last)):
        at, mine = int(change_at[world]), rewards[:, world]
        level = float(mine[max(0, at - LEVEL_STEPS) : at].mean())
        after = mine[at:]
        means = np.convolve(after, np.full(AVERAGED, 1.0 / AVERAGED), mode="valid")
        good = np.flatnonzero(means >= level - (1.0 - SHARE) * abs(level))
        steps = float(good[0] + AVERAGED) if len(good) else np.inf
        rows.append(
            (level, level * len(after) - float(after.sum()), steps, float(after[-LEVEL_STEPS:].mean()))
        )
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Recovery(*columns)


def changes_of(played: Played) -> NDArray[np.int64]:
    """First step after the change in each world [B]; 0 where there was none."""
    changed = (played.phases > 0) & played.alive
    return np.where(changed.any(0), changed.argmax(0), 0)


def harm(plain: Array, adapting: Array) -> float:
    """Share of the mean return that adaptation loses, where nothing changes; negative if it gains.

    Args:
        plain: returns without adaptation [n].
        adapting: returns with it, in the same worlds [n].
    """
    return float((plain.mean() - adapting.mean()) / abs(plain.mean()))
