"""The table of a scenario: built once, written as HTML (cards on a narrow screen) and as markdown."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape

from benchmarks.report import numbers
from benchmarks.report.methods import Method
from benchmarks.report.summary import MethodSummary, ScenarioSummary
from benchmarks.stats import LEVELS, Interval


@dataclass(frozen=True)
class Cell:
    """A value with, under it, its interval or a remark; `graphic` is HTML for the page only."""

    text: str
    detail: str = ""
    graphic: str = ""


@dataclass(frozen=True)
class Row:
    """A row; `method` is None for a reference row."""

    name: str
    label: str
    cells: tuple[Cell, ...]
    method: Method | None = None


@dataclass(frozen=True)
class Table:
    """A captioned table: `columns` are (head, head that can stand alone), `groups` (title, width) above."""

    caption: str
    columns: tuple[tuple[str, str], ...]
    groups: tuple[tuple[str, int], ...]
    rows: tuple[Row, ...] = field(default=())

    def html(self) -> str:
        """The table as HTML; explicit roles keep it a table for screen readers when it is shown as cards."""
        top, bottom, index = "", "", 0
        for title, width in self.groups:
            if title:
                top += f'<th scope="colgroup" role="columnheader" colspan="{width}" class="group">'
                top += f"{escape(title)}</th>"
            for name, _ in self.columns[index : index + width]:
                if title:
                    bottom += f'<th scope="col" role="columnheader">{escape(name)}</th>'
                else:
                    top += f'<th scope="col" role="columnheader" rowspan="2">{escape(name)}</th>'
            index += width
        body = ""
        for row in self.rows:
            swatch = marker(row.method) if row.method else '<span class="swatch-gap"></span>'
            body += f'<tr role="row" class="{"method" if row.method else "reference"}">'
            name = f"<span>{escape(row.label)}<code>{escape(row.name)}</code></span>"
            body += f'<th scope="row" role="rowheader">{swatch}{name}</th>'
            for (_, label), cell in zip(self.columns, row.cells, strict=True):
                empty = " empty" if cell.text == numbers.DASH and not cell.graphic else ""
                graphic = " graphic" if cell.graphic else ""
                detail = f"<small>{escape(cell.detail)}</small>" if cell.detail else ""
                body += (
                    f'<td role="cell" class="cell{empty}{graphic}" data-label="{escape(label)}">'
                    f"<span>{escape(cell.text)}</span>{detail}{cell.graphic}</td>"
                )
            body += "</tr>\n"
        return (
            f'<table role="table"><caption>{escape(self.caption)}</caption><thead role="rowgroup">'
            f'<tr role="row"><th scope="col" role="columnheader" rowspan="2">Method</th>{top}</tr>'
            f'<tr role="row">{bottom}</tr></thead><tbody role="rowgroup">\n{body}</tbody></table>'
        )

    def markdown(self) -> str:
        """The table as a markdown table, with its caption under it."""
        heads = ["Method", *(label for _, label in self.columns)]
        lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * len(self.columns) + "|"]
        for row in self.rows:
            cells = [f"{c.text} ({c.detail})" if c.detail else c.text for c in row.cells]
            name = f"{row.label} `{row.name}`"
            lines.append("| " + " | ".join([name if row.method else f"*{name}*", *cells]) + " |")
        return "\n".join([*lines, "", f"*{self.caption}*"])


def main_table(scenario: ScenarioSummary) -> Table:
    """Methods and references by score, best first."""
    episodes = scenario.inner_episodes
    trained = [m for m in scenario.methods if m.runs]
    seeds = sorted({m.runs for m in trained if m.trained})
    tasks = sorted({m.returns.shape[1] for m in trained})
    told = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}" if seeds else "no"
    caption = (
        f"{scenario.name}: {told} seed{'s' if told != '1' else ''} a method, "
        f"{numbers.listed([str(t) for t in tasks])} test tasks. Small print: 95% percentile bootstrap "
        "interval over seeds "
        "and tasks. Score: (return \N{MINUS SIGN} random) / (oracle \N{MINUS SIGN} random), interquartile "
        "mean over seeds "
        "(the plain mean with fewer than four). Steps: first validation check at or above the level, "
        "median over seeds, "
        "in brackets the seeds that reached it; > means that the median seed did not. Times and speeds: "
        "medians."
    )
    columns = [(f"Episode {k + 1}", f"Return, ep. {k + 1}") for k in range(episodes)]
    columns += [("Score", "Score (IQM)")]
    columns += [(f"{level:.0%}", f"Steps to {level:.0%}") for level in LEVELS]
    columns += [
        (name, name) for name in ("Actor parameters", "Steps charged", "Wall time", "Steps per CPU-s")
    ]
    groups = (("Return", episodes), ("", 1), ("Steps to share of the oracle's score", len(LEVELS)), ("", 4))
    domain = score_domain(scenario)
    rows = [
        (m.mean.estimate if m.mean else -math.inf, 1, _method_row(m, scenario, domain))
        for m in scenario.methods
    ]
    rows += [(value, 0, row) for value, row in _reference_rows(scenario)]
    rows.sort(key=lambda item: (-item[0], item[1]))
    return Table(caption, tuple(columns), groups, tuple(row for _, _, row in rows))


def other_table(scenario: ScenarioSummary) -> Table | None:
    """Evaluations beside the judged one, and scores of single inner episodes; None where there are none."""
    episodes = scenario.inner_episodes
    rows = []
    for summary in scenario.methods:
        if summary.episode_scores:
            cells = [Cell("test"), Cell(summary.actions), Cell(str(summary.runs))]
            cells += [_interval(score, "score") for score in summary.episode_scores]
            rows.append(
                Row(
                    summary.method.name,
                    summary.method.label,
                    (*cells, _interval(summary.score, "score")),
                    summary.method,
                )
            )
        for other in summary.others:
            cells = [Cell(other.split), Cell(other.actions), Cell(str(other.runs))]
            cells += [_interval(episode) for episode in other.episodes]
            rows.append(
                Row(
                    summary.method.name,
                    summary.method.label,
                    (*cells, _interval(other.score, "score")),
                    summary.method,
                )
            )
    if not rows:
        return None
    names = ("Split", "Actions", "Runs", *(f"Episode {k + 1}" for k in range(episodes)), "Score")
    columns = tuple((name, name) for name in names)
    caption = (
        f"{scenario.name}: the judged evaluation as score of each inner episode, by that episode's "
        "references, and below it "
        "the last evaluations on other splits or with sampled actions, as returns."
    )
    return Table(caption, columns, (("", 3), ("Inner episodes", episodes), ("", 1)), tuple(rows))


def score_domain(scenario: ScenarioSummary) -> tuple[float, float]:
    """Ends of the axis that all score strips of a scenario share."""
    ends = [0.0, 1.0]
    for summary in scenario.methods:
        if summary.score:
            ends += [summary.score.low, summary.score.high, *summary.run_scores]
    pad = 0.04 * (max(ends) - min(ends))
    return min(ends) - pad, max(ends) + pad


def strip(
    interval: Interval,
    domain: tuple[float, float],
    colour: str,
    *,
    points: tuple[float, ...] = (),
    ticks: tuple[float, ...] = (),
) -> str:
    """A value and its interval on an axis, as a small SVG that is as wide as its place."""

    def at(value: float) -> str:
        return f"{100 * (value - domain[0]) / (domain[1] - domain[0]):.2f}%"

    marks = "".join(
        f'<line x1="{at(t)}" x2="{at(t)}" y1="0" y2="100%" class="tick"/>' for t in ticks if math.isfinite(t)
    )
    dots = "".join(
        f'<circle cx="{at(p)}" cy="50%" r="2.6" fill="{colour}" fill-opacity=".5"/>' for p in points
    )
    return (
        f'<svg class="strip" aria-hidden="true">{marks}'
        f'<line x1="{at(interval.low)}" x2="{at(interval.high)}" y1="50%" y2="50%" stroke="{colour}" '
        f'stroke-width="2"/>{dots}'
        f'<line x1="{at(interval.estimate)}" x2="{at(interval.estimate)}" y1="18%" y2="82%" '
        f'stroke="{colour}" '
        'stroke-width="3.5" stroke-linecap="round"/></svg>'
    )


_SHAPES = {
    "o": '<circle cx="15" cy="8" r="4.2"/>',
    "s": '<rect x="11" y="4" width="8" height="8"/>',
    "^": '<path d="M15 3l5 9h-10z"/>',
    "v": '<path d="M15 13l5-9h-10z"/>',
    "<": '<path d="M10 8l9-5v10z"/>',
    ">": '<path d="M20 8l-9-5v10z"/>',
    "D": '<path d="M15 2.6l5.4 5.4l-5.4 5.4l-5.4-5.4z"/>',
    "P": '<path d="M13 3h4v3h3v4h-3v3h-4v-3h-3v-4h3z"/>',
    "X": '<path d="M12 3l3 3l3-3l2 2l-3 3l3 3l-2 2l-3-3l-3 3l-2-2l3-3l-3-3z"/>',
    "*": '<path d="M15 2l1.6 4.2l4.4.2l-3.5 2.7l1.2 4.3l-3.7-2.5l-3.7 2.5l1.2-4.3l-3.5-2.7l4.4-.2z"/>',
    "p": '<path d="M15 3l5 3.7l-1.9 5.8h-6.2l-1.9-5.8z"/>',
    "h": '<path d="M15 3l4.5 2.5v5l-4.5 2.5l-4.5-2.5v-5z"/>',
}
_DASHES = {"solid": "", "dashed": "5 3", "dashdot": "6 2.5 1.5 2.5", "dotted": "1.5 2.5"}


def marker(method: Method) -> str:
    """The method's line and marker, as in the figures."""
    dash = f' stroke-dasharray="{_DASHES[method.dash]}"' if _DASHES[method.dash] else ""
    return (
        f'<svg class="swatch" viewBox="0 0 30 16" aria-hidden="true" fill="{method.css}" stroke="none">'
        f'<line x1="0" x2="30" y1="8" y2="8" stroke="{method.css}" '
        f'stroke-width="2"{dash}/>{_SHAPES[method.marker]}</svg>'
    )


