"""Film strips and videos of trained teams: whatever lies in the results folder under films/, with captions.

A picture `films/NAME.png` (or .jpg, .gif, .webp, .svg) or a video `films/NAME.mp4` (or .webm) has its
caption in `films/NAME.txt`. All are embedded, so that the page stays one file; what would make it too large
is named instead.
"""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from benchmarks.report.fragment import Fragment, Report

TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}
MOST_BYTES = 2_500_000  # of all films together, before base64 makes them a third larger
BYTES_A_RECORD = 250  # what a large page needs beside its films


def films(report: Report) -> Fragment | None:
    """The films of the folder in the order of their names; None where there are none."""
    folder = report.directory / "films" if report.directory else None
    if folder is None or not folder.is_dir():
        return None
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in TYPES and path.is_file())
    if not paths:
        return None
    html, markdown, left = "", [], MOST_BYTES - BYTES_A_RECORD * len(report.study.records)
    for path in paths:
        beside = path.with_suffix(".txt")
        caption = beside.read_text(encoding="utf-8").strip() if beside.is_file() else path.stem
        markdown.append(f"![{caption}](../films/{path.name})")
        size = path.stat().st_size
        if size > left:
            html += (
                f'<p class="note">{escape(path.name)} is not embedded: {size / 1e6:.1f} MB would make the '
                f"page too large; it lies in films/, beside the report's folder. {escape(caption)}</p>"
            )
            continue
        left -= size
        html += _figure(path, caption)
    return Fragment("Seen: trained teams", "films", html, "\n\n".join(markdown))


def _figure(path: Path, caption: str) -> str:
    kind = TYPES[path.suffix.lower()]
    data = f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    if kind.startswith("video"):
        shown = f'<video controls preload="metadata" src="{data}" aria-label="{escape(caption)}"></video>'
    else:
        shown = f'<img src="{data}" alt="{escape(caption)}">'
    return f'<figure class="film">{shown}<figcaption>{escape(caption)}</figcaption></figure>'
