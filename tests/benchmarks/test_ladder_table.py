"""Methods by scenarios: what is judged, at the end, over seeds."""

import dataclasses
from pathlib import Path

import pytest

from benchmarks.failures import write_failure
from benchmarks.ladder_table import ladder_table
from benchmarks.record_store import read_records, write_record
from benchmarks.records import Evaluation, Record, Result, Timings
from benchmarks.runner.execute import plan
from benchmarks.runner.software import versions
from benchmarks.runner.suites import Suite


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two seeds of two methods on a scenario, and of one of them on another."""
    for scenario, methods in (("PointDirDelayed-v0", ("zero",)), ("PointDir-v0", ("zero", "random"))):
        for run in plan(Suite("s", (scenario,), methods, 2, 100, (50, 100)), "command"):
            level = 10.0 * run.seed + (0.4 if run.method == "zero" else 7.0)
            early, late = ((level + shift, level + shift + 2.0) for shift in (500.0, 0.0))
            judged = tuple(
                Evaluation(steps, "test", actions, ((0.0,),), ((returns,),))
                for steps, actions, returns in (
                    (50, "mode", early),
                    (100, "mode", late),
                    (100, "sampled", early),
                )
            )
            timings = Timings({"cpu": "x"}, 1.0, 1.0, 1.0, "2026-01-01T00:00:00Z")
            write_record(tmp_path, Record(run, versions(), Result({}, 100, (), judged), timings))
    return tmp_path


def test_a_line_a_method_and_a_column_a_scenario(folder: Path) -> None:
    assert ladder_table(folder).splitlines() == [
        "| method | `PointDir-v0` | `PointDirDelayed-v0` |",
        "|---|---:|---:|",
        "| `random` | 13 | - |",
        "| `zero` | 6 | 7 |",  # (1.4 + 11.4) / 2, means of inner episodes; (2.4 + 12.4) / 2, the last ones
    ]


def test_runs_that_failed_are_told_below_the_table(folder: Path) -> None:
    for seed in (2, 3):
        run = dataclasses.replace(read_records(folder)[0].run, seed=seed)
        write_failure(folder, run, "FloatingPointError: loss is nan", versions())
    last = ladder_table(folder).splitlines()[-1]
    name = f"{run.method} on {run.scenario}"
    assert last == f"Failed and left out, which flatters those methods: {name} 2."


def test_runs_of_another_configuration_are_not_averaged(folder: Path) -> None:
    other = plan(Suite("s", ("PointDir-v0",), ("zero",), 1, 70, (70,)), "command")[0]
    made = read_records(folder)[0]
    write_record(folder, dataclasses.replace(made, run=other))
    with pytest.raises(ValueError, match="PointDir-v0: zero: 3 records of 2 different configurations"):
        ladder_table(folder)
