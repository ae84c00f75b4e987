"""The first screen: the answer in a sentence, the ranked table, one figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.report import numbers
from benchmarks.report.chart import nice_ticks
from benchmarks.report.comparison import Ranked, ranking, score_axis, scored
from benchmarks.report.fragment import Fragment, Report
from benchmarks.report.sections.curves import score_figure
from benchmarks.report.study import Difference, MethodSummary, Study
from benchmarks.report.table import Cell, Row, Table, interval_cell, number_cell, strip
from benchmarks.report.verdict import verdict

DOTTED = 4  # scenarios; with as many, dots of all seeds would be a smear


def answer(report: Report) -> Fragment:
    """The verdict, the ranking over all scored scenarios and the learning curves in score."""
    found = verdict(report.study)
    table = ranked_table(report.study)
    figure = score_figure(report)
    shown = f'<div class="first"><div>{table.html()}</div>{figure.html() if figure else ""}</div>'
    return Fragment(
        "The answer",
        "answer",
        f'<div class="answer"><div><p class="lead">{escape(found.answer)}</p>'
        f"<p>{escape(found.messages)}</p></div>{_contrasts(found.contrasts)}</div>{shown}",
        f"**{found.answer}**\n\n{found.messages}\n\n{table.markdown()}",
    )


def ranked_table(study: Study) -> Table:
    """Methods by score over all scored scenarios, with the places that their intervals leave them."""
    scenarios = scored(study)
    if not scenarios:
        return _unscored(study)
    complete, partial = ranking(study)
    domain = score_axis(study)
    names = numbers.listed([scenario.name for scenario in scenarios])
    where = names if len(scenarios) == 1 else f"{len(scenarios)} scenarios ({names})"
    caption = (
        f"{where}. Score: 0 is random acting, 1 the agent that is shown the task; interquartile mean over "
        "seeds (the mean below four), with its 95% interval (Student's t over seeds). Place: what the "
        "intervals leave open. Thin lines: random, oracle"
    )
    blind = [s.reference.blind_score for s in scenarios if s.reference]
    ticks: tuple[float, ...] = (0.0, 1.0)
    if len(blind) == 1 and math.isfinite(blind[0]):
        ticks, caption = (0.0, blind[0], 1.0), caption + " and the blind ceiling"
    if len(scenarios) < DOTTED:
        caption += "; dots: seeds"
    rows = [
        Row(entry.method.name, entry.method.label, _cells(entry, domain, ticks), entry.method)
        for entry in [*complete, *partial]
    ]
    return Table(
        caption + ".", ("Score", "95% interval", "Place", "Score while learning", "Seeds"), tuple(rows),
        compact=True,
    )  # fmt: skip


def _cells(entry: Ranked, domain: tuple[float, float], ticks: tuple[float, ...]) -> tuple[Cell, ...]:
    dots = (
        tuple(score for scores in entry.run_scores for score in scores)
        if len(entry.run_scores) < DOTTED
        else ()
    )
    graphic = strip(entry.score, domain, entry.method.css, points=dots, ticks=ticks)
    low, high = entry.places
    place = Cell(numbers.DASH)
    if low:
        place = Cell(f"{low}" if low == high else f"{low}{numbers.DASH}{high}", value=low + high / 100)
    interval = numbers.span(entry.score, places=2) or "one seed: none"
    return (
        Cell(numbers.decimal(entry.score.estimate, places=2), value=entry.score.estimate),
        Cell(interval, graphic=graphic, value=entry.score.low if entry.score.bounded else math.nan),
        place,
        number_cell(entry.area, numbers.decimal(entry.area, places=2)),
        Cell(str(entry.runs), value=entry.runs),
    )


def _unscored(study: Study) -> Table:
    """Without any score: returns, scenario by scenario."""
    rows = [
        Row(m.method.name, m.method.label, (Cell(scenario.name), *_returns(m)), m.method)
        for scenario in study.scenarios
        for m in scenario.methods
    ]
    caption = (
        "No scores: there are no reference values. Return: mean over inner episodes (of the last one where "
        "the reward is delayed), IQM over seeds."
    )
    return Table(caption, ("Scenario", "Return", "Seeds"), tuple(rows), compact=True)


def _returns(summary: MethodSummary) -> tuple[Cell, Cell]:
    return interval_cell(summary.judged), Cell(str(summary.runs), value=summary.runs)


def _contrasts(contrasts: Sequence[Difference]) -> str:
    bounded = [c for c in contrasts if c.interval.bounded]
    if not bounded:
        return ""
    ends = [0.0, *(end for c in bounded for end in (c.interval.low, c.interval.high))]
    pad = 0.06 * (max(ends) - min(ends)) or 0.1
    domain = (min(ends) - pad, max(ends) + pad)
    rows = ""
    for contrast in bounded:
        told = numbers.estimated(contrast.interval, signed=True, places=2)
        state = "" if contrast.decided else f" {numbers.DASH} not decided"
        rows += (
            f'<div class="what"><b>{told}{state}</b> <span>{escape(contrast.first.name)} minus '
            f"{escape(contrast.second.name)}</span></div>"
            f"<div>{strip(contrast.interval, domain, contrast.first.css, ticks=(0.0,), zero=True)}</div>"
        )
    ticks = ""
    for value in nice_ticks(*domain, 6):
        x = 100 * (value - domain[0]) / (domain[1] - domain[0])
        ticks += f'<text x="{x:.2f}%" y="13" text-anchor="middle">{numbers.plain(value)}</text>'
    axis = f'<div><svg class="axis" aria-hidden="true">{ticks}</svg></div>'
    axis += '<div class="gap">difference in score</div>'
    return f'<div class="contrasts">{rows}{axis}</div>'
