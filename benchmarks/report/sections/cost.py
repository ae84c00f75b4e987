"""Cost: parameters, control steps and time."""

from __future__ import annotations

import math

from benchmarks.report import numbers
from benchmarks.report.fragment import Fragment, Report
from benchmarks.report.study import MethodSummary
from benchmarks.report.table import Cell, Row, Table, number_cell


def cost(report: Report) -> Fragment | None:
    """A table of what each method took, scenario by scenario."""
    several = len(report.study.scenarios) > 1
    rows = []
    for scenario in report.study.scenarios:
        for m in scenario.methods:
            if m.runs and m.trained:
                label = f"{m.method.label}, {scenario.name}" if several else m.method.label
                rows.append(Row(m.method.name, label, _cells(m), m.method))
    if not rows:
        return None
    caption = (
        "Medians over runs. Actor: parameters that act; critic: parameters that only training needs. Steps "
        "charged: all control steps that a run took. Speed: training steps per second of CPU time, "
        "evaluation apart. Times are comparable on one host only."
    )
    heads = (
        "Actor parameters",
        "Critic parameters",
        "Steps charged",
        "Wall time",
        "CPU time",
        "Steps per CPU-s",
    )
    table = Table(caption, heads, tuple(rows))
    return Fragment("Cost", "cost", table.html(), table.markdown())


def _cells(m: MethodSummary) -> tuple[Cell, ...]:
    critic = m.median(lambda r: r.result.parameters.get("critic", math.nan))
    cpu = m.median(lambda r: r.timings.cpu_s)
    return (
        number_cell(m.actor_parameters, numbers.count(m.actor_parameters)),
        number_cell(critic, numbers.count(critic)),
        number_cell(m.charged_steps, numbers.steps(m.charged_steps)),
        number_cell(m.wall_s, numbers.duration(m.wall_s)),
        number_cell(cpu, numbers.duration(cpu)),
        number_cell(m.train_steps_per_cpu_s, numbers.count(m.train_steps_per_cpu_s)),
    )
