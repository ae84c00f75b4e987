"""The single agent that a team is compared with: a run of the runner's, trained once and then reused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.record_store import find_record, write_record
from benchmarks.records import Evaluation, Record, Run
from benchmarks.runner.claim import claimed
from benchmarks.runner.execute import execute, plan
from benchmarks.runner.software import differing
from benchmarks.runner.suites import Suite
from benchmarks.runner.unfinished import Unfinished
from benchmarks.workflows.session import CHECKS, check_steps, say_waits

METHOD = "mono-s5"  # our PPO as one agent with the memory that the team's roles have by default


def baseline_run(scenario: str, seed: int, budget: int, method: str = METHOD) -> Run:
    """The baseline's run: the team's budget, judged on the test tasks wherever the team may stop."""
    suite = Suite("workflow", (scenario,), (method,), seed + 1, budget, check_steps(budget), CHECKS)
    return next(run for run in plan(suite, "benchmarks.workflows") if run.seed == seed)


def baseline(run: Run, store: Path, on_progress: Callable[[int], None] = lambda steps: None) -> Record:
    """The record of a baseline: from the store, or trained into it; an interrupted one goes on.

    Where another process trains it, this one waits and takes its record.
    """
    with claimed(store, run, lambda: say_waits(run)):
        unfinished = Unfinished(store, run)
        found = find_record(store, run)
        if found is not None and not differing(found.versions):
            unfinished.clear()  # there is something where a process was killed just after it wrote the record
            on_progress(run.budget)
            return found
        record = execute(run, on_progress, unfinished)
        write_record(store, record)
        unfinished.clear()
        return record


def at_steps(record: Record, steps: int) -> Evaluation:
    """The test evaluation nearest to a step count: at that count, where iterations are equally long."""
    return min(record.result.judged, key=lambda e: abs(e.steps - steps))
