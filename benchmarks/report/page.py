"""The page: one HTML file that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.report import numbers
from benchmarks.report.figures import adaptation, learning_curves
from benchmarks.report.methods import Method
from benchmarks.report.roles_drawing import roles_svg
from benchmarks.report.style import style_sheet
from benchmarks.report.summary import Difference, ScenarioSummary, Study, without_seed
from benchmarks.report.tables import main_table, marker, other_table, strip
from benchmarks.report.verdict import QUESTION, limits, verdict

TITLE = "One agent, or a team of five?"

_DUTIES = (
    (
        "Only one role is told anything",
        "state_modeling alone senses velocities and the reward that gives the task away. Whoever acts on "
        "the body must "
        "be told, in 8 numbers, over a channel that costs, blurs and delays.",
    ),
    (
        "Two roles act, one weighs",
        "meta_learning proposes a torque that is good on any task, adaptation corrects it, and the "
        "coordinator, without "
        "any sensor of its own, sets how far the correction is trusted and how much the channel carries.",
    ),
    (
        "One role chooses what to learn",
        "environment manages the tasks through a ledger of outcomes. It works between trials, in training "
        "only: tests "
        "draw their tasks from fixed lists.",
    ),
    (
        "The single agent has it all",
        "It senses everything without delay and sets the torque itself: by construction the harder opponent.",
    ),
)


@dataclass(frozen=True)
class Report:
    """What goes on a page: the folder's study, an earlier one beside it, methods, warnings of the reading."""

    study: Study
    earlier: Study | None
    methods: dict[str, Method]
    warnings: tuple[str, ...] = ()


def html_page(report: Report) -> str:
    """The whole page."""
    suites = numbers.listed(sorted({record.run.suite for record in report.study.records}))
    lead, points = limits(report.study, verdict(report.study))
    runs = len(report.study.records)
    sections = [
        *(_note(f"Set aside while reading: {warning}") for warning in report.warnings),
        *(_scenario(scenario, f"s{i}") for i, scenario in enumerate(report.study.scenarios)),
        _shows(lead, points),
        _game(),
        _how("How it was run", report.study),
    ]
    if report.earlier is not None:
        sections.append(_earlier(report.earlier))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{TITLE} \N{EN DASH} ma-ssm-env report</title>
