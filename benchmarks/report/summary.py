"""Every number of the report, computed once: records and references in, frozen summaries out."""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.configurations import distinct, one_configuration, repetition_key
from benchmarks.failures import Failure
from benchmarks.judged_return import judged_return
from benchmarks.records import Evaluation, Record
from benchmarks.report.methods import Method, methods_by_name
from benchmarks.report.references import Reference, ReferenceTable
from benchmarks.report.study import Difference, MethodSummary, OtherEvaluation, ScenarioSummary, Study
from benchmarks.stats import (
    LEVELS,
    ChangeResponse,
    Interval,
    adaptation_gain,
    area_under_curve,
    bootstrap_interval,
    change_response,
    clearly_apart,
    difference_p_value,
    iqm_difference,
    iqm_interval,
    median_steps,
    stability,
)

Array = NDArray[np.float64]


def summarise(
    records: Sequence[Record],
    table: ReferenceTable,
    methods: dict[str, Method] | None = None,
    failures: Sequence[Failure] = (),
) -> Study:
    """Summarise the records of one folder.

    Args:
        records: The folder's records; a run that is there twice counts once.
        table: The reference values.
        methods: The page's methods, if they are shared with another study.
        failures: Runs that gave no record: they count as lost.
    """
    records = distinct(records)
    methods = methods or methods_by_name(
        [*(record.run.method for record in records), *(failure.run.method for failure in failures)]
    )
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.run.scenario].append(record)
    scenarios = tuple(
        _scenario(name, groups[name], table, methods, [f for f in failures if f.run.scenario == name])
        for name in sorted(groups)
    )
    return Study(scenarios, tuple(records))


def score_difference(study: Study, first: str, second: str, beside: Sequence[str] = ()) -> Difference | None:
    """The difference of two methods' scores; None where no scenario has both.

    Args:
        study: The records of a folder.
        first: Name of a method.
        second: Name of the method whose score is taken off.
        beside: Only scenarios that have these too are taken, so that several differences add up.
    """
    pairs = [
        (scenario, a, b)
        for scenario in study.scenarios
        if (a := scenario.find(first)) and (b := scenario.find(second)) and scenario.reference
        if all(scenario.find(name) for name in beside)
    ]
    if not pairs:
        return None
    scores = [a.run_scores for _, a, _ in pairs], [b.run_scores for _, _, b in pairs]
    return Difference(
        pairs[0][1].method,
        pairs[0][2].method,
        iqm_difference(*scores),
        tuple(scenario.name for scenario, _, _ in pairs),
        min(min(a.runs, b.runs) for _, a, b in pairs),
        tuple(sorted({summary.steps for _, a, b in pairs for summary in (a, b)})),
        difference_p_value(*scores),
    )


