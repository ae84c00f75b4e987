"""A folder's runs side by side, methods x scenarios: what each earned on the test tasks in the end."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.configurations import repetitions
from benchmarks.failures import read_failures, with_lost
from benchmarks.judged_return import judged_return
from benchmarks.record_store import read_records
from benchmarks.records import Record
from benchmarks.runner.methods import METHODS
from ma_ssm_env import SCENARIOS


def ladder_table(folder: Path) -> str:
    """Markdown, a line a method and a column a scenario, both in the order of their registries.

    A cell is the mean over seeds, mode actions; a dash where there is no run. A line below the table tells of
    runs that failed.

    Raises:
        ValueError: a method has runs of several configurations on a scenario.
    """
    records = repetitions(read_records(folder))
    scenarios = sorted({record.run.scenario for record in records}, key=list(SCENARIOS).index)
    earned: dict[tuple[str, str], list[float]] = {}
    for record in records:
        earned.setdefault((record.run.method, record.run.scenario), []).append(_earned(record))
    methods = [name for name in METHODS if any((name, scenario) in earned for scenario in scenarios)]
    lines = [
        "| method | " + " | ".join(f"`{scenario}`" for scenario in scenarios) + " |",
        "|---|" + "---:|" * len(scenarios),
    ]
    for method in methods:
        cells = [
            f"{np.mean(found):.0f}" if (found := earned.get((method, scenario))) else "-"
            for scenario in scenarios
        ]
        lines.append(f"| `{method}` | " + " | ".join(cells) + " |")
    return with_lost("\n".join(lines), read_failures(folder)) + "\n"


def _earned(record: Record) -> float:
    return float(judged_return(record.run.scenario, record.result.judged[-1].array()).mean())
