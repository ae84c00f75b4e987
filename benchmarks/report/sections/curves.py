"""Sample efficiency: learning curves in score, the area under them, and steps to shares of the oracle."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.judged_return import judged_by_last, judged_return
from benchmarks.report import numbers
from benchmarks.report.chart import Drawing, Level, Series, line_chart
from benchmarks.report.comparison import Curve, ends_apart, ranking, score_curve, scored, shown_first
from benchmarks.report.fragment import Fragment, Report
from benchmarks.report.study import MethodSummary, ScenarioSummary
from benchmarks.report.table import Cell, Row, Table, interval_cell
from benchmarks.stats import LEVELS


def curves(report: Report) -> Fragment | None:
    """A table of sample efficiency for all scored scenarios."""
    rows = [
        Row(m.method.name, m.method.label, (Cell(scenario.name), *_cells(m)), m.method)
        for scenario in scored(report.study)
        for m in scenario.methods
        if m.area or m.levels
    ]
    if not rows:
        return None
    caption = (
        "Score while learning: area under the validation curve from the first step on, up to the shortest "
        "curve of its budget, divided by that length. Steps: first check at or above that share of the "
        "oracle's score, median over seeds, in brackets the seeds that arrived; > means that the median seed "
        "had not when the run ended (censored). All control steps that a method took are charged."
    )
    heads = ("Scenario", "Score while learning", *(f"Steps to {level:.0%}" for level in LEVELS))
    table = Table(caption, heads, tuple(rows))
    if len(report.study.scenarios) == 1:
        table = table.without("Scenario")
    return Fragment("Sample efficiency", "efficiency", table.html(), table.markdown())


def score_figure(report: Report) -> Drawing | None:
    """Learning curves in score, over all scored scenarios; None where no method has them."""
    complete, _ = ranking(report.study)
    names = shown_first(report.study)
    drawn = [entry.method.name for entry in complete if entry.method.name in names]
    share = any(ends_apart(report.study, name) for name in drawn)
    curves = (score_curve(report.study, name, share) for name in drawn)
    found = [curve for curve in curves if curve is not None]
    if not found:
        return None
    scenarios = scored(report.study)
    end = max(float(curve.x[-1]) for curve in found)
    levels = [Level("oracle", ((0, end, 1.0),)), Level("random", ((0, end, 0.0),))]
    blind = scenarios[0].reference.blind_score if len(scenarios) == 1 and scenarios[0].reference else math.nan
    if math.isfinite(blind):
        levels.insert(1, Level("blind ceiling", ((0, end, blind),)))
    low = min(-0.1, *(float(np.min(curve.mean)) - 0.05 for curve in found))
    svg = line_chart(
        [_series(curve, share) for curve in found],
        x_label="share of the budget" if share else "control steps charged",
        y_label="normalised score",
        levels=levels,
        x_text=(lambda x: f"{x:.0%}") if share else (lambda x: numbers.steps(x) if x else "0"),
        x_domain=(0.0, end * 1.01),
        y_domain=(max(low, -1.0), max(1.08, *(float(np.max(curve.high)) + 0.03 for curve in found))),
    )
    last = "; ".join(f"{c.method.label} {numbers.decimal(float(c.mean[-1]), places=2)}" for c in found)
    over = "" if len(scenarios) == 1 else f", mean over {len(scenarios)} scenarios"
    rest = len(complete) - len(names)
    more = (
        f" Drawn are {len(names)} of {len(complete)} methods; all are under Scenario by scenario."
        if rest
        else ""
    )
    return Drawing(
        "Learning",
        f"Score on the validation tasks{over}. Line: mean over seeds; band: lowest to highest seed.{more}",
        f"Learning curves. Last validation score by method: {last}.",
        svg,
    )


def return_figure(scenario: ScenarioSummary) -> Drawing | None:
    """Validation return of a scenario against charged steps; None where no method has a curve."""
    found = [
        (s, *curve)
        for s in scenario.methods
        if s.trained and (curve := _common(scenario.name, s)) is not None
    ]
    if not found:
        return None
    end = max(float(steps[-1]) for _, steps, _ in found)
    levels = []
    if scenario.reference is not None:
        for name, label in (("oracle", "oracle"), ("blind", "blind ceiling"), ("random", "random")):
            value = scenario.reference.judged(name)
            if math.isfinite(value):
                levels.append(Level(label, ((0.0, end, value),)))
    series = [
        Series(
            s.method,
            steps,
            returns.mean(axis=0).tolist(),
            returns.min(axis=0).tolist(),
            returns.max(axis=0).tolist(),
            tuple(
                f"{numbers.decimal(mean)} at {numbers.steps(x)} "
                f"(seeds {numbers.decimal(low)} to {numbers.decimal(high)})"
                for x, mean, low, high in zip(
                    steps, returns.mean(axis=0), returns.min(axis=0), returns.max(axis=0), strict=True
                )
            ),
        )
        for s, steps, returns in found
    ]
    svg = line_chart(
        series,
        x_label="control steps charged",
        y_label="return of the last inner episode"
        if judged_by_last(scenario.name)
        else "mean return of an inner episode",
        levels=levels,
        x_text=lambda x: numbers.steps(x) if x else "0",
        x_domain=(0.0, end * 1.01),
    )
    last = "; ".join(f"{s.method.label} {numbers.decimal(float(r.mean(axis=0)[-1]))}" for s, _, r in found)
    return Drawing(
        "Learning, in returns",
        "Return on the validation tasks against all control steps charged. Line: mean over seeds; band: "
        "lowest to highest seed.",
        f"Learning curves on {scenario.name}. Last validation return by method: {last}.",
        svg,
    )


def _series(curve: Curve, share: bool) -> Series:
    tips = tuple(
        f"score {numbers.decimal(float(m), places=2)} at "
        f"{f'{x:.0%} of the budget' if share else numbers.steps(float(x))} "
        f"(seeds {numbers.decimal(float(lo), places=2)} to {numbers.decimal(float(hi), places=2)})"
        for x, m, lo, hi in zip(curve.x, curve.mean, curve.low, curve.high, strict=True)
    )
    return Series(
        curve.method, curve.x.tolist(), curve.mean.tolist(), curve.low.tolist(), curve.high.tolist(), tips
    )


def _common(scenario: str, summary: MethodSummary) -> tuple[list[int], np.ndarray] | None:
    """Return that trials are judged by, at the steps that all seeds share: (steps, [R, steps])."""
    found = [
        {p.steps: float(judged_return(scenario, p.returns)) for p in r.result.curve} for r in summary.records
    ]
    steps = sorted(set.intersection(*(set(curve) for curve in found))) if found else []
    returns = np.array([[curve[s] for s in steps] for curve in found])
    finite = np.isfinite(returns).all(axis=0) if steps else np.empty(0, dtype=bool)
    steps = [step for step, good in zip(steps, finite, strict=True) if good]
    return (steps, returns[:, finite]) if steps else None


def _cells(summary: MethodSummary) -> tuple[Cell, ...]:
    levels = [
        Cell(numbers.steps_to_level(level), value=level.observed * 1e3 if level.censored else level.median)
        for level in summary.levels
    ]
    return (
        interval_cell(summary.area, places=2),
        *(levels or [Cell(numbers.DASH)] * len(LEVELS)),
    )
