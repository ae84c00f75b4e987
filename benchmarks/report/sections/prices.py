"""The price list: what each part of the game costs or is worth, as differences in score."""

from __future__ import annotations

from benchmarks.report import numbers
from benchmarks.report.comparison import price_list
from benchmarks.report.fragment import Fragment, Report
from benchmarks.report.table import Cell, Row, Table, strip


def prices(report: Report) -> Fragment | None:
    """A line for each contrast whose two methods were run."""
    items, missing = price_list(report.study)
    if not items:
        return None
    ends = [0.0]
    for item in items:
        gap = item.difference.interval
        ends += [gap.low, gap.high] if gap.bounded else [gap.estimate]
    low, high = max(min(ends), -1.5), min(max(ends), 1.5)
    pad = 0.05 * (high - low) or 0.1
    rows = []
    for item in items:
        d = item.difference
        gap = d.interval
        state = "decided" if d.decided else "not decided"
        rows.append(
            Row(
                "",
                item.what,
                (
                    Cell(
                        numbers.decimal(gap.estimate, signed=True, places=2),
                        numbers.span(gap, signed=True, places=2) or "one seed",
                        value=gap.estimate,
                    ),
                    Cell(
                        "",
                        graphic=strip(gap, (low - pad, high + pad), d.first.css, ticks=(0.0,), zero=True),
                        value=gap.estimate,
                    ),
                    Cell(numbers.p_value(d.p_value) or numbers.DASH, state, value=d.p_value),
                    Cell(f"{d.first.name} {numbers.MINUS} {d.second.name}", item.reading),
                ),
            )
        )
    caption = (
        "Differences in normalised score at the end of training; small print: 95% interval, Welch's t over "
        "seeds. p values stand for themselves: they are not corrected for the number of lines."
    )
    table = Table(caption, ("Difference", "", "p", "What minus what"), tuple(rows), first="Price or worth of")
    absent = f"Not priced, for want of runs: {'; '.join(missing)}." if missing else ""
    note = f'<p class="small">{absent}</p>' if absent else ""
    return Fragment(
        "The price list", "prices", table.html() + note, "\n\n".join([table.markdown(), absent]).strip()
    )
