"""The reference table: random, blind and oracle returns of each scenario, measured once and committed.

    python -m benchmarks.reference --out benchmarks/results/reference

trains the task-revealed agents and writes `ma_ssm_env/references.json`, by which every score is scaled:
(return - random) / (oracle - random). The oracle is the best of the task-revealed methods by mean return
over seeds (of the last inner episode where the reward is delayed, of all elsewhere); an entry says which
were tried, with how many seeds, and what the best still gained in the last quarter of its budget (a ceiling
that still rises is low). A blind ceiling is the best return of a policy that is told nothing: computed where
it can be, else that of an agent without memory that is trained without seeing any reward, which is a lower
bound.
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
from benchmarks.judged_return import judged_return
from benchmarks.record_store import find_record
from benchmarks.records import Record
from benchmarks.runner.execute import plan
from benchmarks.runner.schedule import run_all
from benchmarks.runner.software import versions
from benchmarks.runner.suites import Suite
from ma_ssm_env.commands import exit_with, shown_path
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.scenarios import find_scenario
from ma_ssm_env.whole_file import replace_file

ORACLES = ("mono-mlp-oracle", "sb3-ppo-oracle")
MORE_ORACLES = ("sb3-sac-oracle",)  # asked for by name: one run takes an hour
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
    return Suite("reference", (scenario,), methods, seeds, budget, (budget,), 20)


def _oracle(records: Sequence[Record]) -> dict[str, Any]:
    by_method: dict[str, list[np.ndarray[Any, Any]]] = {}
    for record in records:
        last = [e for e in record.result.evaluations if e.actions == "mode"][-1]
        by_method.setdefault(record.run.method, []).append(last.array().mean((0, 1)))
    means = {method: np.mean(values, axis=0) for method, values in by_method.items()}
    scenario = records[0].run.scenario
    best = max(means, key=lambda method: float(judged_return(scenario, means[method])))
    per_seed = [float(judged_return(scenario, v)) for v in by_method[best]]
    return {
        "returns": [round(float(x), 3) for x in means[best]],
        "method": best,
        "per_seed": [round(x, 3) for x in per_seed],
        "others": {m: [round(float(x), 3) for x in v] for m, v in means.items() if m != best},
        "last_quarter": _last_quarter([record for record in records if record.run.method == best]),
    }


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
    """One entry of the table; finished runs in `directory` are reused."""
    seeds = SEEDS if seeds is None else seeds
    runs = plan(_suite(scenario, oracles, seeds), command)
    blind_runs = plan(_suite(scenario, (BLIND,), 1), command) if scenario in TRAINED_BLIND else []
    done = run_all([*runs, *blind_runs], directory, jobs)
    if done.failed:
        raise RuntimeError(
            f"{scenario}: {len(done.failed)} oracle runs failed: {next(iter(done.failed.values()))}"
        )
    records = [record for run in runs if (record := find_record(directory, run)) is not None]
    floor = evaluate(scenario, twin_floor("random", scenario), split="test", trials=RANDOM_TRIALS)
    if blind_runs:
        (blind_record,) = (find_record(directory, run) for run in blind_runs)
        assert blind_record is not None
        blind = _oracle([blind_record])["returns"]
        how = f"trained: {BLIND}, seed 0, without memory or any reward to see: a lower bound"
    else:
        ceiling, how = blind_ceiling(scenario)
        blind = [ceiling] * floor.returns.shape[2]
    return {
        "random": {"returns": [round(float(x), 3) for x in floor.returns.mean((0, 1))]},
        "blind": {"returns": blind, "how": how},
        "oracle": _oracle(records),
        "tried": list(oracles),
        "budget": BUDGETS[scenario],
        "seeds": list(range(seeds)),
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
    parser.add_argument(
        "--oracles", nargs="+", default=list(ORACLES), help=f"of {', '.join((*ORACLES, *MORE_ORACLES))}"
    )
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
    strange = [name for name in given.oracles if name not in (*ORACLES, *MORE_ORACLES)]
    if strange:
        print(f"error: --oracles {strange[0]}: it is not shown the task", file=sys.stderr)
        return 2
    given.oracles = list(dict.fromkeys(given.oracles))
    command = f"python -m benchmarks.reference --out {shown_path(given.out)}"
    command += f" --seeds {given.seeds}" if given.seeds != SEEDS else ""
    command += f" --oracles {' '.join(given.oracles)}" if tuple(given.oracles) != ORACLES else ""
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
