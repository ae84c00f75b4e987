"""Performance profiles, probability of improvement, optimality gap: distributions, not points."""

from __future__ import annotations

from benchmarks.report import numbers
from benchmarks.report.chart import Drawing, Series, line_chart
from benchmarks.report.comparison import (
    THRESHOLDS,
    improvement,
    profile_of,
    ranking,
    score_axis,
    shown_first,
    team_of,
)
from benchmarks.report.fragment import Fragment, Report
from benchmarks.report.table import Cell, Row, Table, interval_cell


def profiles(report: Report) -> Fragment | None:
    """Profiles of all ranked methods, and how often a run of the team beats a run of each other."""
    complete, _ = ranking(report.study)
    if not complete:
        return None
    figure = _figure(report)
    team = next((e for e in complete if e.method.name == team_of(report.study)), None)
    rows = []
    for entry in complete:
        chance = Cell(numbers.DASH)
        if team is not None and entry is not team:
            interval = improvement(team, entry)
            chance = interval_cell(interval, places=2)
            if team.runs < 2 or entry.runs < 2:
                chance = Cell(chance.text, "one seed", value=interval.estimate)
        gap = Cell(numbers.decimal(entry.gap, places=2), value=entry.gap)
        rows.append(Row(entry.method.name, entry.method.label, (chance, gap), entry.method))
    caption = (
        "P(team better): how often a run of the team beats a run of this method, ties half, mean over "
        "scenarios; small print: percentile bootstrap over seeds. Optimality gap: mean shortfall of a run "
        "below the oracle, 0 is none."
    )
    table = Table(caption, ("P(team better)", "Optimality gap"), tuple(rows), compact=True)
    return Fragment(
        "Profiles and probability of improvement",
        "profiles",
        f'<div class="figures">{figure.html()}<div>{table.html()}</div></div>',
        table.markdown(),
    )


def _figure(report: Report) -> Drawing:
    complete, _ = ranking(report.study)
    series, told = [], []
    names = shown_first(report.study)
    for entry in complete:
        if entry.method.kind == "reference" or entry.method.name not in names:
            continue
        profile = profile_of(report.study, entry)
        tips = tuple(
            f"{share:.0%} of runs score above {numbers.decimal(tau, places=2)}"
            for tau, share in zip(profile.thresholds.tolist(), profile.share.tolist(), strict=True)
        )
        x, y, low, high = (
            line.tolist() for line in (profile.thresholds, profile.share, profile.low, profile.high)
        )
        series.append(Series(entry.method, x, y, low, high, tips, points=False, steps=True))
        middle = int((profile.share > 0.5).sum())
        at = profile.thresholds[min(middle, THRESHOLDS - 1)]
        told.append(f"{entry.method.label}: half of the runs above {numbers.decimal(float(at), places=2)}")
    svg = line_chart(
        series,
        x_label="normalised score s",
        y_label="share of runs with a score above s",
        x_domain=score_axis(report.study),
        y_domain=(0.0, 1.02),
    )
    return Drawing(
        "Performance profiles",
        "The further right and up, the better; lines that cross are not ordered. Band: 95% percentile "
        "bootstrap over seeds, pointwise.",
        f"Performance profiles. {'; '.join(told)}.",
        svg,
    )
