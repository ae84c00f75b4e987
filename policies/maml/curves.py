"""How good a prior is after some episodes on a test task: `python -m policies.maml.curves FOLDER`.

The data that adaptation uses is sampled on the test task itself, and counted: every figure has episodes on
the test task on its x-axis. What came of it is then judged as every policy is, by `ma_ssm_env.evaluation`, on
worlds of their own, which no data was sampled on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from ma_ssm_env import Policy
from ma_ssm_env.commands import exit_with
from ma_ssm_env.evaluation import EVALUATION_SEED, evaluate
from ma_ssm_env.scenarios import find_scenario
from ma_ssm_env.variations import Split
from policies.game import AGENT, Game
from policies.maml.inner import Adaptation, InnerConfig, Parameters
from policies.maml.train import load
from policies.maml.trials import Sampler, StackedActor
from policies.team import TeamNetwork

DATA_SEED = EVALUATION_SEED + 10**9  # worlds of adaptation data, apart from those of judgement and training


@dataclass(frozen=True)
class Point:
    """One point of an adaptation curve.

    Attributes:
        episodes: inner episodes on each test task that adaptation used, at their full length. A body that
            falls plays more and shorter ones in the same steps.
        steps: control steps that they took, over all tasks.
        returns: plain task return afterwards, of each inner episode of a trial [N, K], mean over trials.
        sampled: the mean return of an inner episode [N] where the policy samples its actions.
    """

    episodes: int
    steps: int
    returns: NDArray[np.float64]
    sampled: NDArray[np.float64]


def adaptation_curve(
    network: TeamNetwork,
    adaptation: Adaptation,
    scenario: str,
    options: dict[str, Any],
    *,
    trials: Sequence[int] = (0, 1, 2, 5, 10, 20),
    split: Split = "test",
    tasks: NDArray[np.float64] | None = None,
    judged: int = 5,
    seed: int = 0,
) -> list[Point]:
    """Return after adaptation to each task of a split, from different amounts of data.

    A prior that was trained without inner steps adapts by one, as MAML does: told what it is told, no more.

    Args:
        network: the prior.
        adaptation: the inner step, on the same network.
        scenario: id of the scenario.
        options: of the environment, as in training.
        trials: trials of data for each inner step; 0 is no adaptation.
        split: whose tasks.
        tasks: tasks [N, k] to adapt to instead.
        judged: trials on which each adapted policy is judged.
        seed: of the noise in the data.

    Raises:
        ValueError: adaptation from what is observed, where a role that adapts observes no reward.
    """
    inner_steps = max(1, adaptation.config.steps)
    adaptation = adaptation.with_steps(inner_steps)
    law = find_scenario(scenario).variation
    tasks = law.tasks(split) if tasks is None else np.asarray(tasks, dtype=np.float64)
    generator = torch.Generator().manual_seed(seed)
    curve = []
    for count in trials:
        adapted, steps, episodes = None, 0, 0
        if count:
            game = Game(scenario, len(tasks) * count, network.roles != (AGENT,), options)
            sampler = Sampler(game, network, adaptation, generator)
            for number in range(inner_steps):
                batch = sampler.play(tasks, DATA_SEED + number * 10**6, adapted)
                adapted = adaptation.adapt_all(adapted, sampler.inner_data(batch, len(tasks)), len(tasks))
                steps += batch.steps
                episodes += count * game.options.episodes_per_trial
        found = []
        for deterministic in (True, False):
            players = adapted_players(network, adapted, len(tasks), deterministic)
            result = evaluate(scenario, players, tasks=tasks, trials=judged, policy_seed=seed, **options)
            found.append(result.returns.mean(1))
        curve.append(Point(episodes, steps, found[0], found[1].mean(1)))
    return curve


def adapted_players(
    network: TeamNetwork, adapted: Parameters | None, tasks: int, deterministic: bool = True
) -> Policy | dict[str, Policy]:
    """Adapted networks behind the policy protocol, for worlds that are grouped by task."""
    team: dict[str, Policy] = {
        role: StackedActor(network, role, adapted, tasks, deterministic) for role in network.roles
    }
    return team[AGENT] if network.roles == (AGENT,) else team


def best_rate(
    network: TeamNetwork,
    inner: InnerConfig,
    scenario: str,
    options: dict[str, Any],
    *,
    rates: Sequence[float] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
    trials: int,
) -> float:
    """The inner rate that is best on the validation tasks: for networks that were not trained for one."""

    def value(rate: float) -> float:
        adaptation = Adaptation(network, InnerConfig(**{**vars(inner), "rate": rate, "steps": 1}))
        (point,) = adaptation_curve(
            network, adaptation, scenario, options, trials=(trials,), split="validation", judged=2
        )
        return float(point.returns.mean())

    return max(rates, key=value)


@dataclass(frozen=True)
class Command:
    """Judge a meta-trained prior on held-out tasks, after different amounts of data from each.

    Attributes:
        folder: what `python -m policies.maml` wrote.
        split: whose tasks.
        trials: trials of data for each inner step.
        judged: trials on which each adapted policy is judged.
        json: print one line of JSON.
    """

    folder: Annotated[Path, tyro.conf.Positional]
    split: Split = "test"
    trials: tuple[int, ...] = (0, 1, 2, 5, 10, 20)
    judged: int = 5
    json: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 2 where the folder cannot be used."""
    command = tyro.cli(Command, args=arguments, prog="python -m policies.maml.curves")
    torch.set_num_threads(1)
    try:
        run = load(command.folder)
        curve = adaptation_curve(
            run.network,
            run.adaptation,
            run.config.scenario,
            run.config.options,
            trials=command.trials,
            split=command.split,
            judged=command.judged,
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    rows = [
        {
            "episodes": point.episodes,
            "returns": [round(float(x), 3) for x in point.returns.mean(0)],
            "sampled": round(float(point.sampled.mean()), 3),
        }
        for point in curve
    ]
    if command.json:
        print(json.dumps({"scenario": run.config.scenario, "steps": run.steps, "curve": rows}))
        return 0
    print(f"{run.config.scenario} after {run.steps} steps, {command.split} tasks, return per inner episode:")
    print("episodes of data   by the mode, inner episode 1, 2, ...   sampled (mean)")
    for row, point in zip(rows, curve, strict=True):
        modes = "  ".join(f"{value:8.2f}" for value in point.returns.mean(0))
        print(f"{row['episodes']:16d}   {modes}   {row['sampled']:8.2f}")
    return 0


if __name__ == "__main__":
    exit_with(main)
