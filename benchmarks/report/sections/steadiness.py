"""Stability: spread over seeds, what is lost after the peak, and collapsed runs."""

from __future__ import annotations

from benchmarks.report import numbers
from benchmarks.report.comparison import scored
from benchmarks.report.fragment import Fragment, Report
from benchmarks.report.table import Cell, Row, Table, number_cell


def steadiness(report: Report) -> Fragment | None:
    """A table of stability for all scored scenarios."""
    rows = []
    for scenario in scored(report.study):
        for m in scenario.methods:
            found = m.stability
            if found is None or not m.trained:
                continue
            rate = found.collapsed / found.learned if found.learned else float("nan")
            cells = (
                Cell(scenario.name),
                number_cell(found.spread, numbers.decimal(found.spread, places=2))
                if m.runs > 1
                else Cell(numbers.DASH),
                number_cell(found.drop, numbers.decimal(found.drop, places=2)),
                number_cell(rate, f"{found.collapsed} of {found.learned}"),
                Cell(str(found.runs), value=found.runs),
            )
            rows.append(Row(m.method.name, m.method.label, cells, m.method))
    if not rows:
        return None
    caption = (
        "Spread: interquartile range of the final score over seeds. Drop: highest validation score minus the "
        "last, median over seeds (the peak of a noisy curve is too high, so a little is no alarm). "
        "Collapsed: runs that end below half of their peak, of those that ever scored 0.2; runs without "
        "finite returns count as collapsed."
    )
    heads = ("Scenario", "Spread over seeds", "Drop after the peak", "Collapsed", "Runs")
    table = Table(caption, heads, tuple(rows))
    if len(report.study.scenarios) == 1:
        table = table.without("Scenario")
    return Fragment("Stability", "stability", table.html(), table.markdown())