def best_single(study: Study, beside: str) -> str | None:
    """The single agent with the highest score, the oracle apart, on the scenarios where `beside` has a score.

    Only those that were run on most of these scenarios are asked, so that an easy scenario cannot choose.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    for scenario in study.scenarios:
        if scenario.find(beside) is None:
            continue
        for summary in scenario.methods:
            if summary.method.kind == "single" and summary.score is not None:
                scores[summary.method.name].append(summary.score.estimate)
    if not scores:
        return None
    return max(scores, key=lambda name: (len(scores[name]), np.mean(scores[name])))


def _scenario(
    name: str,
    records: Sequence[Record],
    table: ReferenceTable,
    methods: dict[str, Method],
    failures: Sequence[Failure],
) -> ScenarioSummary:
    counts = Counter(record.result.evaluations[0].array().shape[2] for record in records)
    # The most common: one stray record removes no other.
    inner_episodes = max(counts, key=lambda count: (counts[count], count))
    reference, problem = table.find(name, inner_episodes)
    notes: list[str] = []
    by_method: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.result.evaluations[0].array().shape[2] != inner_episodes:
            notes.append(
                f"{record.run.method}, seed {record.run.seed}: another number of inner episodes; left out."
            )
            continue
        by_method[record.run.method].append(record)
    chosen = {}
    for key, group in by_method.items():
        chosen[key], note = one_configuration(key, group)
        notes += [note] if note else []
    ends = _shortest_curves([record for group in chosen.values() for record in group])
    lost = _lost(chosen, failures, notes)
    summaries = [
        summary
        for key in (*chosen, *(key for key in lost if key not in chosen))
        if (
            summary := _method(
                name, methods[key], chosen.get(key, []), lost.get(key, ()), reference, notes, ends
            )
        )
        is not None
    ]
    summaries.sort(key=lambda m: (m.runs == 0, -(m.judged.estimate if m.judged else 0.0), m.method.name))
    return ScenarioSummary(name, inner_episodes, reference, problem, tuple(summaries), tuple(notes))


def _shortest_curves(records: Sequence[Record]) -> dict[int, float]:
    """Steps at which the shortest curve of each budget ends: what is compared has areas of one length."""
    ends: dict[int, list[int]] = defaultdict(list)
    for record in records:
        if record.result.curve:
            ends[record.run.budget].append(record.result.curve[-1].steps)
    return {budget: float(min(found)) for budget, found in ends.items()}


def _lost(
    chosen: Mapping[str, Sequence[Record]], failures: Sequence[Failure], notes: list[str]
) -> dict[str, tuple[Failure, ...]]:
    """Each method's runs that gave no record, of the configuration that is shown."""
    lost: dict[str, list[Failure]] = defaultdict(list)
    for failure in failures:
        shown = chosen.get(failure.run.method)
        if not shown or repetition_key(failure.run) == repetition_key(shown[0].run):
            lost[failure.run.method].append(failure)
    for method, group in lost.items():
        seeds = ", ".join(str(failure.run.seed) for failure in group)
        notes.append(
            f"{method}: {len(group)} run{'s' if len(group) > 1 else ''} failed (seed {seeds}: "
            f"{group[-1].in_short}): left out of its numbers, which flatters it."
        )
    return {method: tuple(group) for method, group in lost.items()}


def _method(
    scenario: str,
    method: Method,
    records: Sequence[Record],
    lost: tuple[Failure, ...],
    reference: Reference | None,
    notes: list[str],
    ends: Mapping[int, float],
) -> MethodSummary | None:
    judged = [(record, evaluation) for record in records if (evaluation := _judged(record)) is not None]
    if len(judged) < len(records):
        notes.append(
            f"{method.name}: {len(records) - len(judged)} of {len(records)} runs have no test evaluation."
        )
    finite = [(record, e) for record, e in judged if np.isfinite(e.array()).all()]
    failed = tuple(record.run.seed for record, e in judged if not np.isfinite(e.array()).all())
    if failed:
        notes.append(
            f"{method.name}: {len(failed)} of {len(judged)} runs gave returns that are not finite "
            f"(seed {', '.join(map(str, failed))}) and are left out of its numbers, which flatters it."
        )
    if finite:
        lists = [(e.tasks, e.array().shape[0], e.actions, e.steps) for _, e in finite]
        common = max(lists, key=lists.count)
        if lists.count(common) < len(lists):
            notes.append(f"{method.name}: runs judged on another task list, or at other steps, are left out.")
        finite = [pair for pair, key in zip(finite, lists, strict=True) if key == common]
    diverged = len(failed) + sum(failure.diverged for failure in lost)
    failed += tuple(failure.run.seed for failure in lost)
    if not finite and not failed:
        return None
    kept = tuple(record for record, _ in finite)
    if not finite:
        return MethodSummary(
            method, (), failed, 0, "mode", (), np.empty((0, 0, 0)), (), (), None, None, (), (), None, (),
            None, None, None, None, ()
        )  # fmt: skip
    returns = np.stack([e.array().mean(axis=1) for _, e in finite])  # [R, N, K]
    curves = score_curves(kept, reference)
    judged_returns = judged_return(scenario, returns)  # [R, N]
    run_returns = judged_returns.mean(axis=1)
    scores = reference.score(judged_returns) if reference else None
    key = (scenario, method.name)
    return MethodSummary(
        method=method,
        records=kept,
        failed=failed,
        steps=finite[0][1].steps,
        actions=finite[0][1].actions,
        tasks=finite[0][1].tasks,
        returns=returns,
        episodes=_episode_intervals(returns),
        run_returns=tuple(run_returns.tolist()),
        judged=iqm_interval([run_returns]),
        score=iqm_interval([scores.mean(axis=1)]) if scores is not None else None,
        run_scores=tuple(scores.mean(axis=1).tolist()) if scores is not None else (),
        episode_scores=_episode_scores(returns, reference),
        bootstrapped=(
            bootstrap_interval([scores], _generator("mean", *key), sampled_tasks=False)
            if scores is not None
            else None
        ),
        levels=tuple(median_steps(curves, level) for level in LEVELS) if curves else (),
        area=_area(curves, ends.get(kept[0].run.budget, 0.0)),
        stability=(
            stability(scores.mean(axis=1), [curve for _, curve in curves], lost=diverged)
            if curves and scores is not None
            else None
        ),
        gain=adaptation_gain(returns.mean(axis=1)) if returns.shape[2] > 1 else None,
        change=_change([e for record, e in finite]),
        others=_others(kept, reference),
    )


