"""What `solve_task` gives back: typed, frozen, JSON there and back, and printed in words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.stats import Interval
from benchmarks.workflows.diagnostics import Conflicts, Diagnostics
from benchmarks.workflows.modes import Mode

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class OnlineAdaptation:
    """What learning during the test trials changed, in return of an inner episode (adaptation role).

    Attributes:
        gain: with it minus without it; negative: it did harm.
        events: what its log holds, by kind: adapts, refused, rollback.
    """

    gain: Interval
    events: dict[str, int]


@dataclass(frozen=True)
class CollaborationResult:
    """A team that was trained on a scenario, and judged.

    Scores are normalised: 0 is random acting, 1 the agent that is shown the task. Intervals are 95% bootstrap
    intervals over the test tasks, of this one run: they say nothing about another seed.

    Attributes:
        scenario: id.
        asked: the name that was asked for.
        collaboration_mode: how the team worked together.
        agents: its agents, as the calls that make them.
        seed: of the run.
        target: score on the validation tasks that was asked for; None: none.
        reached: it was reached.
        steps: control steps taken.
        budget: control steps allowed.
        data_steps: recorded control steps of a warm start, beside those.
        current_performance: the start that was said to be; None: nothing was said.
        before: score on the test tasks before training; None without references.
        after: after it.
        returns_before: return of each inner episode of a test trial, mean over tasks.
        returns_after: the same after training: the adaptation curve.
        baseline: name of the single agent; None: it was not asked for.
        baseline_steps: steps at which it was judged.
        baseline_score: its score there.
        improvement: the team's return minus the baseline's, task by task, per inner episode.
        drop_after_peak: highest validation score minus the last one.
        collapsed: the last validation score is below half of the highest; None: it never got off the ground.
        steps_to: share of the oracle's score -> steps until validation first showed it; infinite: never.
        area_under_curve: mean validation score while learning.
        curve: (steps, validation score or, without references, return).
        diagnostics: how the team works together.
        online: what learning during test trials changed; None: no agent does.
        warm_start: what recorded trials brought.
        parameters: trained numbers, by part.
        wall_s: seconds of this team's training and judging.
        cpu_s: CPU seconds of the same.
        checkpoint: folder; `python -m policies.evaluate` reads it.
        report: page of the records.
    """

    scenario: str
    asked: str
    collaboration_mode: Mode
    agents: tuple[str, ...]
    seed: int
    target: float | None
    reached: bool
    steps: int
    budget: int
    data_steps: int
    current_performance: float | None
    before: Interval | None
    after: Interval | None
    returns_before: Numbers
    returns_after: Numbers
    baseline: str | None
    baseline_steps: int | None
    baseline_score: Interval | None
    improvement: Interval | None
    drop_after_peak: float | None
    collapsed: bool | None
    steps_to: dict[float, float]
    area_under_curve: float | None
    curve: tuple[tuple[int, float], ...]
    diagnostics: Diagnostics
    online: OnlineAdaptation | None
    warm_start: dict[str, Any]
    parameters: dict[str, int]
    wall_s: float
    cpu_s: float
    checkpoint: Path
    report: Path

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is not finite as text."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        return plain

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(r: CollaborationResult) -> list[str]:
    asked = f" (asked for as {r.asked})" if r.asked != r.scenario else ""
    lines = [f"{r.scenario}{asked}: {r.collaboration_mode} collaboration of {', '.join(r.agents)}"]

    def say(name: str, text: str) -> None:
        lines.append(f"  {name:<21}{text}")

    if r.target is None:
        say("target", f"none; {r.steps:,} steps taken")
    else:
        came = "reached" if r.reached else "not reached"
        say("target", f"{r.target:g} on validation: {came} after {r.steps:,} of {r.budget:,} steps")
    if r.before is not None and r.after is not None:
        said = "" if r.current_performance is None else f" (said to be {r.current_performance:g})"
        say("test score", f"{_score(r.before)} before{said}, {_score(r.after)} after")
    elif r.current_performance is not None:
        say("current performance", f"said to be {r.current_performance:g}")
    say("return by episode", f"{_numbers(r.returns_before)} before, {_numbers(r.returns_after)} after")
    if r.improvement is not None:
        against = "" if r.baseline_score is None else f", whose score is {_score(r.baseline_score)}"
        say(
            "against one agent",
            f"{_wide(r.improvement)} in return of {r.baseline} at {r.baseline_steps:,} steps{against}",
        )
    if r.drop_after_peak is not None:
        fate = {True: "collapsed", False: "no collapse", None: "never learned"}[r.collapsed]
        say("stability", f"{r.drop_after_peak:.3f} below its best validation score; {fate}")
    if r.steps_to:
        reached = ", ".join(f"{level:.0%} {_steps(steps)}" for level, steps in r.steps_to.items())
        area = "" if r.area_under_curve is None else f"; mean score while learning {r.area_under_curve:.3f}"
        say("steps to", f"{reached} of the oracle's score{area}")
    found = r.diagnostics
    say("contributions", ", ".join(f"{n} {v.estimate:.1f}" for n, v in found.contributions.items()))
    heard = (
        "" if found.listening is None else f"{_wide(found.listening)} in return lost with another task's; "
    )
    say("messages", f"{heard}{found.bits:.1f} bits a step")
    if found.conflicts is not None:
        c = found.conflicts
        say(
            "conflicts",
            f"{c.share:.0%} of actuator steps; trust {_share(c.trust)} there, {_share(c.trust_elsewhere)} "
            f"elsewhere; the correction wins {_share(c.won_by_correction)}",
        )
    if r.online is not None:
        events = ", ".join(f"{kind} {count}" for kind, count in r.online.events.items()) or "no event"
        say("test-time adaptation", f"{_wide(r.online.gain)} in return; {events}")
    for name, brought in r.warm_start.items():
        say(f"from {name}", _brought(brought))
    if r.data_steps:
        say("recorded steps", f"{r.data_steps:,}, beside those taken")
    say("time", f"{r.wall_s:.0f} s ({r.cpu_s:.0f} s of CPU), without the baseline's")
    say("checkpoint", str(r.checkpoint))
    say("report", str(r.report))
    lines.append("  Brackets are 95% intervals over the test tasks, of this one seed.")
    return lines


def _score(x: Interval) -> str:
    return f"{x.estimate:.3f} [{x.low:.3f}, {x.high:.3f}]"


def _wide(x: Interval) -> str:
    return f"{x.estimate:+.1f} [{x.low:+.1f}, {x.high:+.1f}]"


def _numbers(values: Numbers) -> str:
    return " / ".join(f"{value:.1f}" for value in values)


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _steps(value: float) -> str:
    return "never" if math.isinf(value) else f"{value:,.0f}"


def _brought(values: Mapping[str, Any]) -> str:
    parts = []
    for name, value in values.items():
        inner = f"({_brought(value)})" if isinstance(value, Mapping) else f"{value:.4g}"
        parts.append(f"{name.replace('_', ' ')} {inner}")
    return ", ".join(parts)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


__all__ = ["CollaborationResult", "Conflicts", "OnlineAdaptation"]
