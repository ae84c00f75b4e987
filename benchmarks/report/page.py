"""The page, one HTML file that needs nothing else, and its markdown twin: the sections put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape

from benchmarks.report import numbers
from benchmarks.report.fragment import Fragment, Report, Section
from benchmarks.report.script import SCRIPT
from benchmarks.report.sections import EARLIER, SECTIONS
from benchmarks.report.style import style_sheet
from benchmarks.report.table import marks
from benchmarks.report.verdict import QUESTION

TITLE = "One agent, or a team of five?"


def html_page(report: Report) -> str:
    """The whole page."""
    first, *rest = _fragments(report, SECTIONS)
    suites = numbers.listed(sorted({record.run.suite for record in report.study.records}))
    runs = len(report.study.records)
    links = "".join(f'<a href="#{report.prefix}{f.anchor}">{escape(f.title)}</a>' for f in rest)
    earlier = ""
    if report.earlier is not None:
        links += '<a href="#earlier">Computed earlier</a>'
        earlier = _earlier(report)
    said = "".join(f'<p class="note">Set aside while reading: {escape(w)}</p>' for w in report.warnings)
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
<a class="skip" href="#{report.prefix}{first.anchor}">To the answer</a>
{marks()}
<header class="top">
<p class="eyebrow">ma-ssm-env \N{MIDDLE DOT} report \N{MIDDLE DOT} suite {escape(suites)} \N{MIDDLE DOT}
{runs} run{"s" if runs != 1 else ""}</p>
<h1>{TITLE}</h1>
<p class="question">{escape(QUESTION)}</p>
</header>
<main>
<section id="{report.prefix}{first.anchor}" aria-label="{escape(first.title)}">{first.html}</section>
{said}
<nav aria-label="Sections">{links}</nav>
{"".join(_section(f, report.prefix) for f in rest)}
{earlier}
</main>
<footer>Generated from the records by <code>python -m benchmarks.report</code>; every number and sentence
above comes from them. The same as text: <code>report.md</code>. What each number means and when it misleads:
<code>docs/statistics.md</code>.</footer>
<div id="tip" role="status" aria-live="polite" hidden></div>
<script>{SCRIPT}</script>
</body>
</html>
"""


def markdown_report(report: Report) -> str:
    """The whole report as markdown: words and tables; the figures are in the page."""
    parts = [f"# {TITLE}", QUESTION, *(f"> Set aside while reading: {w}" for w in report.warnings)]
    parts += _markdown(_fragments(report, SECTIONS))
    if report.earlier is not None:
        parts += [f"# Computed earlier, with: {_commands(report.earlier.commands, '`{}`')}", _APART]
        parts += _markdown(_fragments(_of_earlier(report), EARLIER))
    parts.append("The figures are in `index.html`, beside this file.")
    return "\n\n".join(parts) + "\n"


_APART = "None of these records takes part in any number above."


def _fragments(report: Report, sections: Sequence[Section]) -> list[Fragment]:
    return [fragment for section in sections if (fragment := section(report)) is not None]


def _section(fragment: Fragment, prefix: str, level: int = 2) -> str:
    return (
        f'<section id="{prefix}{fragment.anchor}"><h{level}>{escape(fragment.title)}</h{level}>'
        f"{fragment.html}</section>\n"
    )


def _of_earlier(report: Report) -> Report:
    assert report.earlier is not None
    return replace(report, study=report.earlier, earlier=None, directory=None, warnings=(), prefix="earlier-")


def _earlier(report: Report) -> str:
    earlier = _of_earlier(report)
    commands = _commands([escape(command) for command in earlier.study.commands], "<code>{}</code>")
    return (
        '<div class="earlier" id="earlier"><span class="badge">Computed earlier</span>'
        f"<h2>Beside it: results computed earlier</h2><p>Computed earlier, with: {commands}. {_APART}</p>"
        f"{''.join(_section(f, earlier.prefix, 3) for f in _fragments(earlier, EARLIER))}</div>"
    )


def _commands(commands: Sequence[str], pattern: str) -> str:
    return "; ".join(pattern.format(command) for command in commands)


def _markdown(fragments: Sequence[Fragment]) -> list[str]:
    first, *rest = fragments
    parts = [first.markdown]
    for fragment in rest:
        if fragment.markdown:
            parts += [f"## {fragment.title}", fragment.markdown]
    return parts
