"""The comparison over all scenarios: the ranking, the team's opponents, and what each thing costs."""

from __future__ import annotations

import math
import zlib
from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.report.methods import TEAM, Method
from benchmarks.report.study import Difference, MethodSummary, ScenarioSummary, Study
from benchmarks.report.summary import best_single, score_curves, score_difference
from benchmarks.stats import (
    Interval,
    Profile,
    improvement_interval,
    iqm_interval,
    optimality_gap,
    performance_profile,
)

THRESHOLDS = 101  # of a performance profile
MOST_LINES = 8  # of a figure over all scenarios
CURVE_POINTS = 21  # of a curve over several scenarios


@dataclass(frozen=True)
class Ranked:
    """A method over all scored scenarios.

    Attributes:
        method: Who it is.
        score: IQM over seeds, mean over scenarios, with its interval.
        area: Score while learning, mean over scenarios; NaN where a curve is missing.
        gap: Optimality gap.
        scenarios: How many scored scenarios it was run on.
        runs: Fewest runs on any of them.
        run_scores: Scores of the runs, a list for each scenario.
        places: Best and worst place that the intervals leave it: 1 is first.
    """

    method: Method
    score: Interval
    area: float
    gap: float
    scenarios: int
    runs: int
    run_scores: tuple[tuple[float, ...], ...]
    places: tuple[int, int]


@dataclass(frozen=True)
class Curve:
    """Score against steps (or the share of the budget): mean over seeds, lowest and highest seed, all [P]."""

    method: Method
    x: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class PricedItem:
    """A line of the price list: what is bought, and the difference in score that it makes."""

    what: str
    reading: str
    difference: Difference


def scored(study: Study) -> list[ScenarioSummary]:
    """The scenarios that have reference values and a method with a score."""
    return [s for s in study.scenarios if s.reference and any(m.score for m in s.methods)]


def ranking(study: Study) -> tuple[list[Ranked], list[Ranked]]:
    """Methods with a score on every scored scenario, best first; and those that lack some."""
    scenarios = scored(study)
    by_name: dict[str, list[MethodSummary]] = {}
    for scenario in scenarios:
        for summary in scenario.methods:
            if summary.score is not None:
                by_name.setdefault(summary.method.name, []).append(summary)
    entries = [_ranked(summaries) for summaries in by_name.values()]
    entries.sort(key=lambda entry: (-entry.score.estimate, entry.method.name))
    complete = [entry for entry in entries if entry.scenarios == len(scenarios)]
    partial = [entry for entry in entries if entry.scenarios < len(scenarios)]
    return [_placed(entry, complete) for entry in complete], partial


def team_of(study: Study) -> str:
    """The team that the answer is about: `team-s5`, or the team with the best score where it is missing."""
    names = {m.method.name: m.method.kind for s in study.scenarios for m in s.methods if m.runs}
    if TEAM in names:
        return TEAM
    complete, partial = ranking(study)
    teams = [entry.method.name for entry in [*complete, *partial] if entry.method.kind == "team"]
    return teams[0] if teams else TEAM


def muted_of(study: Study, team: str) -> str:
    """The control of a team: the same with its belief muted."""
    return f"{team}-muted"


def shown_first(study: Study) -> list[str]:
    """The methods that a figure over all scenarios draws: with many, more lines would say less.

    Those of the answer come first, then the oracle and the rest by rank, up to `MOST_LINES`.
    """
    complete, _ = ranking(study)
    ranked = [entry.method.name for entry in complete]
    team = team_of(study)
    answer = [team, muted_of(study, team), best_single(study, team)]
    first = [name for name in answer if name in ranked]
    first += [entry.method.name for entry in complete if entry.method.kind == "oracle"][:1]
    chosen = list(dict.fromkeys([*first, *ranked]))[:MOST_LINES]
    return [name for name in ranked if name in chosen]