def _judged(record: Record) -> Evaluation | None:
    """The last test evaluation, with mode actions if there is one."""
    tests = [e for e in record.result.evaluations if e.split == "test"]
    modes = [e for e in tests if e.actions == "mode"]
    return max(modes or tests, key=lambda e: e.steps, default=None)


def _others(records: Sequence[Record], reference: Reference | None) -> tuple[OtherEvaluation, ...]:
    groups: dict[tuple[str, str], list[Array]] = defaultdict(list)
    for record in records:
        last: dict[tuple[str, str], Evaluation] = {}
        for evaluation in sorted(record.result.evaluations, key=lambda e: e.steps):
            last[evaluation.split, evaluation.actions] = evaluation
        for name, evaluation in last.items():
            if evaluation != _judged(record) and np.isfinite(evaluation.array()).all():
                groups[name].append(evaluation.array().mean(axis=1))
    others = []
    for (split, actions), arrays in sorted(groups.items()):
        same = [a for a in arrays if a.shape == arrays[0].shape]
        returns = np.stack(same)
        score = None
        if reference:
            judged = judged_return(reference.scenario, returns)  # [R, N]
            score = iqm_interval([reference.score(judged.mean(axis=1))])
        others.append(OtherEvaluation(split, actions, len(same), _episode_intervals(returns), score))
    return tuple(others)


def _episode_intervals(returns: Array) -> tuple[Interval, ...]:
    return tuple(iqm_interval([episode]) for episode in returns.mean(axis=1).T)


def _episode_scores(returns: Array, reference: Reference | None) -> tuple[Interval | None, ...]:
    if reference is None:
        return ()
    scores: list[Interval | None] = []
    for k, (random, oracle) in enumerate(zip(reference.random, reference.oracle, strict=True)):
        usable = clearly_apart(random, oracle)
        values = (returns[:, :, k].mean(axis=1) - random) / (oracle - random) if usable else None
        scores.append(iqm_interval([values]) if values is not None else None)
    return tuple(scores)


def score_curves(records: Sequence[Record], reference: Reference | None) -> list[tuple[Array, Array]]:
    """(steps, normalised score) along the validation curve of each run that has one."""
    if reference is None:
        return []
    return [
        (
            np.array([point.steps for point in record.result.curve], dtype=np.float64),
            reference.score(judged_return(reference.scenario, [p.returns for p in record.result.curve])),
        )
        for record in records
        if record.result.curve
    ]


def _change(evaluations: Sequence[Evaluation]) -> ChangeResponse | None:
    """From `phases` [N tasks, trials, 3] of the judged evaluations, where all of them have it."""
    runs = [evaluation.array_of_phases() for evaluation in evaluations]
    if any(run is None or not np.isfinite(run).any(axis=(0, 1)).all() for run in runs):
        return None
    return change_response([np.nanmean(run, axis=(0, 1)) for run in runs if run is not None])


def _area(curves: Sequence[tuple[Array, Array]], until: float) -> Interval | None:
    areas = [
        area_under_curve(steps, scores, until)
        for steps, scores in curves
        if np.isfinite(scores).all() and steps[0] > 0 and steps[-1] >= until
    ]
    return iqm_interval([areas]) if areas else None


def _generator(*names: str) -> np.random.Generator:
    """A stream of its own for every number, so that no number depends on which others are on the page."""
    return np.random.default_rng(zlib.crc32("/".join(names).encode()))
