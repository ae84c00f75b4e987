"""Time and memory of a report on many records: `python -m benchmarks.report.scale` (10,000 by default).

The records are made up, in the size and shape of real ones: 20 test tasks x 5 trials x 2 inner episodes, 3
evaluations and 20 checks a run.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.record_store import read_records, record_path
from benchmarks.records import CurvePoint, Evaluation, Record, Result, Run, Timings
from benchmarks.report.fragment import Report
from benchmarks.report.methods import methods_by_name
from benchmarks.report.page import html_page, markdown_report
from benchmarks.report.references import ReferenceTable
from benchmarks.report.summary import summarise
from ma_ssm_env.commands import exit_with

METHODS = (
    "random", "zero", "sb3-ppo", "sb3-ppo-oracle", "sb3-sac", "sb3-recurrent-ppo", "sb3-shared-ppo",
    "mono-mlp", "mono-s5", "mono-gru", "mono-lstm", "mono-mamba", "mono-transformer", "mono-s5-handicapped",
    "mono-mlp-scratchpad", "team-s5", "team-s5-muted", "team-s5-full", "team-s5-free", "team-s5-fixed-trust",
    "team-mlp", "team-gru", "team-lstm", "team-s5-alp-gmm", "team-s5-curriculum",
)  # fmt: skip
SEEDS = 20
TASKS, TRIALS, EPISODES, CHECKS = 20, 5, 2, 20
BUDGET = 1_000_000


def synthetic(count: int) -> tuple[list[Record], ReferenceTable]:
    """`count` records over methods, seeds and as many scenarios as that needs; and their references."""
    rng = np.random.default_rng(0)
    records = []
    for number in range(count):
        method, rest = METHODS[number % len(METHODS)], number // len(METHODS)
        seed, scenario = rest % SEEDS, f"Scenario{rest // SEEDS:02d}-v0"
        skill = 0.1 + 0.8 * (number % len(METHODS)) / len(METHODS)
        trained = method not in ("random", "zero")
        records.append(_record(scenario, method, seed, 100 * skill + 5 * rng.normal(), trained, rng))
    entry = {"random": {"returns": [0.0] * EPISODES}, "oracle": {"returns": [100.0] * EPISODES}}
    entry["blind"] = {"returns": [30.0] * EPISODES}
    return records, ReferenceTable({record.run.scenario: entry for record in records})


def measure(count: int, directory: Path) -> dict[str, float]:
    """Seconds of CPU time for reading, summarising and writing the page, its size, and peak memory."""
    records, table = synthetic(count)
    (directory / "records").mkdir(exist_ok=True)
    for record in records:  # without the runner's fsync, which is most of the time of writing so many
        record_path(directory, record.run).write_text(json.dumps(record.to_json()), encoding="utf-8")
    del records
    found = {"records": float(count)}
    began = time.process_time()
    read = read_records(directory)
    found["read_s"] = time.process_time() - began
    began = time.process_time()
    methods = methods_by_name(record.run.method for record in read)
    study = summarise(read, table, methods)
    found["summarise_s"] = time.process_time() - began
    began = time.process_time()
    report = Report(study, methods, directory)
    page, markdown = html_page(report), markdown_report(report)
    found["page_s"] = time.process_time() - began
    found["page_mb"] = len(page.encode()) / 1e6
    found["markdown_mb"] = len(markdown.encode()) / 1e6
    found["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # kilobytes on Linux
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report.scale", description="Measure a report on many made-up records."
    )
    parser.add_argument("--records", type=int, default=10_000, help="how many (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    given = parser.parse_args(arguments)
    if given.records < 1:
        parser.error(f"--records {given.records}: at least 1 is expected")
    with tempfile.TemporaryDirectory() as directory:
        found = measure(given.records, Path(directory))
    if given.json:
        print(json.dumps(found))
        return 0
    for name, value in found.items():
        print(f"{name:12} {value:10,.2f}")
    return 0


def _record(
    scenario: str, method: str, seed: int, final: float, trained: bool, rng: np.random.Generator
) -> Record:
    steps = np.linspace(BUDGET / CHECKS, BUDGET, CHECKS).astype(int).tolist()
    curve = tuple(
        CurvePoint(s, tuple((final * s / BUDGET + rng.normal(size=EPISODES)).tolist())) for s in steps
    )
    tasks = tuple((round(-0.95 + 0.1 * i, 2),) for i in range(TASKS))
    evaluation = Evaluation(BUDGET, "test", "mode", tasks, ())
    judged = tuple(
        replace(evaluation, steps=s, actions=actions, returns=_nested(final + 3 * _noise(rng)))
        for s, actions in ((BUDGET // 2, "mode"), (BUDGET, "mode"), (BUDGET, "sampled"))
    )
    return Record(
        Run(
            scenario,
            method,
            seed,
            BUDGET,
            "scale",
            {"seed": seed, "ppo": {f"setting_{i}": i / 7 for i in range(30)}},
            "0.1.0",
            "python -m benchmarks.run --suite scale",
        ),
        {"python": "3.11", "mujoco": "4.0.0"},
        Result({"actor": 12_345} if trained else {}, BUDGET * trained, curve if trained else (), judged),
        Timings({"cpu": "made up"}, 100.0, 90.0, 5000.0 if trained else None, "2026-01-01T00:00:00+00:00"),
    )


def _noise(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(TASKS, TRIALS, EPISODES))


def _nested(values: np.ndarray) -> tuple[tuple[tuple[float, ...], ...], ...]:
    return tuple(tuple(tuple(row) for row in task) for task in values.tolist())


if __name__ == "__main__":
    exit_with(main)
