"""Write the README's tables from committed records: `python -m benchmarks.readme` (`--check` only compares).

Each table stands between a pair of markers, `<!-- results:NAME -->` and `<!-- /results:NAME -->`.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.configurations import repetitions
from benchmarks.failures import read_failures, with_lost
from benchmarks.judged_return import judged_return
from benchmarks.record_store import read_records
from benchmarks.records import Evaluation, Record
from benchmarks.report.methods import methods_by_name
from benchmarks.report.references import default_path, read_references
from benchmarks.run import suite_of
from benchmarks.stats import Interval, iqm_interval
from ma_ssm_env.commands import exit_with
from ma_ssm_env.whole_file import replace_file

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def returns_table(records: Sequence[Record]) -> str:
    """The return that trials are judged by (`judged_return`) at each judged step count, and the score.

    Raises:
        ValueError: a method has runs of several configurations.
    """
    records = repetitions(records)
    scenario = records[0].run.scenario
    by_method: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_method[record.run.method].append(record)
    steps = sorted({s for r in records for s in r.run.configuration["judged"]})
    labels = methods_by_name(by_method)
    first = records[0].result.evaluations[0].array()
    reference, _ = read_references(default_path()).find(scenario, first.shape[2])
    rows = []
    for name, runs in by_method.items():
        cells, last = [], np.empty((0, 0))
        for count in steps:
            last = np.stack([_judged(run, count) for run in runs])  # [seeds, tasks]
            cells.append(_told(iqm_interval([last.mean(axis=1)]), 1))
        score = "-"
        if reference is not None:
            score = _told(iqm_interval([reference.score(last.mean(axis=1))]), 2)
        actor = runs[0].result.parameters.get("actor")
        speed = [r.timings.train_steps_per_cpu_s for r in runs if r.timings.train_steps_per_cpu_s]
        rows.append(
            (
                iqm_interval([last.mean(axis=1)]).estimate,
                f"| {labels[name].label} `{name}` | {len(runs)} | "
                + " | ".join(cells)
                + f" | {score} | {f'{actor:,}' if actor else '-'}"
                + f" | {f'{np.median(speed):,.0f}' if speed else '-'} |",
            )
        )
    rows.sort(key=lambda row: -row[0])
    heads = ["method", "seeds", *[f"at {count // 1000}k" for count in steps], "score", "actor parameters"]
    heads.append("steps per CPU-s")
    commands = [f"`{command}`" for command in makers(records)]
    lines = [
        f"`{scenario}`, return per inner episode; made by {' and '.join(commands)}"
        + (f"; blind ceiling {reference.judged('blind'):g}" if reference else "")
        + (f", oracle {reference.judged('oracle'):.1f}" if reference else "")
        + ":",
        "",
        "| " + " | ".join(heads) + " |",
        "|---" + "|---:" * (len(heads) - 1) + "|",
        *[row for _, row in rows],
    ]
    return "\n".join(lines)


def makers(records: Sequence[Record]) -> tuple[str, ...]:
    """The fewest of the records' commands that make them all: a row that was run anew has one of its own."""
    missing = {(record.run.method, record.run.seed) for record in records}
    made = {}
    for command in dict.fromkeys(record.run.command for record in records):
        suite = suite_of(shlex.split(command)[3:])
        made[command] = {(method, seed) for method in suite.methods for seed in range(suite.seeds)} & missing
    chosen: list[str] = []
    while missing:
        best = max(made, key=lambda command: len(made[command] & missing))
        if not made[best] & missing:
            raise ValueError(f"records of {sorted(missing)}: none of their commands makes them")
        chosen.append(best)
        missing -= made[best]
    return tuple(chosen)


def _told(interval: Interval, places: int) -> str:
    if not interval.bounded:
        return f"{interval.estimate:.{places}f} (one seed)"
    low, high = f"{interval.low:.{places}f}", f"{interval.high:.{places}f}"
    return f"{interval.estimate:.{places}f} ({low} to {high})"


def _judged(record: Record, count: int) -> np.ndarray:
    """Judged return of each task [N] at the first evaluation at or past `count` steps of a run."""
    judged_by = record.result.judged
    found = [e for e in judged_by if e.steps >= count]
    # A shorter run, or a floor, has its last one everywhere.
    returns = (min(found, key=_steps) if found else max(judged_by, key=_steps)).array()
    judged: np.ndarray = judged_return(record.run.scenario, returns).mean(1)
    return judged


def _steps(evaluation: Evaluation) -> int:
    return evaluation.steps


def speed_table(path: Path, command: str) -> str:
    """The rows that `python -m benchmarks.COMMAND --out PATH` wrote."""
    content = json.loads(path.read_text())
    host = content["host"]
    lines = [
        f"Speed ({host['cpu']}, {host['cores']} cores, MuJoCo {content['versions']['mujoco']}), made by "
        f"`python -m benchmarks.{command} --out {path.relative_to(ROOT)}`:",
        "",
        "| what | ours | peer | ratio (lowest to highest) |",
        "|---|---:|---:|---:|",
    ]
    for row in content["rows"]:
        ratio = f"{row['ratio']:.2f} ({row['lowest']:.2f} to {row['highest']:.2f})"
        lines.append(f"| {row['what']} | {row['ours']:,.0f} | {row['peer']:,.0f} | {ratio} |")
    return "\n".join(lines)


TABLES: dict[str, Callable[[], str | None]] = {
    "demo": lambda: _records_table("demo"),
    "point": lambda: _records_table("point"),
    "speed": lambda: _speed_table("throughput.json", "throughput"),
    "training": lambda: _speed_table("training_cost.json", "training_cost"),
    "peers": lambda: _speed_table("peers.json", "throughput --peers"),
}


def _speed_table(file: str, command: str) -> str | None:
    return speed_table(RESULTS / file, command) if (RESULTS / file).exists() else None


def _records_table(folder: str) -> str | None:
    records = read_records(RESULTS / folder)
    return with_lost(returns_table(records), read_failures(RESULTS / folder)) if records else None


def _between(match: re.Match[str], content: str) -> str:
    return match[1] + content + match[2]


def filled(text: str) -> str:
    """The README with every table made anew.

    Raises:
        ValueError: a pair of markers is missing.
    """
    for name, make in TABLES.items():
        pattern = re.compile(f"(<!-- results:{name} -->\n).*?(<!-- /results:{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(
                f"README.md has no pair of markers <!-- results:{name} -->, <!-- /results:{name} -->"
            )
        table = make()
        content = f"{table}\n" if table else ""
        text = pattern.sub(partial(_between, content=content), text)
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where `--check` finds the README out of date."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit with 1 if a table is stale"
    )
    given = parser.parse_args(arguments)
    path = ROOT / "README.md"
    text = path.read_text()
    made = filled(text)
    if given.check:
        if made != text:
            print(
                "README.md: tables differ from the records; run: python -m benchmarks.readme", file=sys.stderr
            )
        return int(made != text)
    replace_file(path, made)
    return 0


if __name__ == "__main__":
    exit_with(main)
