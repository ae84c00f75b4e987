"""The reference table: random, blind and oracle returns of each scenario, measured once and committed.

    python -m benchmarks.reference --out benchmarks/results/reference

trains the task-revealed agents and writes `ma_ssm_env/references.json`, by which every score is scaled:
(return - random) / (oracle - random). The oracle is the better of the task-revealed methods by mean return
over seeds. Blind ceilings are computed, not trained: the best return of a policy that is told nothing.
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
from benchmarks.record_store import find_record
from benchmarks.records import Record
from benchmarks.runner.execute import plan
from benchmarks.runner.schedule import run_all
from benchmarks.runner.software import versions
from benchmarks.runner.suites import Suite
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.scenarios import find_scenario

ORACLES = ("mono-mlp-oracle", "sb3-ppo-oracle")
BUDGETS = {"PointDir-v0": 300_000, "HalfCheetahVel-v0": 1_000_000}
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
    if scenario == "PointDir-v0":
        return 0.0, "analytic: over directions that are uniform on the circle any motion earns 0 on average"
    if scenario == "HalfCheetahVel-v0":
        speeds = found.variation.tasks("test")[:, 0]
        best = -float(np.abs(speeds - np.median(speeds)).mean()) * found.horizon
        return round(best, 3), "analytic: the median speed from the first step on, without control cost"
    raise ValueError(f"{scenario}: no blind ceiling is known; add how it is computed to blind_ceiling")


def _suite(scenario: str) -> Suite:
    budget = BUDGETS[scenario]
    return Suite("reference", (scenario,), ORACLES, SEEDS, budget, (budget,), 20)


def _oracle(records: Sequence[Record]) -> dict[str, Any]:
    by_method: dict[str, list[np.ndarray[Any, Any]]] = {}
    for record in records:
        last = [e for e in record.result.evaluations if e.actions == "mode"][-1]
        by_method.setdefault(record.run.method, []).append(last.array().mean((0, 1)))
    means = {method: np.mean(values, axis=0) for method, values in by_method.items()}
    best = max(means, key=lambda method: float(means[method].mean()))
    per_seed = [float(v.mean()) for v in by_method[best]]
    return {
        "returns": [round(float(x), 3) for x in means[best]],
        "method": best,
        "per_seed": [round(x, 3) for x in per_seed],
        "others": {m: [round(float(x), 3) for x in v] for m, v in means.items() if m != best},
    }


def measure(scenario: str, directory: Path, jobs: int, command: str) -> dict[str, Any]:
    """One entry of the table; finished runs in `directory` are reused."""
    runs = plan(_suite(scenario), command)
    done = run_all(runs, directory, jobs)
    if done.failed:
        raise RuntimeError(
            f"{scenario}: {len(done.failed)} oracle runs failed: {next(iter(done.failed.values()))}"
        )
    records = [record for run in runs if (record := find_record(directory, run)) is not None]
    floor = evaluate(scenario, twin_floor("random", scenario), split="test", trials=RANDOM_TRIALS)
    blind, how = blind_ceiling(scenario)
    return {
        "random": {"returns": [round(float(x), 3) for x in floor.returns.mean((0, 1))]},
        "blind": {"returns": [blind] * floor.returns.shape[2], "how": how},
        "oracle": _oracle(records),
        "budget": BUDGETS[scenario],
        "seeds": list(range(SEEDS)),
        "command": command,
        "mujoco": versions()["mujoco"],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when the table is written, 1 when an oracle failed, 2 on bad usage."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reference", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/reference"), help="folder for the records"
    )
    parser.add_argument("--scenarios", nargs="+", default=list(BUDGETS), help=f"of {', '.join(BUDGETS)}")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.scenarios if name not in BUDGETS]
    if unknown:
        print(
            f"error: {unknown[0]}: no reference budget; one of {', '.join(BUDGETS)} is expected",
            file=sys.stderr,
        )
        return 2
    if given.jobs < 1:
        print(f"error: --jobs {given.jobs}: at least 1 is expected", file=sys.stderr)
        return 2
    table = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    command = f"python -m benchmarks.reference --out {given.out}"
    for scenario in given.scenarios:
        try:
            table[scenario] = measure(scenario, given.out, given.jobs, command)
        except RuntimeError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        beside = TABLE.with_suffix(".tmp")
        beside.write_text(json.dumps(table, indent=1) + "\n")
        os.replace(beside, TABLE)
        print(f"{scenario}: {json.dumps(table[scenario]['oracle'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