<link rel="icon" href="data:,">
<style>{style_sheet(report.methods.values())}</style>
</head>
<body>
<header class="top">
<p class="eyebrow">ma-ssm-env \N{MIDDLE DOT} report \N{MIDDLE DOT} suite {escape(suites)} \N{MIDDLE DOT}
{runs} run{"s" if runs != 1 else ""}</p>
<h1>{TITLE}</h1>
<p class="question">{escape(QUESTION)}</p>
{_answer(report.study, "The answer")}
</header>
<main>
{"".join(sections)}
</main>
<footer>Generated from the records by <code>python -m benchmarks.report</code>;
every number and sentence above comes from them. The same as text: <code>report.md</code>.</footer>
</body>
</html>
"""


def _answer(study: Study, label: str) -> str:
    found = verdict(study)
    return (
        f'<section class="answer" aria-label="{label}"><p class="lead">{escape(found.answer)}</p>'
        f"<p>{escape(found.messages)}</p>{_contrasts(found.contrasts)}</section>"
    )


def _contrasts(contrasts: Sequence[Difference]) -> str:
    if not contrasts:
        return ""
    ends = [0.0, *(end for c in contrasts for end in (c.interval.low, c.interval.high))]
    pad = 0.06 * (max(ends) - min(ends)) or 0.1
    domain = (min(ends) - pad, max(ends) + pad)
    rows = ""
    for contrast in contrasts:
        gap = contrast.interval
        estimate = numbers.decimal(gap.estimate, signed=True, places=2)
        numbers_ = f"{estimate} [{numbers.span(gap, signed=True, places=2)}]"
        state = "" if contrast.decided else " \N{EN DASH} not decided"
        rows += (
            f'<div class="what"><b>{numbers_}{state}</b><span>{escape(contrast.first.name)} minus '
            f"{escape(contrast.second.name)}</span></div>"
            f"<div>{_zeroed(strip(gap, domain, contrast.first.css), domain)}</div>"
        )
    ticks = ""
    for value in _ticks(domain):
        x = 100 * (value - domain[0]) / (domain[1] - domain[0])
        label = numbers.decimal(value, signed=True, places=1 if value else 0)
        ticks += f'<text x="{x:.2f}%" y="13" text-anchor="middle">{label}</text>'
    axis = f'<div class="gap"></div><div><svg class="axis" aria-hidden="true">{ticks}</svg></div>'
    return f'<div class="contrasts">{rows}{axis}</div>'


def _zeroed(svg: str, domain: tuple[float, float]) -> str:
    x = 100 * -domain[0] / (domain[1] - domain[0])
    return svg.replace(
        'class="strip" aria-hidden="true">',
        f'aria-hidden="true"><line x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="100%" class="zero"/>',
    )


def _ticks(domain: tuple[float, float]) -> list[float]:
    width = domain[1] - domain[0]
    step = next(s for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 10 ** len(f"{width:.0f}")) if width / s <= 6)
    first, last = int(domain[0] / step) - 1, int(domain[1] / step) + 1
    return [k * step for k in range(first, last + 1) if domain[0] <= k * step <= domain[1]]


def _scenario(scenario: ScenarioSummary, prefix: str) -> str:
    legend = "".join(
        f"<li>{marker(m.method)}{escape(m.method.label)}</li>" for m in scenario.methods if m.runs
    )
    figures = ""
    for drawing in (learning_curves(scenario, prefix), adaptation(scenario, prefix)):
        if drawing is not None:
            figures += (
                f"<figure "
                f'class="plot"><figcaption><b>{drawing.title}</b>{escape(drawing.caption)}</figcaption>'
                f'<div role="img" aria-label="{escape(drawing.description)}">{drawing.svg}</div></figure>'
            )
    shown = f'<ul class="legend" aria-label="Methods in the figures">{legend}</ul>'
    shown += f'<div class="figures">{figures}</div>'
    problem = _note(f"no scores: no reference values: {scenario.problem}.") if scenario.problem else ""
    other = other_table(scenario)
    more = (
        f"<details><summary>Scores of single inner episodes, other splits, sampled actions</summary><div "
        'class="scroll cards">'
        f"{other.html()}</div></details>"
        if other
        else ""
    )
    return (
        f'<section><h2>{escape(scenario.name)}</h2>{problem}<div class="scroll '
        f'cards">{main_table(scenario).html()}</div>'
        f"{shown if figures else ''}{more}</section>"
    )


def _shows(lead: str, points: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(point)}</li>" for point in points)
    title = "What this shows and what it does not"
    return f"<section><h2>{title}</h2><p>{escape(lead)}</p><ul>{items}</ul></section>"


def _game() -> str:
    duties = "".join(f"<div><dt>{escape(t)}</dt><dd>{_coded(d)}</dd></div>" for t, d in _DUTIES)
    return (
        '<section><h2>The team: five roles, one body</h2><div class="game"><figure>'
        f'{roles_svg()}</figure><dl class="duties">{duties}</dl></div></section>'
    )


def _how(title: str, study: Study, level: str = "h2") -> str:
    commands = "\n".join(escape(command) for command in study.commands)
    versions: dict[tuple[str, str], int] = {}
    for record in study.records:
        for item in (record.versions | {"code of this project": record.run.code}).items():
            versions[item] = versions.get(item, 0) + 1
    hosts: dict[str, int] = {}
    for record in study.records:
        host = ", ".join(f"{key} {value}" for key, value in record.timings.host.items()) or "not recorded"
        hosts[host] = hosts.get(host, 0) + 1
    all_ = len(study.records)

    def rows(items: list[tuple[str, str, int]]) -> str:
        return "".join(
            f'<tr><th scope="row">{escape(name)}</th>'
            f"<td>{escape(value)}{'' if n == all_ else f' ({n} of {all_} runs)'}</td></tr>"
            for name, value, n in items
        )

    software = rows([(name, version, n) for (name, version), n in sorted(versions.items())])
    machines = rows([(f"Host {i}", host, n) for i, (host, n) in enumerate(hosts.items(), start=1)])
    configurations = "".join(
        f"<details><summary>{escape(scenario)}: "
        f"<code>{escape(method)}</code></summary><pre>{escape(text)}</pre></details>"
        for scenario, method, text in configurations_of(study)
    )
    return (
        f"<section><{level}>{title}</{level}><pre>{commands}</pre>"
        f'<details><summary>Versions and hosts</summary><div class="scroll"><table '
        'class="plain"><caption>Software and hosts of the '
        f"records</caption><tbody>{software}{machines}</tbody></table></div></details>{configurations}</section>"
    )


def configurations_of(study: Study) -> list[tuple[str, str, str]]:
    """(scenario, method, JSON) of each distinct configuration, seeds apart."""
    found = dict.fromkeys(
        (
            r.run.scenario,
            r.run.method,
            json.dumps(
                {"budget": r.run.budget, **without_seed(r.run.configuration)}, indent=2, sort_keys=True
            ),
        )
        for r in study.records
    )
    return sorted(found)


def _earlier(study: Study) -> str:
    commands = "; ".join(escape(command) for command in study.commands)
    lead, points = limits(study, verdict(study))
    scenarios = "".join(_scenario(scenario, f"e{i}") for i, scenario in enumerate(study.scenarios))
    return (
        f'<div class="earlier"><span class="badge">Computed earlier</span><h2>Beside it: results computed '
        "earlier</h2>"
        f"<p>Computed earlier, with: <code>{commands}</code>. None of these records takes part in any "
        "number above.</p>"
        f"{_answer(study, 'The answer of the earlier records')}{scenarios}{_shows(lead, points)}"
        f"{_how('How it was run', study)}</div>"
    )


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _coded(text: str) -> str:
    """Role names that open a sentence, as code."""
    first, _, rest = text.partition(" ")
    return (
        f"<code>{first}</code> {escape(rest)}"
        if first in ("state_modeling", "meta_learning", "environment")
        else escape(text)
    )
