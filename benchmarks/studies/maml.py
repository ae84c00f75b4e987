"""What MAML is worth: `python -m benchmarks.studies.maml RUN --seed 0`, then `... table`.

One process trains and judges one row of the study and writes one compact record; a row whose record is there
is not run again, and an interrupted meta-training goes on. The table is made of the records alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.runner.software import versions, versions_note
from benchmarks.studies.command import run_study
from benchmarks.studies.over_seeds import over_seeds, paired
from benchmarks.studies.settings import (
    Settings,
    SettingsError,
    is_done,
    read,
    refuse_other_versions,
    write,
)
from ma_ssm_env import __version__
from ma_ssm_env.commands import exit_with
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.scenarios import find_scenario
from ma_ssm_env.whole_file import replace_file
from policies.config import TrainConfig, tuned
from policies.cores import CoreConfig
from policies.maml.curves import adaptation_curve, best_rate
from policies.maml.inner import Adaptation, InnerConfig
from policies.maml.outer import OuterConfig
from policies.maml.train import MamlConfig, MetaTraining, maml_ppo
from policies.role_network import HeadConfig
from policies.team import NetworkConfig, TeamNetwork
from policies.train import players, train

RESULTS = Path("benchmarks/results/maml")
TRIALS = (0, 1, 2, 5, 10, 20)  # of data
LOG = "history.json"
KEEP_EVERY = 5  # iterations


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


_CHEETAH = {"episodes_per_trial": 1, "horizon": 100}
_BLIND = {**_CHEETAH, "feedback": "none"}
_TOLD = InnerConfig(feedback="step")
_FAST = {"learning_rate": 3e-3}
_NEVER = 10**6  # frozen: the speeds of a cheetah grow for a long time
_ONE = {"episodes_per_trial": 1}
_POINT: dict[str, Any] = {"tasks": 10, "trials": 10}
_ROLES = ("state_modeling", "meta_learning", "adaptation", "coordinator")


def _point(scenario: str, rate: float) -> dict[str, Row]:
    """Rows of a law of Point; the inner rate was chosen among 0.05 to 0.8 on validation tasks."""
    name = scenario.removesuffix("-v0").lower()
    both = Row(scenario, "maml", core="s5", width=96, tasks=10, trials=5, judged=(0, 1, 5, 10), ppo=_FAST)
    return {
        f"{name}-maml": Row(scenario, "maml", options=_ONE, inner=InnerConfig(rate=rate), **_POINT),
        f"{name}-multitask": Row(scenario, "multitask", options=_ONE, **_POINT),
        f"{name}-memory": Row(scenario, "memory", core="s5"),
        f"{name}-maml-memory": both,
        f"{name}-maml-memory-before": replace(both, outer=OuterConfig(before=1.0)),
    }


ROWS: dict[str, Row] = {
    "dir-maml": Row(
        "HalfCheetahDir-v0", "maml", steps=4_500_000, options=_CHEETAH, ppo=_FAST, statistics=_NEVER
    ),
    "vel-maml": Row(
        "HalfCheetahVel-v0",
        "maml",
        steps=4_000_000,
        options=_BLIND,
        inner=_TOLD,
        ppo=_FAST,
        statistics=_NEVER,
    ),
    "vel-multitask": Row("HalfCheetahVel-v0", "multitask", steps=4_000_000, options=_BLIND, inner=_TOLD),
    **_point("PointDir-v0", 0.4),
    **_point("PointGoal-v0", 0.2),
    "team-maml": Row(
        "PointDir-v0",
        "maml",
        options={**_ONE, "feedback": "none"},
        inner=InnerConfig(rate=0.4, feedback="step"),
        team=True,
        judged_roles=_ROLES,
        **_POINT,
    ),
}


def run_row(name: str, seed: int, out: Path, scratch: Path, allow_mixed: bool = False) -> Path:
    """Train and judge a row; the path of its record."""
    row = ROWS[name]
    path = out / f"{name}-seed{seed}.json"
    if is_done(path, settings(row), allow_mixed):
        return path
    began, earlier_s = time.process_time(), 0.0
    if row.kind == "memory":
        network, steps, history = _memory(row, seed)
        found = _judge_memory(row, network, seed)
    else:
        run, history, earlier_s = _meta_train(row, seed, scratch / f"{name}-seed{seed}")
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


def _meta_train(row: Row, seed: int, folder: Path) -> tuple[MetaTraining, list[list[float]], float]:
    """The trained run, its history, and the CPU seconds that were spent before on what was kept of it.

    The log is written before the state: a kill between the two leaves a log that is longer than the state,
    and it is cut to the iterations that the state has.
    """
    began = time.process_time()
    run = MetaTraining(configuration(row, seed))
    log = folder / LOG
    lines = _kept_lines(log, run.iteration) if _restored(run, folder) else []
    earlier_s = lines[-1][-1] if lines else 0.0
    while run.steps < run.config.steps:
        metrics = run.iterate()
        spent_s = earlier_s + time.process_time() - began
        lines.append([run.steps, round(metrics["before"], 2), round(metrics["after"], 2), round(spent_s, 2)])
        if run.iteration % KEEP_EVERY == 0 or run.steps >= run.config.steps:
            replace_file(log, json.dumps({"versions": versions(), "iterations": lines}) + "\n")
            run.save(folder)
    return run, [line[:-1] for line in lines], earlier_s


def _restored(run: MetaTraining, folder: Path) -> bool:
    try:
        return run.restore(folder)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _kept_lines(log: Path, iterations: int) -> list[list[float]]:
    """Lines of the log: steps, return before and after, CPU seconds from the beginning.

    Raises:
        SettingsError: it has fewer lines than the state beside it has iterations, or is of other versions.
    """
    kept = json.loads(log.read_text(encoding="utf-8")) if log.exists() else {"versions": {}, "iterations": []}
    refuse_other_versions(log.parent, kept["versions"])
    lines: list[list[float]] = kept["iterations"]
    if len(lines) < iterations:
        raise SettingsError(
            f"{log}: holds {len(lines)} of the {iterations} iterations of the state beside it, so that "
            "returns and time are not known: move the folder away, or choose another --scratch"
        )
    return lines[:iterations]


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


# -- the tables -----------------------------------------------------------------------------------------


def table(out: Path, rows: Collection[str] | None = None) -> str:
    """Markdown of the records of `rows` (None: all), a table a scenario; columns: episodes on the task.

    `gain` is the return after as many trials as training gave an inner step, minus that of the same prior
    before any, seed by seed.

    Raises:
        ValueError: a row that there is not, or a record of other settings than its row's.
    """
    wanted = ROWS if rows is None else rows
    for name in wanted:
        if name not in ROWS:
            raise ValueError(f"row {name!r}: there is none; one of {', '.join(ROWS)} is expected")
    records: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(out.glob("*-seed*.json")):
        name = path.stem.rpartition("-seed")[0]  # other studies' records lie there too
        if name in wanted:
            records.setdefault(name, []).append(read(path, settings(ROWS[name])))
    text = []
    for scenario in dict.fromkeys(ROWS[name].scenario for name in ROWS if name in records):
        mine = {n: records[n] for n in ROWS if n in records and ROWS[n].scenario == scenario}
        lines = [line for name, found in mine.items() for line in _lines(ROWS[name], found)]
        episodes = sorted({episode for line in lines for episode in line.returns})
        head = ["row", "seeds", "training steps", "CPU-s a seed", "adapts", "acts by"]
        text += [
            f"{scenario}, return of an inner episode after episodes on the test task:\n",
            "| " + " | ".join([*head, *map(str, episodes), "gain"]) + " |",
            "|---|---:|---:|---:|---|---|" + "---:|" * (len(episodes) + 1),
        ]
        for line in lines:
            cells = [over_seeds(line.returns[e]) if e in line.returns else "" for e in episodes]
            text.append("| " + " | ".join([*line.head, *cells, line.gain]) + " |")
        text.append("")
    return "\n".join(text) + versions_note([r for found in records.values() for r in found])


@dataclass(frozen=True)
class _Line:
    """A line of the table.

    Attributes:
        head: its first cells.
        returns: episodes on the test task -> each seed's returns [N].
        gain: the last cell.
    """

    head: list[str]
    returns: dict[int, list[np.ndarray]]
    gain: str


def _lines(row: Row, found: list[dict[str, Any]]) -> list[_Line]:
    first = found[0]
    head = [
        f"`{first['row']}`",
        str(len(found)),
        f"{first['steps']:,}",
        f"{np.mean([record['cpu_s'] for record in found]):.0f}",
    ]
    lines = []
    for key in [key for key in first if key.startswith("curve")]:
        inner = len(first[key][0]["returns"][0])
        # Samples are kept as a mean over the trial: of several inner episodes they have no one place.
        for acts in ("mode", "sample") if inner == 1 else ("mode",):
            returns = {
                point["episodes"] + k: [_returns(record[key][i], acts, k) for record in found]
                for i, point in enumerate(first[key])
                for k in range(inner)
            }
            after = returns.get(row.trials * inner)
            before = [_returns(record["curve"][0], acts, 0) for record in found]
            gain = "" if after is None else paired(after, before)
            lines.append(_Line([*head, key.partition("/")[2] or "all", acts], returns, gain))
    return lines


def _returns(point: dict[str, Any], acts: str, inner_episode: int) -> np.ndarray:
    return np.array(point["sampled"]) if acts == "sample" else np.array(point["returns"])[:, inner_episode]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run rows of the study, or print its table; the exit code."""
    return run_study(
        arguments,
        prog="python -m benchmarks.studies.maml",
        description=__doc__,
        rows=ROWS,
        run_row=run_row,
        table=table,
        out=RESULTS,
        scratch=Path("runs/maml_study"),
    )


if __name__ == "__main__":
    exit_with(main)
