"""Ranges of settings: a number outside of its range is refused where it is set, not where it does harm."""

from __future__ import annotations

import math
from typing import Any


def check_count(settings: Any, *names: str, least: int, most: float = math.inf) -> None:
    """Refuse a setting that is no whole number from `least` to `most`.

    Args:
        settings: whose class is named in the message.
        names: settings that are looked at, the first that is wrong is named.
        least: the smallest.
        most: the largest.

    Raises:
        ValueError: the message names the class, the setting, the value and what is expected.
    """
    for name in names:
        value = getattr(settings, name)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not least <= value <= most:
            upper = f" to {most}" if most < math.inf else " or more,"
            raise ValueError(
                f"{type(settings).__name__}: {name}={value!r}: a whole number, {least}{upper} is expected"
            )


def check_number(
    settings: Any,
    *names: str,
    least: float = -math.inf,
    most: float = math.inf,
    above: bool = False,
    finite: bool = True,
) -> None:
    """Refuse a setting that is no number from `least` (or above it) to `most`; NaN always.

    Args:
        settings: whose class is named in the message.
        names: settings that are looked at, the first that is wrong is named.
        least: the smallest.
        most: the largest.
        above: `least` itself is refused.
        finite: infinity is refused; a limit may be infinite, where that means none.

    Raises:
        ValueError: the message names the class, the setting, the value and what is expected.
    """
    for name in names:
        value = getattr(settings, name)
        real = isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
        if real and finite:
            real = math.isfinite(value)
        if real and (least < value if above else least <= value) and value <= most:
            continue
        lower = "" if least == -math.inf else f" above {least}" if above else f" of at least {least}"
        upper = f" and at most {most}" if most < math.inf else ""
        kind = "a finite number" if finite and not lower else "a number"
        raise ValueError(f"{type(settings).__name__}: {name}={value!r}: {kind}{lower}{upper} is expected")
