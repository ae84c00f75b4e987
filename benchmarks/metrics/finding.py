"""What a measure found, with its null, its interval and its verdict in words."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["coordination", "association", "no evidence", "effect", "not reported"]
LEVEL = 0.05


@dataclass(frozen=True)
class Finding:
    """One measure of one team.

    Attributes:
        name: which measure.
        value: what was found.
        unit: of the value.
        low, high: 95% interval.
        p: p value against `null`; None where nothing is judged.
        null: what the value was held against.
        verdict: in a word. `coordination`: beyond a null that keeps body, task and noise and takes the
            content of the messages away. `association`: beyond a null that does not. `effect`: a paired
            difference of returns, which says that something matters, not why.
        words: a sentence for the report.
    """

    name: str
    value: float
    unit: str
    low: float
    high: float
    p: float | None
    null: str
    verdict: Verdict
    words: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; numbers that are not finite become None."""
        return {
            key: (None if isinstance(value, float) and not math.isfinite(value) else value)
            for key, value in asdict(self).items()
        }


def message_verdict(p_counterfactual: float, p_plain: float, level: float = LEVEL) -> Verdict:
    """`coordination` needs the message-counterfactual null; the plain one gives `association` at most."""
    if p_counterfactual <= level:
        return "coordination"
    return "association" if p_plain <= level else "no evidence"


def effect_verdict(p: float, level: float = LEVEL) -> Verdict:
    """`effect` where a paired difference of returns passes its sign-flip null."""
    return "effect" if p <= level else "no evidence"