def score_axis(study: Study) -> tuple[float, float]:
    """Ends of the axis on which all scores of a study are drawn."""
    ends = [0.0, 1.0]
    for scenario in scored(study):
        for summary in scenario.methods:
            ends += summary.run_scores
            if summary.score and summary.score.bounded:
                ends += [summary.score.low, summary.score.high]
    low, high = max(min(ends), -1.0), min(max(ends), 1.5)  # one wild interval must not flatten all others
    pad = 0.03 * (high - low)
    return low - pad, high + pad


def ends_apart(study: Study, name: str) -> bool:
    """Whether a method's curves end at different steps on different scenarios: x is then a share of them."""
    ends = [max(float(x[-1]) for x, _ in runs) for runs in _curves(study, name) or ()]
    return bool(ends) and max(ends) > 1.05 * min(ends)


def score_curve(study: Study, name: str, share: bool) -> Curve | None:
    """Learning curve of a method in score; None where it has none on some scenario.

    With one scenario x are the checks that all seeds share. With several, each scenario's curve is taken at
    equal shares of its length and averaged.

    Args:
        study: what was run.
        name: of the method.
        share: x is the share of the length instead of steps; one for all curves of a figure.
    """
    curves = _curves(study, name)
    if not curves:
        return None
    method = next(m for s in scored(study) if (m := s.find(name))).method
    if len(curves) == 1:
        steps = sorted(set.intersection(*(set(x.tolist()) for x, _ in curves[0])))
        if not steps:
            return None
        values = np.array([y[np.isin(x, steps)] for x, y in curves[0]])
        return _curve(method, np.array(steps), values.mean(0), values.min(0), values.max(0))
    grid = np.linspace(0, 1, CURVE_POINTS)
    parts = []
    for runs in curves:
        end = min(float(x[-1]) for x, _ in runs)
        values = np.array([np.interp(grid * end, [0, *x], [0, *y]) for x, y in runs])
        parts.append((values.mean(0), values.min(0), values.max(0)))
    mean, low, high = np.mean(parts, axis=0)
    end = min(max(float(x[-1]) for x, _ in runs) for runs in curves)
    return _curve(method, grid if share else grid * end, mean, low, high)


def _curves(study: Study, name: str) -> list[list[tuple[NDArray[np.float64], NDArray[np.float64]]]] | None:
    """Curves of a method's runs on each scored scenario; None where some scenario has none."""
    curves = []
    for scenario in scored(study):
        found = scenario.find(name)
        if found is None or not (runs := score_curves(found.records, scenario.reference)):
            return None
        curves.append(runs)
    return curves


def profile_of(study: Study, entry: Ranked) -> Profile:
    """The performance profile of a method over the study's axis."""
    low, high = score_axis(study)
    return performance_profile(
        entry.run_scores, np.linspace(low, high, THRESHOLDS), _generator("profile", entry.method.name)
    )


def improvement(first: Ranked, second: Ranked) -> Interval:
    """How often a run of `first` beats one of `second`."""
    return improvement_interval(
        first.run_scores, second.run_scores, _generator("improvement", first.method.name, second.method.name)
    )


def price_list(study: Study) -> tuple[list[PricedItem], list[str]]:
    """What each thing costs or is worth, and what could not be priced because its runs are missing."""
    team = team_of(study)
    core = team.split("-")[1] if "-" in team else "s5"
    names = {m.method.name for s in study.scenarios for m in s.methods if m.runs}
    matched = f"mono-{core}-matched" if f"mono-{core}-matched" in names else f"mono-{core}"
    plain, handicapped = f"mono-{core}", f"mono-{core}-handicapped"
    parted = (team, matched, plain, handicapped)
    items, missing = [], []
    for what, first, second, reading in _contrasts(team, core, matched, plain, handicapped, names):
        parts = {first, second} <= set(parted) and handicapped in names
        beside = parted if parts else ()
        difference = score_difference(study, first, second, beside)
        if difference is None:
            missing.append(
                f"{what.replace('... of which the', 'the part of the')} ({first} against {second})"
            )
        else:
            items.append(PricedItem(what, reading, difference))
    return items, missing


