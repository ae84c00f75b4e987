"""A part for each scenario: returns and scores of all methods and references, and the figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.report import numbers
from benchmarks.report.comparison import shown_first
from benchmarks.report.fragment import Fragment, Report
from benchmarks.report.sections.adapting import episode_figure
from benchmarks.report.sections.curves import return_figure
from benchmarks.report.study import MethodSummary, ScenarioSummary
from benchmarks.report.table import Cell, Row, Table, interval_cell, marker

CROWD = 10  # methods; with more of them a figure begins with the first ones
OPEN_UP_TO = 3  # scenarios; with more of them the parts are closed at first


def scenarios(report: Report) -> Fragment | None:
    """The parts, one after the other."""
    if not report.study.scenarios:
        return None
    many = len(report.study.scenarios) > OPEN_UP_TO
    html, markdown = [], []
    first = shown_first(report.study)
    for number, scenario in enumerate(report.study.scenarios):
        problem = f"no scores: no reference values: {scenario.problem}." if scenario.problem else ""
        note = f'<p class="note">{escape(problem)}</p>' if problem else ""
        body = note + main_table(scenario).html() + _figures(scenario, first) + _others(scenario)
        name = escape(scenario.name)
        anchor = f"{report.prefix}scenario-{number}"
        html.append(
            f'<details id="{anchor}" class="scenario"><summary>{name}</summary>{body}</details>'
            if many
            else f'<div id="{anchor}" class="scenario"><h3>{name}</h3>{body}</div>'
        )
        text = [f"### {scenario.name}", f"> {problem}" if problem else "", main_table(scenario).markdown()]
        markdown.append("\n\n".join(part for part in text if part))
    return Fragment("Scenario by scenario", "scenarios", "".join(html), "\n\n".join(markdown))


def main_table(scenario: ScenarioSummary) -> Table:
    """Methods and references by the return that they are judged by, best first."""
    trained = [m for m in scenario.methods if m.runs]
    seeds = sorted({m.runs for m in trained if m.trained})
    tasks = sorted({m.returns.shape[1] for m in trained})
    told = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}" if seeds else "no"
    caption = (
        f"{scenario.name}: {told} seed{'s' if told != '1' else ''} a method, "
        f"{numbers.listed([str(t) for t in tasks])} test tasks. Returns: interquartile mean over seeds; "
        "small print: 95% interval, Student's t over seeds. Score: (return \N{MINUS SIGN} random) / "
        "(oracle \N{MINUS SIGN} random); bootstrap: the same with the percentile bootstrap over seeds that "
        "is usual in papers."
    )
    heads = [f"Return, ep. {k + 1}" for k in range(scenario.inner_episodes)]
    rows = [(m.judged.estimate if m.judged else -math.inf, 1, _row(m, scenario)) for m in scenario.methods]
    rows += [(value, 0, row) for value, row in _reference_rows(scenario)]
    rows.sort(key=lambda item: (-item[0], item[1]))
    columns = (*heads, "Score (IQM)", "Score (bootstrap)", "Seeds")
    return Table(caption, columns, tuple(row for *_, row in rows))


def _row(m: MethodSummary, scenario: ScenarioSummary) -> Row:
    if not m.runs:
        blank = [Cell("failed", f"{len(m.failed)} run{'s' if len(m.failed) > 1 else ''}")]
        blank += [Cell(numbers.DASH)] * (scenario.inner_episodes + 1) + [Cell("0", value=0)]
        return Row(m.method.name, m.method.label, tuple(blank), m.method)
    cells = [interval_cell(episode) for episode in m.episodes]
    cells.append(interval_cell(m.score, places=2))
    bootstrap = interval_cell(m.bootstrapped, places=2) if m.runs > 1 else Cell(numbers.DASH)
    return Row(m.method.name, m.method.label, (*cells, bootstrap, Cell(str(m.runs), value=m.runs)), m.method)


def _reference_rows(scenario: ScenarioSummary) -> list[tuple[float, Row]]:
    if scenario.reference is None:
        return []
    labels = {
        "oracle": "Reference: oracle, knows the task",
        "blind": "Reference: told nothing, trained: a lower bound of the blind ceiling"
        if scenario.reference.blind_is_trained
        else "Reference: blind ceiling",
        "random": "Reference: random",
    }
    rows = []
    for name, label in labels.items():
        returns = getattr(scenario.reference, name)
        if returns is None:
            continue
        judged = scenario.reference.judged(name)
        score = float(scenario.reference.score(judged))
        cells = [Cell(numbers.decimal(value), value=value) for value in returns]
        cells.append(Cell(numbers.decimal(score, places=2), value=score))
        rows.append((judged, Row(name, label, (*cells, Cell(numbers.DASH), Cell(numbers.DASH)))))
    return rows


def _figures(scenario: ScenarioSummary, first: Sequence[str]) -> str:
    figures = "".join(d.html() for d in (return_figure(scenario), episode_figure(scenario)) if d is not None)
    if not figures:
        return ""
    return f'{legend(scenario, first)}<div class="figures">{figures}</div>'


def legend(scenario: ScenarioSummary, first: Sequence[str]) -> str:
    """Buttons that show and hide a method in every figure of the page.

    Where there are many methods, the script begins with those of `first` alone.
    """
    shown = [m.method.name for m in scenario.methods if m.runs]
    minor = set(shown) - set(first) if len(shown) > CROWD and set(shown) & set(first) else set()
    items = "".join(
        f'<li><button type="button" class="toggle" data-method="{m.method.variable}" aria-pressed="true"'
        f"{' data-minor' if m.method.name in minor else ''}>"
        f"{marker(m.method)}{escape(m.method.label)}</button></li>"
        for m in scenario.methods
        if m.runs
    )
    return f'<ul class="legend" aria-label="Methods in the figures: press to hide or show">{items}</ul>'


def _others(scenario: ScenarioSummary) -> str:
    table = other_table(scenario)
    if table is None:
        return ""
    return (
        "<details><summary>Scores of single inner episodes, other splits, sampled actions</summary>"
        f"{table.html()}</details>"
    )


def other_table(scenario: ScenarioSummary) -> Table | None:
    """Evaluations beside the judged one, and scores of single inner episodes; None where there are none."""
    rows = []
    for m in scenario.methods:
        if m.episode_scores:
            cells = [Cell("test, as score"), Cell(m.actions), Cell(str(m.runs), value=m.runs)]
            cells += [interval_cell(score, places=2) for score in m.episode_scores]
            cells.append(interval_cell(m.score, places=2))
            rows.append(Row(m.method.name, m.method.label, tuple(cells), m.method))
        for other in m.others:
            cells = [Cell(other.split), Cell(other.actions), Cell(str(other.runs), value=other.runs)]
            cells += [interval_cell(episode) for episode in other.episodes]
            cells.append(interval_cell(other.score, places=2))
            rows.append(Row(m.method.name, m.method.label, tuple(cells), m.method))
    if not rows:
        return None
    episodes = tuple(f"Episode {k + 1}" for k in range(scenario.inner_episodes))
    caption = (
        f"{scenario.name}: the judged evaluation as score of each inner episode, by that episode's "
        "references; and the last evaluations on other splits or with sampled actions, as returns."
    )
    return Table(caption, ("Split", "Actions", "Runs", *episodes, "Score"), tuple(rows))