def _method_row(summary: MethodSummary, scenario: ScenarioSummary, domain: tuple[float, float]) -> Row:
    if not summary.runs:
        blank = [Cell("not finite", f"{len(summary.failed)} runs")] + [Cell(numbers.DASH)] * (
            scenario.inner_episodes + 7
        )
        return Row(summary.method.name, summary.method.label, tuple(blank), summary.method)
    cells = [_interval(episode) for episode in summary.episodes]
    if summary.score and scenario.reference:
        ticks = (0.0, scenario.reference.blind_score, 1.0)
        graphic = strip(summary.score, domain, summary.method.css, points=summary.run_scores, ticks=ticks)
        cells.append(
            Cell(
                numbers.decimal(summary.score.estimate, places=2),
                numbers.span(summary.score, places=2),
                graphic,
            )
        )
    else:
        cells.append(Cell(numbers.DASH))
    levels = [Cell(numbers.steps_to_level(level)) for level in summary.levels if summary.trained]
    cells += levels or [Cell(numbers.DASH)] * len(LEVELS)
    cells += [
        Cell(numbers.count(summary.actor_parameters) if summary.trained else numbers.DASH),
        Cell(numbers.steps(summary.charged_steps) if summary.trained else numbers.DASH),
        Cell(numbers.duration(summary.wall_s)),
        Cell(numbers.count(summary.train_steps_per_cpu_s)),
    ]
    return Row(summary.method.name, summary.method.label, tuple(cells), summary.method)


def _reference_rows(scenario: ScenarioSummary) -> list[tuple[float, Row]]:
    if scenario.reference is None:
        return []
    labels = {
        "oracle": "Reference: oracle, knows the task",
        "blind": "Reference: blind ceiling",
        "random": "Reference: random",
    }
    rows = []
    for name, label in labels.items():
        returns = getattr(scenario.reference, name)
        if returns is None:
            continue
        cells = [Cell(numbers.decimal(value)) for value in returns]
        mean = scenario.reference.mean(name)
        cells.append(Cell(numbers.decimal(float(scenario.reference.score(mean)), places=2)))
        rows.append((mean, Row(name, label, (*cells, *[Cell(numbers.DASH)] * (len(LEVELS) + 4)))))
    return rows


def _interval(interval: Interval | None, kind: str = "return") -> Cell:
    if interval is None:
        return Cell(numbers.DASH)
    places = 2 if kind == "score" else None
    return Cell(numbers.decimal(interval.estimate, places=places), numbers.span(interval, places=places))
