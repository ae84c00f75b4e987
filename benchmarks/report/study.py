"""What a page tells of: methods on scenarios, with their numbers; `summary.py` computes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.records import Record
from benchmarks.report.methods import Method
from benchmarks.report.references import Reference
from benchmarks.stats import ChangeResponse, Interval, Stability, StepsToLevel

Array = NDArray[np.float64]


@dataclass(frozen=True)
class OtherEvaluation:
    """An evaluation that stands beside the judged one: another split, or sampled actions."""

    split: str
    actions: str
    runs: int
    episodes: tuple[Interval, ...]
    score: Interval | None


@dataclass(frozen=True)
class MethodSummary:
    """One method on one scenario.

    Attributes:
        method: Who it is.
        records: Its runs with finite returns, by seed; the numbers are theirs.
        failed: Seeds of the runs that ended without a record, or with a return that was not finite.
        steps: Charged steps at the judged evaluation.
        actions: Whether it was judged with `mode` or `sampled` actions.
        tasks: The task list it was judged on.
        returns: Mean over trials of each run, task and inner episode, [R, N, K].
        episodes: Return of each inner episode with its interval.
        run_returns: Return that trials are judged by (`judged_return`), mean of each run.
        judged: The same over runs, with its interval.
        score: Normalised score with its interval; None without usable references.
        run_scores: Score of each run.
        episode_scores: Score of each inner episode, by that episode's references.
        bootstrapped: The score with the percentile bootstrap's interval over seeds, for comparison.
        levels: Steps to shares of the oracle's score; empty for a method without a curve or a score.
        area: Score while learning, up to the shortest curve of its budget; None without curve or score.
        stability: Spread, drop and collapses; None without a curve or a score.
        gain: Last inner episode minus the first, in return; None with one inner episode.
        change: Deficit and recovery where the task changes in mid-trial and the records say so.
        others: Evaluations beside the judged one.
    """

    method: Method
    records: tuple[Record, ...]
    failed: tuple[int, ...]
    steps: int
    actions: str
    tasks: tuple[tuple[float, ...], ...]
    returns: Array
    episodes: tuple[Interval, ...]
    run_returns: tuple[float, ...]
    judged: Interval | None
    score: Interval | None
    run_scores: tuple[float, ...]
    episode_scores: tuple[Interval | None, ...]
    bootstrapped: Interval | None
    levels: tuple[StepsToLevel, ...]
    area: Interval | None
    stability: Stability | None
    gain: Interval | None
    change: ChangeResponse | None
    others: tuple[OtherEvaluation, ...]

    @property
    def runs(self) -> int:
        """Number of runs behind the numbers."""
        return len(self.records)

    @property
    def trained(self) -> bool:
        """Whether it learns at all."""
        return self.method.kind != "reference"

    def median(self, value: Callable[[Record], float]) -> float:
        """Median of something over the runs; NaN where no run has it."""
        return _median(value(record) for record in self.records)

    @property
    def charged_steps(self) -> float:
        """Median of the control steps charged."""
        return _median(record.result.charged_steps for record in self.records)

    @property
    def actor_parameters(self) -> float:
        """Median of the parameters that act; NaN where they are not given."""
        return _median(record.result.parameters.get("actor", math.nan) for record in self.records)

    @property
    def wall_s(self) -> float:
        """Median wall time."""
        return _median(record.timings.wall_s for record in self.records)

    @property
    def train_steps_per_cpu_s(self) -> float:
        """Median training speed; NaN for a method that does not train."""
        speeds = [record.timings.train_steps_per_cpu_s for record in self.records]
        return _median(speed for speed in speeds if speed)


@dataclass(frozen=True)
class ScenarioSummary:
    """One scenario: its methods, best first, and what has to be said about its records."""

    name: str
    inner_episodes: int
    reference: Reference | None
    problem: str | None
    methods: tuple[MethodSummary, ...]
    notes: tuple[str, ...]

    def find(self, name: str) -> MethodSummary | None:
        """The summary of a method, if it has finite runs here."""
        return next((m for m in self.methods if m.method.name == name and m.runs), None)


@dataclass(frozen=True)
class Study:
    """All of one folder: never mixed with another's."""

    scenarios: tuple[ScenarioSummary, ...]
    records: tuple[Record, ...]

    @property
    def commands(self) -> tuple[str, ...]:
        """The distinct command lines behind the records."""
        return tuple(dict.fromkeys(record.run.command for record in self.records))


@dataclass(frozen=True)
class Difference:
    """Score of `first` minus score of `second`, over the scenarios where both have one."""

    first: Method
    second: Method
    interval: Interval
    scenarios: tuple[str, ...]
    fewest_runs: int
    steps: tuple[int, ...]
    p_value: float

    @property
    def decided(self) -> bool:
        """Whether the interval leaves out zero; never with one run, whose interval is infinitely wide."""
        return not self.interval.contains(0.0)


def _median(values: Iterable[float]) -> float:
    numbers = [value for value in values if math.isfinite(value)]
    return float(np.median(numbers)) if numbers else math.nan
