"""The same report as markdown: words and tables; the figures are in the page."""

from __future__ import annotations

from benchmarks.report.page import TITLE, Report
from benchmarks.report.roles_drawing import DESCRIPTION
from benchmarks.report.summary import Study
from benchmarks.report.tables import main_table
from benchmarks.report.verdict import QUESTION, limits, verdict


def markdown_report(report: Report) -> str:
    """The whole report as markdown."""
    parts = [f"# {TITLE}", QUESTION, *(f"> Set aside while reading: {w}" for w in report.warnings)]
    parts += _study(report.study)
    parts += ["## The team: five roles, one body", DESCRIPTION]
    if report.earlier is not None:
        commands = "; ".join(f"`{command}`" for command in report.earlier.commands)
        parts += [
            f"# Computed earlier, with: {commands}",
            "None of these records takes part in any number above.",
        ]
        parts += _study(report.earlier)
    parts.append("The figures are in `index.html`, beside this file.")
    return "\n\n".join(parts) + "\n"


def _study(study: Study) -> list[str]:
    found = verdict(study)
    lead, points = limits(study, found)
    parts = [f"**{found.answer}**", found.messages]
    for scenario in study.scenarios:
        parts.append(f"## {scenario.name}")
        if scenario.problem:
            parts.append(f"> no scores: no reference values: {scenario.problem}.")
        parts.append(main_table(scenario).markdown())
    parts += ["## What this shows and what it does not", lead, "\n".join(f"- {point}" for point in points)]
    parts += ["## How it was run", "```\n" + "\n".join(study.commands) + "\n```"]
    return parts
