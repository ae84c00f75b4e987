"""What a section of the report is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report.methods import Method
from benchmarks.report.study import Study


@dataclass(frozen=True)
class Report:
    """What goes on a page.

    Attributes:
        study: The records that it is about.
        methods: Looks of all methods on the page, by name.
        directory: The results folder, for what lies beside the records (films/, emergence/); None without.
        warnings: What was said while the records were read.
        earlier: Records computed earlier, shown apart.
        prefix: Put before every id, so that two studies fit on one page.
    """

    study: Study
    methods: dict[str, Method]
    directory: Path | None = None
    warnings: tuple[str, ...] = ()
    earlier: Study | None = None
    prefix: str = ""


@dataclass(frozen=True)
class Fragment:
    """A section twice: as HTML (one `<section>`), and as markdown for a pull request.

    Attributes:
        title: Its heading, for the list of contents.
        anchor: Its id on the page, without the report's prefix.
        html: What stands under the heading.
        markdown: The same as text and tables.
    """

    title: str
    anchor: str
    html: str
    markdown: str


Section = Callable[[Report], Fragment | None]
