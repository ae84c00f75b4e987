"""Emergence: what `python -m benchmarks.emergence` found of the teams of this results folder."""

from __future__ import annotations

from benchmarks.report.emergence import emergence_section
from benchmarks.report.fragment import Fragment, Report


def emergence(report: Report) -> Fragment | None:
    """The section of the records in `emergence/`; None where there are none."""
    found = emergence_section(report.directory) if report.directory else None
    if found is None:
        return None
    _, _, markdown = found.markdown.partition("\n\n")  # the page writes the title itself
    return Fragment("Emergence: is it coordination?", "emergence", found.html, markdown)
