"""What each mode of collaboration is worth: `python -m benchmarks.studies.collaboration run --seeds 0 1 2`.

A team learns a scenario for the whole budget in every mode, and is judged on the test tasks: that of the
quick start (`s5`: four agents with S5, forecasts of 10 steps), or one without memory and forecasts
(`mlp`, of width 64), which takes a third of the time. What is done with the same settings and packages is not
done again, what was cut off goes on. A run that diverges is told in `failed/` beside the records; the others
go on, and the next call tries it again.

`table` makes the table of the records alone, and says how many runs of a row failed; its intervals are
Student's t over seeds.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.configurations import without_seed
from benchmarks.failures import clear_failure, read_failures, write_failure
from benchmarks.records import Run
from benchmarks.runner.software import host, versions, versions_note
from benchmarks.stats import Interval, iqm_difference, iqm_interval
from benchmarks.studies.command import ALLOW_MIXED, run_each
from benchmarks.studies.settings import Settings, is_done, plain, write
from benchmarks.studies.settings import read as read_record
from benchmarks.workflows import MODES, CollaborativeLearning, Mode
from benchmarks.workflows.baseline import METHOD, baseline_run
from benchmarks.workflows.collaboration import OUT
from ma_ssm_env import __version__
from ma_ssm_env.commands import exit_with
from policies.agents import AdaptationAgent, CoordinatorAgent, MetaLearningAgent, StateModelingAgent
from policies.cores import CoreConfig

RESULTS = Path("benchmarks/results/workflows")
SCENARIO, BUDGET = "PointDir-v0", 300_000
DIGITS = 5
_PLACES = ("checkpoint", "report")


@dataclass(frozen=True)
class Team:
    """Who learns.

    Attributes:
        core: of every role.
        width: of every role.
        prediction_horizon: steps that state_modeling forecasts.
        single_agent: method that it is compared with.
    """

    core: str = CoreConfig.kind
    width: int = CoreConfig.width
    prediction_horizon: int = 10
    single_agent: str = METHOD

    @property
    def workflow(self) -> CollaborativeLearning:
        """The four acting agents."""
        shape: dict[str, Any] = {"core": self.core, "width": self.width}
        return CollaborativeLearning(
            agents=[MetaLearningAgent(**shape), AdaptationAgent(**shape), StateModelingAgent(**shape)],
            coordinator=CoordinatorAgent(**shape),
        )


TEAMS = {"s5": Team(), "mlp": Team("mlp", 64, 0, "mono-mlp")}


def settings(scenario: str, team: str, mode: Mode, budget: int) -> Settings:
    """What a record must have been made with, but for its seed."""
    chosen = TEAMS[team]
    training = chosen.workflow.training_config(
        scenario, mode, budget, prediction_horizon=chosen.prediction_horizon
    )
    alone = baseline_run(scenario, 0, budget, chosen.single_agent)
    return {
        "team": chosen,
        "mode": mode,
        "budget": budget,
        "target": None,
        "training": training,
        "single_agent": alone.configuration,
    }


def record_path(out: Path, scenario: str, team: str, mode: Mode, seed: int) -> Path:
    """Where the record of one run is, or will be."""
    return out / f"collaboration-{scenario}-{team}-{mode}-seed{seed}.json"


def run_of(scenario: str, team: str, mode: Mode, seed: int, budget: int) -> Run:
    """The identity by which a run's failure is told."""
    return Run(
        scenario=scenario,
        method=f"{team}-{mode}",
        seed=seed,
        budget=budget,
        suite="collaboration",
        configuration=plain(settings(scenario, team, mode, budget)),
        code=__version__,
        command=f"python -m benchmarks.studies.collaboration run --scenario {scenario} --teams {team} "
        f"--modes {mode} --seeds {seed} --budget {budget}",
    )


def run_one(
    scenario: str,
    team: str,
    mode: Mode,
    seed: int,
    out: Path,
    runs: Path,
    budget: int = BUDGET,
    allow_mixed: bool = False,
) -> Path:
    """Train and judge; the path of the record.

    Raises:
        SettingsError: a record of other settings or versions is in its place.
        FloatingPointError: it diverged; `out` tells of it (`benchmarks.failures`) until a record is there.
    """
    path = record_path(out, scenario, team, mode, seed)
    made_with = settings(scenario, team, mode, budget)
    if is_done(path, made_with, allow_mixed):
        return path
    chosen = TEAMS[team]
    run = run_of(scenario, team, mode, seed, budget)
    try:
        result = chosen.workflow.solve_task(
            scenario,
            collaboration_mode=mode,
            target_performance=None,
            prediction_horizon=chosen.prediction_horizon,
            single_agent=chosen.single_agent,
            budget=budget,
            seed=seed,
            out=runs,
            progress=False,
        )
    except FloatingPointError:
        write_failure(out, run, traceback.format_exc(), versions())
        raise
    record = {name: value for name, value in result.to_json().items() if name not in _PLACES}
    record |= {
        "command": run.command,
        "host": host(),
    }
    write(path, _rounded(record), made_with)
    clear_failure(out, run)
    return path


