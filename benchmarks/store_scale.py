"""How long a store of many records takes: write, index, list, summarise, report.

    python -m benchmarks.store_scale --records 100000 --out /tmp/store

The records are simulated: returns are drawn, and only their numbers and sizes are those of real runs (8
scenarios x 25 methods x as many seeds as it takes; 20 tasks x 5 trials x 2 inner episodes, judged twice, a
curve of 15 points). It prints one JSON line of seconds and bytes. `docs/scaling.md` says what follows.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record_index import INDEX, Entry, read_index
from benchmarks.records import CurvePoint, Evaluation, Record, Result, Run, Timings, record_key
from benchmarks.runner.software import host, versions
from ma_ssm_env.commands import exit_with

SCENARIOS = tuple(f"Simulated{number}-v0" for number in range(8))
METHODS = tuple(f"method-{number}" for number in range(25))
TASKS, TRIALS, EPISODES, CURVE, BUDGET = 20, 5, 2, 15, 300_000


def simulated(
    number: int, rng: np.random.Generator, software: dict[str, str], machine: dict[str, Any]
) -> Record:
    """Record `number` of a simulated store."""
    seed, rest = divmod(number, len(SCENARIOS) * len(METHODS))
    scenario, method = divmod(rest, len(METHODS))
    returns = rng.normal(scenario * 10.0 + method, 5.0, (2, TASKS, TRIALS, EPISODES)).round(3).tolist()
    tasks = tuple((task / TASKS,) for task in range(TASKS))
    evaluations = tuple(
        Evaluation(BUDGET, "test", actions, tasks, _tuples(values))
        for actions, values in zip(("mode", "sampled"), returns, strict=True)
    )
    curve = tuple(
        CurvePoint(BUDGET * (point + 1) // CURVE, (float(point), float(point))) for point in range(CURVE)
    )
    run = Run(
        SCENARIOS[scenario], METHODS[method], seed, BUDGET, "simulated",
        {"method": method, "settings": dict.fromkeys(map(str, range(30)), 0.1)}, "0", "simulated",
    )  # fmt: skip
    return Record(
        run,
        software,
        Result({"actor": 1, "critic": 1}, BUDGET, curve, evaluations),
        Timings(machine, 60.0, 60.0, 5000.0, "2026-01-01T00:00:00+00:00"),
    )


def summarise(entries: Sequence[Entry]) -> dict[tuple[str, str], dict[str, float]]:
    """Scenario, method -> runs, and interquartile mean of their returns over inner episodes and seeds."""
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for entry in entries:
        groups[entry.scenario, entry.method].append(float(np.mean(entry.returns)))
    found = {}
    for group, values in sorted(groups.items()):
        ordered = np.sort(values)
        cut = len(ordered) // 4
        found[group] = {"runs": len(ordered), "iqm": float(ordered[cut : len(ordered) - cut].mean())}
    return found


def report(summary: dict[tuple[str, str], dict[str, float]]) -> str:
    """A markdown table of a summary."""
    lines = ["| scenario | method | runs | return, IQM |", "|---|---|---:|---:|"]
    lines += [f"| {s} | {m} | {v['runs']} | {v['iqm']:.2f} |" for (s, m), v in summary.items()]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 2 on bad usage."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.store_scale",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--records", type=int, default=100_000, help="how many")
    parser.add_argument("--out", type=Path, required=True, help="an empty folder; it is left as it is then")
    given = parser.parse_args(arguments)
    if given.records < 1:
        print(f"error: --records {given.records}: at least 1 is expected", file=sys.stderr)
        return 2
    folder = given.out / "records"
    if folder.exists():
        print(f"error: {folder} is there: name a folder without records", file=sys.stderr)
        return 2
    folder.mkdir(parents=True)
    rng, software, machine = np.random.default_rng(0), versions(), host()
    seconds: dict[str, dict[str, float]] = {}

    def timed(name: str, work: Any) -> Any:
        wall, cpu = time.monotonic(), time.process_time()
        result = work()
        used = {"wall": round(time.monotonic() - wall, 2), "cpu": round(time.process_time() - cpu, 2)}
        seconds[name] = used
        return result

    def write() -> int:
        size = 0
        for number in range(given.records):
            record = simulated(number, rng, software, machine)
            text = json.dumps(record.to_json(), separators=(",", ":"), allow_nan=False) + "\n"
            (folder / f"{record_key(record.run)}.json").write_text(text, encoding="utf-8")
            size += len(text)
        return size

    size = timed("written", write)
    timed("indexed for the first time", lambda: read_index(given.out))
    entries = timed("listed by the index", lambda: read_index(given.out))
    summary = timed("summarised", lambda: summarise(list(entries.values())))
    timed("reported", lambda: (given.out / "summary.md").write_text(report(summary), encoding="utf-8"))
    again = next(iter(entries))
    (folder / f"{again}.json").touch()
    timed("listed after one record more", lambda: read_index(given.out))
    told = {
        "records": len(entries),
        "seconds": seconds,
        "bytes": {
            "records": size,
            "each": size // given.records,
            "index": (given.out / INDEX).stat().st_size,
        },
        "host": machine,
    }
    print(json.dumps(told))
    return 0


def _tuples(values: Any) -> Any:
    return tuple(_tuples(value) for value in values) if isinstance(values, list) else values


if __name__ == "__main__":
    exit_with(main)
