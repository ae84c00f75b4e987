"""The reference table: random, blind and oracle returns of each scenario, measured once and committed.

    python -m benchmarks.reference --out benchmarks/results/reference

trains the task-revealed agents and writes `ma_ssm_env/references.json`, by which every score is scaled:
(return - random) / (oracle - random). The oracle is the best of the task-revealed methods by mean return
over seeds (of the last inner episode where the reward is delayed, of all elsewhere). An entry is made of
every finished oracle in the folder, so seeds and methods can be added later; it says of each what it earned,
by seed, and what it still gained in the last quarter of its budget (a ceiling that still rises is low). SAC's
budget is its own: an update of it costs as much as 40 worlds' steps, and it needs fewer of them. A blind
ceiling is the best return of a policy that is told nothing: computed where it can be, else that of an agent
without memory that is trained without seeing any reward, which is a lower bound.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import ma_ssm_env
from baselines.reference import twin_floor
from benchmarks.configurations import repetition_key
from benchmarks.judged_return import judged_return
from benchmarks.record_store import read_records
from benchmarks.records import Record, record_key
from benchmarks.runner.execute import plan
from benchmarks.runner.schedule import run_all
from benchmarks.runner.software import differing, versions
from benchmarks.runner.suites import Suite
from ma_ssm_env.commands import exit_with, shown_path
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.scenarios import find_scenario
from ma_ssm_env.whole_file import replace_file

ORACLES = ("mono-mlp-oracle", "sb3-ppo-oracle", "sb3-sac-oracle")
BLIND = "mono-mlp-blind"
BUDGETS = {
    "PointDir-v0": 300_000,
    "PointDirDelayed-v0": 300_000,
    "HalfCheetahVel-v0": 1_000_000,
    "HalfCheetahFault-v0": 1_000_000,
    "HalfCheetahSwitch-v0": 1_000_000,
    "HopperRandParams-v0": 1_000_000,
    "Walker2dRandParams-v0": 1_000_000,
    "AntDir-v0": 3_000_000,  # agents start to walk after 600k
}
OFF_POLICY_BUDGET = 300_000
TRAINED_BLIND = ("HalfCheetahFault-v0", "HopperRandParams-v0", "Walker2dRandParams-v0")
SEEDS = 3
RANDOM_TRIALS = 20
TABLE = Path(ma_ssm_env.__file__).parent / "references.json"


def blind_ceiling(scenario: str) -> tuple[float, str]:
    """Best return of an inner episode for a policy that knows the law and is told nothing of the task.

    Returns:
        The ceiling, and how it was computed.

    Raises:
        ValueError: no computation is known for that scenario.
    """
    found = find_scenario(scenario)
    if scenario in ("PointDir-v0", "PointDirDelayed-v0"):
        return 0.0, "analytic: over directions that are uniform on the circle any motion earns 0 on average"
    if scenario == "HalfCheetahVel-v0":
        speeds = found.variation.tasks("test")[:, 0]
        best = -float(np.abs(speeds - np.median(speeds)).mean()) * found.horizon
        return round(best, 3), "analytic: the median speed from the first step on, without control cost"
    if scenario == "HalfCheetahSwitch-v0":
        speeds = found.variation.tasks("test").flatten()  # of both phases: the switch is not announced
        best = -float(np.abs(speeds - np.median(speeds)).mean()) * found.horizon
        return round(best, 3), "analytic: the median speed from the first step on, without control cost"
    if scenario == "AntDir-v0":
        alive = float(found.horizon)  # 1 a step; any motion earns 0 on average over directions
        return alive, "analytic: standing, as over directions any motion earns 0 on average"
    raise ValueError(f"{scenario}: no blind ceiling is known; add how it is computed to blind_ceiling")


def _suite(scenario: str, methods: tuple[str, ...], seeds: int) -> Suite:
    budget = BUDGETS[scenario]
    own = {"off-policy": OFF_POLICY_BUDGET}
    return Suite("reference", (scenario,), methods, seeds, budget, (budget,), 20, own)


def _finished(scenario: str, methods: tuple[str, ...], directory: Path) -> list[Record]:
    """All records of these methods that the folder has, of whatever seeds, with the settings of today.

    Raises:
        RuntimeError: one was made by other versions, under which the same actions give other returns.
    """
    wanted = {(run.method, repetition_key(run)) for run in plan(_suite(scenario, methods, 1), "")}
    found = [
        record
        for record in read_records(directory)
        if record.run.scenario == scenario and (record.run.method, repetition_key(record.run)) in wanted
    ]
    for record in found:
        if others := differing(record.versions):
            raise RuntimeError(
                f"{record_key(record.run)}: made with {others}; move it away, and it is made anew"
            )
    return sorted(found, key=lambda record: record.run.seed)


def _earned(records: Sequence[Record]) -> dict[str, Any]:
    """What the runs of one method earned: mean over seeds for each inner episode, and by seed."""
    scenario = records[0].run.scenario
    returns = []
    for record in records:
        returns.append(record.result.judged[-1].array().mean((0, 1)))
    return {
        "returns": [round(float(x), 3) for x in np.mean(returns, axis=0)],
        "per_seed": {str(r.run.seed): round(float(judged_return(scenario, v)), 3)
                     for r, v in zip(records, returns, strict=True)},
        "budget": records[0].run.budget,
        "last_quarter": _last_quarter(records),
    }  # fmt: skip


def _oracle(records: Sequence[Record]) -> dict[str, Any]:
    """The best of the task-revealed methods, and what each of them earned."""
    methods = dict.fromkeys(record.run.method for record in records)
    earned = {name: _earned([r for r in records if r.run.method == name]) for name in methods}
    scenario = records[0].run.scenario
    best = max(earned, key=lambda name: float(judged_return(scenario, np.array(earned[name]["returns"]))))
    return {"returns": earned[best]["returns"], "method": best, "tried": earned}


def _last_quarter(records: Sequence[Record]) -> float | None:
    """What the validation return gained over the last quarter of the budget, mean over seeds."""
    gains = []
    for record in records:
        curve = [float(judged_return(record.run.scenario, point.returns)) for point in record.result.curve]
        if len(curve) >= 4:
            part = len(curve) // 4
            gains.append(np.mean(curve[-part:]) - np.mean(curve[-2 * part : -part]))
    return round(float(np.mean(gains)), 3) if gains else None


def measure(
    scenario: str,
    directory: Path,
    jobs: int,
    command: str,
    oracles: tuple[str, ...] = ORACLES,
    seeds: int | None = None,
) -> dict[str, Any]:
    """One entry of the table, of all finished runs in `directory`; those asked for and not there are done."""
    seeds = SEEDS if seeds is None else seeds
    asked = plan(_suite(scenario, oracles, seeds), command)
    if scenario in TRAINED_BLIND:
        asked += plan(_suite(scenario, (BLIND,), seeds), command)
    done = run_all(asked, directory, jobs)
    if done.failed:
        raise RuntimeError(
            f"{scenario}: {len(done.failed)} oracle runs failed: {next(iter(done.failed.values()))}"
        )
    floor = evaluate(scenario, twin_floor("random", scenario), split="test", trials=RANDOM_TRIALS)
    if scenario in TRAINED_BLIND:
        blind = _earned(_finished(scenario, (BLIND,), directory))
        blind["how"] = f"trained: {BLIND}, without memory or any reward to see: a lower bound"
    else:
        ceiling, how = blind_ceiling(scenario)
        blind = {"returns": [ceiling] * floor.returns.shape[2], "how": how}
    return {
        "random": {"returns": [round(float(x), 3) for x in floor.returns.mean((0, 1))]},
        "blind": blind,
        "oracle": _oracle(_finished(scenario, ORACLES, directory)),
        "command": command,
        "mujoco": versions()["mujoco"],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when the table is written, 1 when an oracle failed, 2 on bad usage."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reference",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/reference"), help="folder for the records"
    )
    parser.add_argument("--scenarios", nargs="+", default=list(BUDGETS), help=f"of {', '.join(BUDGETS)}")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds of each oracle")
    parser.add_argument("--oracles", nargs="+", default=list(ORACLES), help=f"of {', '.join(ORACLES)}")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.scenarios if name not in BUDGETS]
    if unknown:
        print(
            f"error: {unknown[0]}: no reference budget; one of {', '.join(BUDGETS)} is expected",
            file=sys.stderr,
        )
        return 2
    for name in ("jobs", "seeds"):
        if getattr(given, name) < 1:
            print(f"error: --{name} {getattr(given, name)}: at least 1 is expected", file=sys.stderr)
            return 2
    strange = [name for name in given.oracles if name not in ORACLES]
    if strange:
        print(f"error: --oracles {strange[0]}: it is not shown the task", file=sys.stderr)
        return 2
    given.oracles = list(dict.fromkeys(given.oracles))
    command = f"python -m benchmarks.reference --out {shown_path(given.out)}"
    for scenario in given.scenarios:
        try:
            entry = measure(scenario, given.out, given.jobs, command, tuple(given.oracles), given.seeds)
        except RuntimeError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        # Read now, after the hours: another process may have measured another scenario.
        table = json.loads(TABLE.read_text()) if TABLE.exists() else {}
        replace_file(TABLE, json.dumps(table | {scenario: entry}, indent=1) + "\n")
        print(f"{scenario}: {json.dumps(entry['oracle'])}")
    return 0


if __name__ == "__main__":
    exit_with(main)
