"""A table: built once, written as sortable HTML and as markdown."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from html import escape

from benchmarks.report import numbers
from benchmarks.report.methods import Method
from benchmarks.stats import Interval


@dataclass(frozen=True)
class Cell:
    """A value with, under it, its interval or a remark.

    Attributes:
        text: What is read.
        detail: Small print under it.
        graphic: HTML for the page only.
        value: What the column is sorted by; NaN sorts last.
    """

    text: str
    detail: str = ""
    graphic: str = ""
    value: float = math.nan


@dataclass(frozen=True)
class Row:
    """A row; `method` is None for a reference row."""

    name: str
    label: str
    cells: tuple[Cell, ...]
    method: Method | None = None


@dataclass(frozen=True)
class Table:
    """A captioned table; `first` heads the column of names, `columns` the others."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...] = field(default=())
    first: str = "Method"
    compact: bool = False

    def without(self, name: str) -> Table:
        """The table without a column."""
        index = self.columns.index(name)
        rows = tuple(replace(row, cells=(*row.cells[:index], *row.cells[index + 1 :])) for row in self.rows)
        return replace(self, columns=(*self.columns[:index], *self.columns[index + 1 :]), rows=rows)

    def html(self) -> str:
        """The table in a box that scrolls; every head is a button that sorts by its column."""
        heads = "".join(_head(name) for name in (self.first, *self.columns))
        body = "".join(_row(row) for row in self.rows)
        kind = " compact" if self.compact else ""
        return (
            f'<div class="scroll{kind}" tabindex="0" role="region" aria-label="{escape(self.caption[:120])}">'
            f'<table class="sortable"><caption><span>{escape(self.caption)}</span></caption>'
            f"<thead><tr>{heads}</tr></thead><tbody>\n{body}</tbody></table></div>"
        )

    def markdown(self) -> str:
        """The table as a markdown table, with its caption under it."""
        heads = [self.first, *(name for name in self.columns if name)]
        shown = [index for index, name in enumerate(self.columns) if name]
        lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * len(shown) + "|"]
        for row in self.rows:
            cells = [row.cells[index] for index in shown]
            texts = [f"{c.text} ({c.detail})" if c.detail else c.text for c in cells]
            name = f"{row.label} `{row.name}`" if row.name else row.label
            lines.append("| " + " | ".join(_plain(text) for text in [name, *texts]) + " |")
        return "\n".join([*lines, "", f"*{self.caption}*"])


def interval_cell(
    interval: Interval | None, *, places: int | None = None, signed: bool = False, graphic: str = ""
) -> Cell:
    """An estimate, and under it its interval; a dash where there is none."""
    if interval is None or not math.isfinite(interval.estimate):
        return Cell(numbers.DASH)
    detail = numbers.span(interval, places=places, signed=signed) or "one seed"
    return Cell(
        numbers.decimal(interval.estimate, places=places, signed=signed), detail, graphic, interval.estimate
    )


def number_cell(value: float, text: str) -> Cell:
    """A number that is written as `text`; a dash where it is not known."""
    return Cell(text, value=value) if math.isfinite(value) else Cell(numbers.DASH)


def strip(
    interval: Interval,
    domain: tuple[float, float],
    colour: str,
    *,
    points: tuple[float, ...] = (),
    ticks: tuple[float, ...] = (),
    zero: bool = False,
) -> str:
    """A value and its interval on an axis, as a small SVG that is as wide as its place.

    What lies outside the axis is drawn at its end.
    """

    def at(value: float) -> str:
        share = (value - domain[0]) / (domain[1] - domain[0])
        return f"{100 * min(max(share, 0.0), 1.0):.1f}%"

    marks = "".join(
        f'<line x1="{at(t)}" x2="{at(t)}" y1="0" y2="100%" class="{"zero" if zero else "tick"}"/>'
        for t in ticks
        if math.isfinite(t)
    )
    dots = "".join(f'<circle cx="{at(p)}" cy="50%" r="2.4"/>' for p in points)
    bar = ""
    if interval.bounded:
        bar = f'<line x1="{at(interval.low)}" x2="{at(interval.high)}" y1="50%" y2="50%" stroke-width="2"/>'
    return (
        f'<svg class="strip" aria-hidden="true" stroke="{colour}" fill="{colour}">{marks}'
        f'{bar}<g class="dots">{dots}</g><line x1="{at(interval.estimate)}" x2="{at(interval.estimate)}" '
        'y1="15%" y2="85%" stroke-width="3.5" stroke-linecap="round"/></svg>'
    )


