"""A row of the study of MAML: what it is, how it is trained and judged, and its record on disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studies.maml_training import meta_train
from benchmarks.studies.settings import Settings, is_done, write
from ma_ssm_env import __version__
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.scenarios import find_scenario
from policies.config import TrainConfig, tuned
from policies.cores import CoreConfig
from policies.maml.curves import adaptation_curve, best_rate
from policies.maml.inner import Adaptation, InnerConfig
from policies.maml.outer import OuterConfig
from policies.maml.train import MamlConfig, MetaTraining, maml_ppo
from policies.role_network import HeadConfig
from policies.team import NetworkConfig, TeamNetwork
from policies.train import players, train

TRIALS = (0, 1, 2, 5, 10, 20)  # of data


@dataclass(frozen=True)
class Row:
    """One trained thing.

    Attributes:
        scenario: id.
        kind: `maml`; `multitask`: zero inner steps, then fine-tuned; `memory`: plain PPO on trials.
        core: memory of the actors.
        steps: control steps of training.
        options: of the environment.
        tasks, trials: of an iteration.
        inner: adaptation (its rate is that of `maml`; `multitask` chooses its own on validation tasks).
        outer: learning of the prior.
        ppo: changes to the outer step's settings.
        team: the five-role team.
        judged: trials of data on a test task after which it is judged; a trial may be several episodes.
        judged_roles: adapt these alone at test time, each in turn, besides all.
        statistics: iterations whose observations enter the normalisation.
        width: of the core.
        log_std: initial.
    """

    scenario: str
    kind: str
    core: str = "mlp"
    steps: int = 300_000
    options: dict[str, Any] = field(default_factory=dict)
    tasks: int = 20
    trials: int = 10
    inner: InnerConfig = field(default_factory=InnerConfig)
    outer: OuterConfig = field(default_factory=OuterConfig)
    ppo: dict[str, Any] = field(default_factory=dict)
    team: bool = False
    judged: tuple[int, ...] = TRIALS
    judged_roles: tuple[str, ...] = ()
    statistics: int = MamlConfig.statistics
    width: int = 64
    log_std: float = -1.0


def make_record(name: str, row: Row, seed: int, out: Path, scratch: Path, allow_mixed: bool = False) -> Path:
    """Train and judge a row, unless its record is there; the path of the record.

    Args:
        name: of the row.
        row: what is trained and judged.
        seed: of the training, and of the players' noise when it is judged.
        out: folder of records.
        scratch: folder for what is unfinished.
        allow_mixed: reuse a record of other package versions.

    Raises:
        SettingsError: a record or an unfinished training of other settings or versions is there.
    """
    path = out / f"{name}-seed{seed}.json"
    if is_done(path, settings(row), allow_mixed):
        return path
    began, earlier_s = time.process_time(), 0.0
    if row.kind == "memory":
        network, steps, history = _memory(row, seed)
        found = _judge_memory(row, network, seed)
    else:
        config = configuration(row, seed)
        run, history, earlier_s = meta_train(config, scratch / f"{name}-seed{seed}")
        steps = run.steps
        found = _judge(row, run, seed)
    record = {
        "row": name,
        "scenario": row.scenario,
        "kind": row.kind,
        "seed": seed,
        "steps": steps,
        "cpu_s": round(earlier_s + time.process_time() - began, 1),
        "code": __version__,
        "command": f"python -m benchmarks.studies.maml {name} --seed {seed}",
        "history": history,
        **found,
    }
    write(path, record, settings(row))
    return path


def settings(row: Row) -> Settings:
    """What a record of the row must have been made with."""
    training = _memory_configuration(row, 0) if row.kind == "memory" else configuration(row, 0)
    return {"row": row, "training": training}


def configuration(row: Row, seed: int) -> MamlConfig:
    """The settings of a row's run with that seed."""
    scenario = find_scenario(row.scenario)
    options = {"observability": "full", **row.options} if row.team else row.options
    length = options.get("horizon", scenario.horizon)
    length *= options.get("episodes_per_trial", scenario.episodes_per_trial)
    steps = row.inner.steps if row.kind == "maml" else 0
    network = NetworkConfig(
        core=CoreConfig(kind=row.core, width=row.width, state_size=row.width),
        head=HeadConfig(log_std=row.log_std),
        modulator_head=HeadConfig(log_std=row.log_std),
    )
    return MamlConfig(
        scenario=row.scenario,
        team=row.team,
        steps=row.steps,
        seed=seed,
        tasks=row.tasks,
        trials=row.trials,
        statistics=row.statistics,
        inner=InnerConfig(**{**vars(row.inner), "steps": steps}),
        outer=row.outer,
        network=network,
        ppo=maml_ppo(row.tasks * row.trials, length, steps, **(row.ppo if steps else {})),
        options=options,
    )


def _judge(row: Row, run: MetaTraining, seed: int) -> dict[str, Any]:
    options, scenario = run.config.options, row.scenario
    inner = InnerConfig(**{**vars(row.inner), "steps": 1})
    found: dict[str, Any] = {}
    if row.kind == "multitask":
        inner = InnerConfig(
            **{**vars(inner), "rate": best_rate(run.network, inner, scenario, options, trials=row.trials)}
        )
        found["rate"] = inner.rate
        adaptation = Adaptation(run.network, inner)
    else:
        adaptation = run.adaptation
    found["curve"] = _points(run.network, adaptation, scenario, options, row.judged, seed)
    for role in row.judged_roles:
        alone = Adaptation(run.network, InnerConfig(**{**vars(inner), "roles": (role,)}))
        found[f"curve/{role}"] = _points(run.network, alone, scenario, options, (row.trials,), seed)
    return found


def _points(
    network: TeamNetwork,
    adaptation: Adaptation,
    scenario: str,
    options: dict[str, Any],
    trials: Sequence[int],
    seed: int,
) -> list[dict[str, Any]]:
    curve = adaptation_curve(network, adaptation, scenario, options, trials=trials, seed=seed)
    return [
        {
            "episodes": point.episodes,
            "steps": point.steps,
            "returns": np.round(point.returns, 2).tolist(),
            "sampled": np.round(point.sampled, 2).tolist(),
        }
        for point in curve
    ]


def _memory_configuration(row: Row, seed: int) -> TrainConfig:
    return TrainConfig(
        scenario=row.scenario,
        steps=row.steps,
        seed=seed,
        network=NetworkConfig(core=CoreConfig(kind=row.core)),
        ppo=tuned(row.scenario),
        options=row.options,
    )


def _memory(row: Row, seed: int) -> tuple[TeamNetwork, int, list[list[float]]]:
    trained = train(_memory_configuration(row, seed))
    history = [
        [int(entry["steps"]), round(entry["episode_return"], 2)]
        for entry in trained.history
        if "episode_return" in entry
    ]
    return trained.network, trained.steps, history


def _judge_memory(row: Row, network: TeamNetwork, seed: int) -> dict[str, Any]:
    by_mode, sampled = (
        evaluate(row.scenario, players(network, mode), policy_seed=seed, **row.options).returns.mean(1)
        for mode in (True, False)
    )
    point = {"episodes": 0, "steps": 0, "returns": np.round(by_mode, 2).tolist()}
    return {"curve": [{**point, "sampled": np.round(sampled.mean(1), 2).tolist()}]}
