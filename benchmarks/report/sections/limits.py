"""What the numbers show and what they do not: sentences that the numbers generate."""

from __future__ import annotations

from html import escape

from benchmarks.report import limits as generated
from benchmarks.report.fragment import Fragment, Report
from benchmarks.report.verdict import verdict


def limits(report: Report) -> Fragment:
    """A paragraph, and a point for each further limit."""
    lead, points = generated.limits(report.study, verdict(report.study))
    items = "".join(f"<li>{escape(point)}</li>" for point in points)
    return Fragment(
        "What this shows and what it does not",
        "limits",
        f"<p>{escape(lead)}</p><ul>{items}</ul>",
        "\n\n".join([lead, "\n".join(f"- {point}" for point in points)]),
    )
