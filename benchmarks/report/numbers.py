"""How numbers are written, the same in the page and in the markdown."""

from __future__ import annotations

import math

from benchmarks.stats import Interval, StepsToLevel

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"


def decimal(value: float, *, signed: bool = False, places: int | None = None) -> str:
    """A measured value with about three significant digits, or with so many places."""
    if not math.isfinite(value):
        return DASH
    if places is None:
        size = abs(value)
        places = 0 if size >= 100 else 1 if size >= 10 else 2
    text = f"{abs(value):,.{places}f}"
    zero = float(text.replace(",", "")) == 0
    sign = MINUS if value < 0 and not zero else "+" if signed and not zero else ""
    return sign + text


def span(interval: Interval, *, signed: bool = False, places: int | None = None) -> str:
    """The two ends of an interval; nothing where they are not known."""
    if not interval.bounded:
        return ""
    if places is None:
        size = max(abs(interval.low), abs(interval.high))
        places = 0 if size >= 100 else 1 if size >= 10 else 2
    low, high = (decimal(end, signed=signed, places=places) for end in (interval.low, interval.high))
    return f"{low} to {high}"


def estimated(interval: Interval, *, signed: bool = False, places: int | None = None) -> str:
    """A value with its interval: `0.72 [0.68, 0.77]`."""
    value = decimal(interval.estimate, signed=signed, places=places)
    if not interval.bounded:
        return value
    if places is None:
        size = max(abs(interval.low), abs(interval.high))
        places = 0 if size >= 100 else 1 if size >= 10 else 2
    low, high = (decimal(end, signed=signed, places=places) for end in (interval.low, interval.high))
    return f"{value} [{low}, {high}]"


def plain(value: float) -> str:
    """A round number, as axes write it."""
    return f"{value:,g}".replace("-", MINUS)


def p_value(value: float) -> str:
    """A p value as it is read: `p = 0.03`, `p < 0.001`."""
    if not math.isfinite(value):
        return ""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"


def steps(value: float) -> str:
    """A number of control steps: 300k, 1.2M."""
    if not math.isfinite(value):
        return DASH
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{suffix}" if value / size < 1000 else f"{value / size:,.0f}{suffix}"
    return f"{value:.0f}"


def steps_to_level(level: StepsToLevel) -> str:
    """Median steps with the number of runs that arrived: `90k (3/3)`, `> 300k (1/3)`."""
    median = f"> {steps(level.observed)}" if level.censored else steps(level.median)
    return f"{median} ({level.reached}/{level.runs})"


def count(value: float) -> str:
    """A whole number with separators."""
    return f"{value:,.0f}" if math.isfinite(value) else DASH


def duration(seconds: float) -> str:
    """A duration: 42 s, 3:10 min, 2:05 h."""
    if not math.isfinite(seconds):
        return DASH
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Names as a sentence writes them: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def named(names: list[str] | tuple[str, ...], most: int) -> str:
    """Names as a sentence writes them; of more than `most` the first three, and how many others there are."""
    return listed(names) if len(names) <= most else f"{', '.join(names[:3])} and {len(names) - 3} others"