def marker(method: Method) -> str:
    """A method's line and point, as in the figures."""
    return (
        f'<svg class="swatch {method.variable}" viewBox="0 0 30 16" aria-hidden="true">'
        f'<line x1="0" x2="30" y1="8" y2="8" class="line {method.dash}"/>'
        f'<use href="#mark-{MARKS[method.marker][0]}" x="15" y="8"/></svg>'
    )


# Name and outline of each marker, around 0, 0.
MARKS = {
    "o": ("circle", '<circle r="4"/>'),
    "s": ("square", '<rect x="-3.7" y="-3.7" width="7.4" height="7.4"/>'),
    "^": ("up", '<path d="M0-4.6l4.8 8.2h-9.6z"/>'),
    "v": ("down", '<path d="M0 4.6l4.8-8.2h-9.6z"/>'),
    "<": ("left", '<path d="M-4.6 0l8.2-4.8v9.6z"/>'),
    ">": ("right", '<path d="M4.6 0l-8.2-4.8v9.6z"/>'),
    "D": ("diamond", '<path d="M0-5l5 5l-5 5l-5-5z"/>'),
    "P": ("plus", '<path d="M-1.7-4.6h3.4v2.9h2.9v3.4h-2.9v2.9h-3.4v-2.9h-2.9v-3.4h2.9z"/>'),
    "X": (
        "cross",
        '<path d="M-2.6-4.6l2.6 2.6l2.6-2.6l2 2l-2.6 2.6l2.6 2.6l-2 2l-2.6-2.6l-2.6 2.6l-2-2l2.6-2.6'
        'l-2.6-2.6z"/>',
    ),
    "*": ("star", '<path d="M0-5.2l1.5 3.6l3.9.3l-3 2.5l1 3.8l-3.4-2.1l-3.4 2.1l1-3.8l-3-2.5l3.9-.3z"/>'),
    "p": ("pentagon", '<path d="M0-4.8l4.6 3.4l-1.8 5.4h-5.6l-1.8-5.4z"/>'),
    "h": ("hexagon", '<path d="M0-4.8l4.2 2.4v4.8l-4.2 2.4l-4.2-2.4v-4.8z"/>'),
}  # fmt: skip


def marks() -> str:
    """The definitions that every swatch and figure of a page refers to."""
    shapes = "".join(f'<g id="mark-{name}">{shape}</g>' for name, shape in MARKS.values())
    return f'<svg width="0" height="0" class="marks" aria-hidden="true"><defs>{shapes}</defs></svg>'


def _head(name: str) -> str:
    if not name:
        return '<th scope="col"></th>'
    return f'<th scope="col"><button type="button">{escape(name)}</button></th>'


def _row(row: Row) -> str:
    swatch = marker(row.method) if row.method else '<span class="swatch-gap"></span>' if row.name else ""
    code = f"<code>{escape(row.name)}</code>" if row.name else ""
    kind = "method" if row.method else "reference" if row.name else "plain-row"
    cells = "".join(_cell(cell) for cell in row.cells)
    return (
        f'<tr class="{kind}"><th scope="row"><div class="who">{swatch}<span>{escape(row.label)}{code}</span>'
        f"</div></th>{cells}</tr>\n"
    )


def _cell(cell: Cell) -> str:
    value = f' data-value="{cell.value:.6g}"' if math.isfinite(cell.value) else ""
    detail = f"<small>{escape(cell.detail)}</small>" if cell.detail else ""
    if cell.graphic and not cell.text:
        return f'<td class="graphic"{value}>{cell.graphic}</td>'
    return f"<td{value}>{escape(cell.text)}{detail}{cell.graphic}</td>"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
