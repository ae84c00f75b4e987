"""Adaptation: what a trial gains from its first inner episode to its last, and what a change costs."""

from __future__ import annotations

import numpy as np

from benchmarks.report import numbers
from benchmarks.report.chart import Drawing, Level, Series, line_chart
from benchmarks.report.fragment import Fragment, Report
from benchmarks.report.study import ScenarioSummary
from benchmarks.report.table import Cell, Row, Table, interval_cell


def adapting(report: Report) -> Fragment | None:
    """A table of gains for scenarios of several inner episodes, one of deficits for those that change."""
    gains, changes = [], []
    for scenario in report.study.scenarios:
        for m in scenario.methods:
            if m.gain is not None:
                cells = (
                    Cell(scenario.name),
                    interval_cell(m.episodes[0]),
                    interval_cell(m.episodes[-1]),
                    interval_cell(m.gain, signed=True),
                )
                gains.append(Row(m.method.name, m.method.label, cells, m.method))
            if m.change is not None:
                cells = (
                    Cell(scenario.name),
                    interval_cell(m.change.before),
                    interval_cell(m.change.deficit, signed=True),
                    interval_cell(m.change.recovered, places=2),
                )
                changes.append(Row(m.method.name, m.method.label, cells, m.method))
    tables = []
    if gains:
        caption = (
            "The task stays for the whole trial: who finds it out does better in the last inner episode than "
            "in the first. Gain: last minus first, paired in each run. No gain can also mean that the first "
            "episode was as good as can be."
        )
        heads = ("Scenario", "First episode", "Last episode", "Gain")
        tables.append(Table(caption, heads, tuple(gains)))
    if changes:
        caption = (
            "Reward of a step before the change; deficit: that minus the reward in the shock (the first "
            "eighth of a trial after the change); recovered: share of the deficit that is made good "
            "afterwards, given where the interval of the deficit is above zero."
        )
        heads = ("Scenario", "Before", "Deficit", "Recovered")
        tables.append(Table(caption, heads, tuple(changes)))
    if not tables:
        return None
    if len(report.study.scenarios) == 1:
        tables = [table.without("Scenario") for table in tables]
    return Fragment(
        "Adaptation",
        "adaptation",
        "".join(table.html() for table in tables),
        "\n\n".join(table.markdown() for table in tables),
    )


def episode_figure(scenario: ScenarioSummary) -> Drawing | None:
    """Test return of each inner episode; None where there is only one."""
    summaries = [s for s in scenario.methods if s.runs]
    episodes = scenario.inner_episodes
    if episodes < 2 or not summaries:
        return None
    series = []
    for index, s in enumerate(summaries):
        shift = 0.4 * (index / max(len(summaries) - 1, 1) - 0.5)
        tips = tuple(f"{numbers.estimated(e)} in episode {k}" for k, e in enumerate(s.episodes, start=1))
        series.append(
            Series(
                s.method,
                [k + shift for k in range(1, episodes + 1)],
                [e.estimate for e in s.episodes],
                [e.low for e in s.episodes],
                [e.high for e in s.episodes],
                tips,
                bars=True,
            )
        )
    levels = []
    if scenario.reference is not None:
        for name, label in (("oracle", "oracle"), ("blind", "blind ceiling"), ("random", "random")):
            returns = getattr(scenario.reference, name)
            if returns is not None:
                pieces = tuple((k - 0.35, k + 0.35, value) for k, value in enumerate(returns, start=1))
                levels.append(Level(label, pieces))
    ends = [e.estimate for s in summaries for e in s.episodes]
    ends += [v for e in (e for s in summaries for e in s.episodes if e.bounded) for v in (e.low, e.high)]
    ends += [value for level in levels for *_, value in level.pieces]
    pad = 0.05 * (max(ends) - min(ends)) or 1.0
    svg = line_chart(
        series,
        x_label="inner episode of the trial",
        y_label="return on the test tasks",
        levels=levels,
        x_ticks=np.arange(1, episodes + 1).tolist(),
        x_text=lambda x: f"{x:.0f}",
        x_domain=(0.55, episodes + 0.45),
        y_domain=(min(ends) - pad, max(ends) + pad),
    )
    told = "; ".join(
        f"{s.method.label} {' then '.join(numbers.decimal(e.estimate) for e in s.episodes)}"
        for s in summaries
    )
    return Drawing(
        "Return of each inner episode",
        "Bars: 95% interval over seeds. Points are moved sideways to be told apart.",
        f"Return of each inner episode on {scenario.name}, by method: {told}.",
        svg,
    )
