"""Emergence: the rendered section that `python -m benchmarks.emergence` leaves in the results folder.

Read are `emergence/*.html`, each a fragment without scripts and without anything fetched, and the `.md` of
the same name for the markdown twin. A fragment may use the page's classes and colours.
"""

from __future__ import annotations

import re
from html import escape

from benchmarks.report.fragment import Fragment, Report

_UNWANTED = re.compile(
    r"<script|<iframe|<link|<[^>]+\son\w+\s*=|(?:src|href)\s*=\s*[\"']?(?:https?:)?//", re.IGNORECASE
)


def emergence(report: Report) -> Fragment | None:
    """The fragments of the folder; None where there are none."""
    folder = report.directory / "emergence" if report.directory else None
    paths = sorted(folder.glob("*.html")) if folder is not None and folder.is_dir() else []
    if not paths:
        return None
    html, markdown = "", []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        found = _UNWANTED.search(text)
        if found:
            html += (
                f'<p class="note">emergence/{escape(path.name)} is left out: it holds '
                f"{escape(repr(found[0]))}, and the page runs and fetches nothing of others.</p>"
            )
            continue
        html += text
        twin = path.with_suffix(".md")
        if twin.is_file():
            markdown.append(twin.read_text(encoding="utf-8").strip())
    return Fragment("Emergence: is it coordination?", "emergence", html, "\n\n".join(markdown))