def failed_seeds(out: Path, scenario: str, team: str, budget: int = BUDGET) -> dict[str, list[int]]:
    """Seeds of the runs with these settings that failed and have no record since, by mode; no empty ones."""
    failures = [failure.run for failure in read_failures(out)]
    found: dict[str, list[int]] = {}
    for mode in MODES:
        asked = run_of(scenario, team, mode, 0, budget)
        seeds = {
            run.seed
            for run in failures
            if (run.scenario, run.method, run.budget) == (scenario, asked.method, budget)
            and without_seed(run.configuration) == without_seed(asked.configuration)
            and not record_path(out, scenario, team, mode, run.seed).exists()
        }
        if seeds:
            found[mode] = sorted(seeds)
    return found


def read(out: Path, scenario: str, team: str, budget: int = BUDGET) -> dict[str, list[dict[str, Any]]]:
    """Records of a team on a scenario by mode, in the order of the modes and seeds.

    Raises:
        SettingsError: one of them is of other settings, or of another budget.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for mode in MODES:
        paths = sorted(out.glob(f"collaboration-{scenario}-{team}-{mode}-seed*.json"))
        if paths:
            made_with = settings(scenario, team, mode, budget)
            found[mode] = [read_record(path, made_with) for path in paths]
    return found


def table(out: Path, scenario: str, team: str, budget: int = BUDGET) -> str:
    """Markdown of all records of a team on a scenario, and what of it failed or is of several versions.

    Raises:
        ValueError: there are none, or one is of other settings.
    """
    records = read(out, scenario, team, budget)
    failed = failed_seeds(out, scenario, team, budget)
    if not records:
        told = f" ({_failures_note(failed).strip()})" if failed else ""
        raise ValueError(f"{out}: no records of team {team} on {scenario}; `run` makes them{told}")
    lines = [
        "| mode | seeds | score | less than emergent | return, inner episode 1 / 2 "
        "| mean score while learning | another task's messages cost | bits a step "
        "| actuator steps in conflict | CPU s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]

    def scores(mode: str) -> list[float]:
        return [record["after"]["estimate"] for record in records[mode]]

    for mode in MODES:
        found, lost = records.get(mode, []), len(failed.get(mode, []))
        count = f"{len(found)} ({lost} failed)" if lost else f"{len(found)}"
        if not found:
            if lost:
                lines.append(f"| `{mode}` | {count} |" + " - |" * 8)
            continue
        apart = "-"
        if mode != "emergent" and "emergent" in records:
            apart = _shown(iqm_difference([scores("emergent")], [scores(mode)]), 3)
        episodes = np.mean([record["returns_after"] for record in found], axis=0)
        found_of = [record["diagnostics"] for record in found]
        listening = [d["listening"]["estimate"] for d in found_of]
        conflicts = [d["conflicts"]["share"] for d in found_of]
        lines.append(
            f"| `{mode}` | {count} | {_shown(iqm_interval([scores(mode)]), 3)} | {apart} | "
            f"{' / '.join(f'{x:.1f}' for x in episodes)} | "
            f"{_shown(iqm_interval([[r['area_under_curve'] for r in found]]), 3)} | "
            f"{_shown(iqm_interval([listening]), 1)} | "
            f"{np.mean([d['bits'] for d in found_of]):.1f} | {np.mean(conflicts):.0%} | "
            f"{np.median([r['cpu_s'] for r in found]):.0f} |"
        )
    alone = {record["seed"]: record for found in records.values() for record in found}
    single = iqm_interval([[record["baseline_score"]["estimate"] for record in alone.values()]])
    lines.append(
        f"| one agent (`{TEAMS[team].single_agent}`) | {len(alone)} | {_shown(single, 3)} | | | | | | | |"
    )
    everyone = [record for found in records.values() for record in found]
    return "\n".join(lines) + "\n" + _failures_note(failed) + versions_note(everyone)


def _failures_note(failed: Mapping[str, Sequence[int]]) -> str:
    """A line where runs failed; else nothing."""
    each = "; ".join(f"{mode} of seed {', '.join(map(str, seeds))}" for mode, seeds in failed.items())
    return f"\nFailed, and in no figure of its row: {each}.\n" if failed else ""


def _shown(x: Interval, digits: int) -> str:
    if not x.bounded:
        return f"{x.estimate:.{digits}f}"
    return f"{x.estimate:.{digits}f} ({x.low:.{digits}f} to {x.high:.{digits}f})"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, 1 where a run diverged, or 2 on bad usage."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.collaboration",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("run", "table"), help="make records, or the table of those there")
    parser.add_argument("--scenario", default=SCENARIO, help=f"id (default: {SCENARIO})")
    parser.add_argument("--teams", nargs="+", choices=TEAMS, default=["s5"], help="(default: s5)")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES), help="(default: all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="(default: 0 1 2)")
    parser.add_argument("--budget", type=int, default=BUDGET, help=f"control steps (default: {BUDGET})")
    parser.add_argument("--out", type=Path, default=RESULTS, help=f"records (default: {RESULTS})")
    parser.add_argument(
        "--runs",
        type=Path,
        default=OUT,
        help=f"checkpoints (default: {OUT})",
    )
    parser.add_argument("--allow-mixed", action="store_true", help=ALLOW_MIXED)
    given = parser.parse_args(arguments)
    try:
        if given.what == "table":
            for team in given.teams:
                print(f"Team `{team}`:\n\n{table(given.out, given.scenario, team, given.budget)}")
            return 0
        places = (given.out, given.runs, given.budget, given.allow_mixed)
        return run_each(
            (f"{team} {mode} of seed {seed}", partial(run_one, given.scenario, team, mode, seed, *places))
            for team, seed, mode in itertools.product(given.teams, given.seeds, given.modes)
        )
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    exit_with(main)