def _contrasts(
    team: str, core: str, matched: str, plain: str, handicapped: str, names: Container[str]
) -> list[tuple[str, str, str, str]]:
    """(what is bought, the method with it, the one without it, how to read that)."""
    alike = "mono-mlp-plain-critic" in names
    ours = "mono-mlp-plain-critic" if alike else "mono-mlp"
    what_ours = "Our PPO instead of SB3's" if alike else "Our PPO and its privileged critic instead of SB3's"
    critic = "no memory, no privileged critic" if alike else "no memory; SB3's critic is not shown the task"
    wider = []
    if matched != plain:  # the handicapped agent has the plain one's width
        wider = [("... of which the parameters", matched, plain, "as many as the team has, minus fewer")]
    roles = [
        (
            f"Having {role}",
            team,
            f"{team}-without-{role.replace('_', '-')}",
            "the team, minus one trained without",
        )
        for role in ("state_modeling", "meta_learning", "adaptation", "coordinator")
        if f"{team}-without-{role.replace('_', '-')}" in names
    ]
    taught = [
        (what, f"{name}-infer-task", name, "taught in training to tell the task, minus not taught")
        for what, name in (("Teaching the sender", team), ("Teaching one agent", f"mono-{core}"))
        if f"{name}-infer-task" in names
    ]
    return [
        ("Deciding apart: the price of decentralisation", matched, team, "one agent, minus the team"),
        *wider,
        ("... of which the channel", plain, handicapped, "one agent, minus it behind the team's channel"),
        ("... of which the split", handicapped, team, "one agent behind the channel, minus the team"),
        ("Being told instead of sensing", f"{team}-full", team, "every role sees everything, minus the team"),
        ("The messages", team, f"{team}-muted", "the team, minus the same with its belief muted"),
        ("Paying for bits", f"{team}-free", team, "messages cost nothing, minus the team"),
        ("Weighing the correction", team, f"{team}-fixed-trust", "the team, minus trust fixed at 1/2"),
        ("Gradients through the channel", team, f"{team}-reinforced", "the team, minus reward alone"),
        ("The team's privileged critic", team, f"{team}-plain-critic", "the team, minus without it"),
        *taught,
        *roles,
        ("Memory in the team", team, "team-mlp", "the team, minus the same without memory"),
        ("Memory in one agent", f"mono-{core}", "mono-mlp", "one agent, minus the same without memory"),
        ("A scratchpad", "mono-mlp-scratchpad", "mono-mlp", "with a scratchpad, minus without"),
        ("A learned curriculum", f"{team}-curriculum", team, "tasks by a role that learns, minus drawn ones"),
        ("A scripted curriculum", f"{team}-alp-gmm", team, "tasks by ALP-GMM, minus drawn ones"),
        (what_ours, ours, "sb3-ppo", f"the same inputs, {critic}"),
        ("Knowing the task", "sb3-ppo-oracle", "sb3-ppo", "shown the task, minus not shown"),
    ]


def _ranked(summaries: Sequence[MethodSummary]) -> Ranked:
    scores = tuple(summary.run_scores for summary in summaries)
    areas = [summary.area.estimate if summary.area else math.nan for summary in summaries]
    return Ranked(
        summaries[0].method,
        iqm_interval(scores),
        float(np.mean(areas)),
        optimality_gap(scores),
        len(summaries),
        min(summary.runs for summary in summaries),
        scores,
        (0, 0),
    )


def _placed(entry: Ranked, entries: Sequence[Ranked]) -> Ranked:
    above = sum(other.score.low > entry.score.high for other in entries)
    below = sum(other.score.high < entry.score.low for other in entries)
    return Ranked(
        entry.method, entry.score, entry.area, entry.gap, entry.scenarios, entry.runs, entry.run_scores,
        (above + 1, len(entries) - below),
    )  # fmt: skip


def _curve(
    method: Method,
    x: NDArray[np.float64],
    mean: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> Curve | None:
    finite = np.isfinite(mean)
    return Curve(method, x[finite], mean[finite], low[finite], high[finite]) if finite.any() else None


def _generator(*names: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32("/".join(names).encode()))
