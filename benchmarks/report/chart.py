"""Line charts as inline SVG: one look for all figures, colours from the page's variables, values on hover.

The page's script reads the points from the drawing: each series carries its coordinates and what is said of
each point. Without the script the figure is the same, only silent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from benchmarks.report import numbers
from benchmarks.report.methods import Method
from benchmarks.report.table import MARKS

WIDTH, HEIGHT = 560.0, 360.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 112.0, 10.0, 44.0


@dataclass(frozen=True)
class Series:
    """A method's line: x increasing, y, an optional band or bars, and what is said of each point.

    Attributes:
        method: Whose it is.
        x: Places.
        y: Values.
        low: Lower ends of the band, or of the bars.
        high: Upper ends.
        tips: What is said of each point, after the method's label.
        bars: Draw the ends as a bar at each point instead of a band.
        points: Draw a marker at each point.
        steps: Draw a staircase: a value holds until the next x.
    """

    method: Method
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    tips: Sequence[str] = ()
    bars: bool = False
    points: bool = True
    steps: bool = False


@dataclass(frozen=True)
class Level:
    """A dashed reference: its name and its pieces (x from, x to, y)."""

    name: str
    pieces: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Drawing:
    """A figure: title, caption, a description for those who do not see it, and the SVG."""

    title: str
    caption: str
    description: str
    svg: str

    def html(self) -> str:
        """The figure with its caption."""
        return (
            f'<figure class="plot"><figcaption><b>{escape(self.title)}</b>{escape(self.caption)}</figcaption>'
            f'<div class="chart" role="img" tabindex="0" aria-label="{escape(self.description)}">{self.svg}'
            "</div></figure>"
        )


def line_chart(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    levels: Sequence[Level] = (),
    x_ticks: Sequence[float] | None = None,
    x_text: Callable[[float], str] = numbers.plain,
    y_domain: tuple[float, float] | None = None,
    x_domain: tuple[float, float] | None = None,
) -> str:
    """The chart as SVG.

    Args:
        series: The lines, drawn in this order.
        x_label: What x is.
        y_label: What y is.
        levels: Reference values.
        x_ticks: Where x is marked; chosen by default.
        x_text: How an x is written.
        y_domain: Ends of the y axis; from the data by default.
        x_domain: Ends of the x axis; from the data by default.
    """
    x0, x1 = x_domain or _ends([x for s in series for x in s.x], 0.0)
    ys = [y for s in series for y in (*s.y, *s.low, *s.high)]
    y0, y1 = y_domain or _ends([*ys, *(y for level in levels for *_, y in level.pieces)], 0.05)

    def at_x(x: float) -> float:
        return LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)

    def at_y(y: float) -> float:
        return TOP + (y1 - min(max(y, y0), y1)) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)

    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for tick in nice_ticks(y0, y1, 6):
        y = at_y(tick)
        parts.append(f'<line class="grid" x1="{LEFT:g}" x2="{right:g}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8:g}" y="{y + 4:.1f}" text-anchor="end">{numbers.plain(tick)}</text>')
    for tick in x_ticks if x_ticks is not None else nice_ticks(x0, x1, 6):
        x = at_x(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom:g}" y2="{bottom + 5:g}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 19:g}" text-anchor="middle">{x_text(tick)}</text>')
    parts.append(f'<line class="axis" x1="{LEFT:g}" x2="{right:g}" y1="{bottom:g}" y2="{bottom:g}"/>')
    for level in levels:
        for start, end, value in level.pieces:
            if y0 <= value <= y1:
                parts.append(
                    f'<line class="level {escape(level.name.split()[0])}" x1="{at_x(max(start, x0)):.1f}" '
                    f'x2="{at_x(min(end, x1)):.1f}" y1="{at_y(value):.1f}" y2="{at_y(value):.1f}"/>'
                )
    parts += _level_names(
        [(lv.name, lv.pieces[-1][2]) for lv in levels if y0 <= lv.pieces[-1][2] <= y1], at_y
    )
    parts += [_line(s, at_x, at_y) for s in series]
    middle = (LEFT + right) / 2
    parts.append(
        f'<text class="label" x="{middle:g}" y="{HEIGHT - 5:g}" text-anchor="middle">{escape(x_label)}</text>'
    )
    parts.append(
        f'<text class="label" transform="translate(12 {(TOP + bottom) / 2:g}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_label)}</text>'
    )
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" aria-hidden="true" focusable="false">{"".join(parts)}</svg>'
    )


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` round numbers inside [low, high]."""
    raw = (high - low) / max(most - 1, 1)
    size = 10.0 ** math.floor(math.log10(raw))
    steps = (factor * size for factor in (1, 2, 2.5, 5, 10, 20, 25, 50, 100))
    step = next(s for s in steps if math.floor(high / s + 1e-9) - math.ceil(low / s - 1e-9) + 1 <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def _ends(values: Sequence[float], pad: float) -> tuple[float, float]:
    finite = [v for v in values if math.isfinite(v)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5 - abs(low) / 10, high + 0.5 + abs(high) / 10
    return low - pad * (high - low), high + pad * (high - low)


def _line(series: Series, at_x: Callable[[float], float], at_y: Callable[[float], float]) -> str:
    method = series.method
    inner = ""
    if series.bars:
        for x, low, high in zip(series.x, series.low, series.high, strict=True):
            if math.isfinite(low) and math.isfinite(high):
                inner += f'<path class="bar" d="M{at_x(x):.1f} {at_y(low):.1f}V{at_y(high):.1f}"/>'
    elif len(series.low):
        ends = _stairs(series.x, series.high, series.steps)
        ends += reversed(_stairs(series.x, series.low, series.steps))
        inner += f'<path class="band" d="M{_path(ends, at_x, at_y)}z"/>'
    places = _stairs(series.x, series.y, False)
    drawn = _stairs(series.x, series.y, series.steps)
    inner += f'<path class="line {method.dash}" d="M{_path(drawn, at_x, at_y)}"/>'
    if series.points:
        name = MARKS[method.marker][0]
        inner += "".join(f'<use href="#mark-{name}" x="{at_x(x):.1f}" y="{at_y(y):.1f}"/>' for x, y in places)
    spots = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in places)
    tips = escape("\n".join(series.tips))
    return (
        f'<g class="series {method.variable}" data-label="{escape(method.label)}" data-at="{spots}" '
        f'data-tips="{tips}">{inner}</g>'
    )


def _stairs(x: Sequence[float], y: Sequence[float], steps: bool) -> list[tuple[float, float]]:
    places = list(zip(x, y, strict=True))
    if not steps:
        return places
    corners = [(later, value) for (_, value), (later, _) in pairwise(places)]
    return [place for pair in zip(places, corners, strict=False) for place in pair] + places[-1:]


def _path(
    places: Sequence[tuple[float, float]], at_x: Callable[[float], float], at_y: Callable[[float], float]
) -> str:
    return "L".join(f"{at_x(x):.1f} {at_y(y):.1f}" for x, y in places)


def _level_names(levels: Sequence[tuple[str, float]], at_y: Callable[[float], float]) -> list[str]:
    """Names right of the axes, moved apart where they would overlap."""
    texts, last = [], -math.inf
    for name, value in sorted(levels, key=lambda item: -item[1]):
        y = max(at_y(value) + 4, last + 17)
        last = y
        texts.append(f'<text x="{WIDTH - RIGHT + 7:g}" y="{y:.1f}">{escape(name)}</text>')
    return texts
