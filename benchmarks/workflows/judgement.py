"""From a training to its result: scores, the single agent beside it, how the team works together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.judged_return import judged_return
from benchmarks.metrics.nulls import task_interval
from benchmarks.records import Record
from benchmarks.report.__main__ import write_report
from benchmarks.report.references import Reference, default_path, read_references
from benchmarks.runner.execute import TEST_TRIALS
from benchmarks.stats import (
    LEVELS,
    Interval,
    area_under_curve,
    drop_after_peak,
    has_collapsed,
    steps_to_score,
)
from benchmarks.workflows.baseline import at_steps
from benchmarks.workflows.diagnostics import diagnose
from benchmarks.workflows.modes import Mode
from benchmarks.workflows.result import CollaborationResult, OnlineAdaptation
from benchmarks.workflows.session import CHECKPOINT, Task, Trained
from ma_ssm_env import Policy
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.options import make_options
from ma_ssm_env.scenarios import find_scenario
from policies import checkpoint
from policies.adaptation import AdaptationConfig, AdaptivePolicy, fit_forecaster
from policies.config import TrainConfig
from policies.team import TeamNetwork
from policies.train import players

Array = NDArray[np.float64]


def judge_team(
    task: Task,
    trained: Trained,
    alone: Record | None,
    *,
    asked: str,
    mode: Mode,
    agents: tuple[str, ...],
    current_performance: float | None,
    data_steps: int,
    online: AdaptationConfig | None,
) -> CollaborationResult:
    """Everything that the result says, and the report's page.

    Args:
        task: what was trained.
        trained: what came of it.
        alone: record of the single agent.
        asked: the name of the scenario that was asked for.
        mode: how the team worked together.
        agents: who they are.
        current_performance: what the start was said to be.
        data_steps: recorded control steps of a warm start.
        online: how the adaptation role goes on learning in test trials.
    """
    record, reference = trained.record, task.reference
    scenario = record.run.scenario
    rng = np.random.default_rng(0)
    network, config, _ = checkpoint.load(task.folder / CHECKPOINT)
    after = record.result.evaluations[-1].array()
    single = None if alone is None else at_steps(alone, record.result.charged_steps)
    better = None if single is None else _by_task(scenario, after) - _by_task(scenario, single.array())
    steps = np.array([point.steps for point in record.result.curve], dtype=np.float64)
    values = judged_return(scenario, [point.returns for point in record.result.curve] or np.empty((0, 1)))
    scores = None if reference is None or not len(values) else reference.score(values)
    team = players(network)
    assert isinstance(team, Mapping)
    return CollaborationResult(
        scenario=task.run.scenario,
        asked=asked,
        collaboration_mode=mode,
        agents=agents,
        seed=task.run.seed,
        target=task.target,
        reached=trained.reached,
        steps=record.result.charged_steps,
        budget=task.run.budget,
        data_steps=data_steps,
        current_performance=current_performance,
        before=_scored(trained.before, reference, rng),
        after=_scored(after, reference, rng),
        returns_before=_by_episode(trained.before),
        returns_after=_by_episode(after),
        baseline=None if alone is None else alone.run.method,
        baseline_steps=None if single is None else single.steps,
        baseline_score=None if single is None else _scored(single.array(), reference, rng),
        improvement=None if better is None else _interval(better, rng),
        drop_after_peak=None if scores is None else drop_after_peak(scores),
        collapsed=None if scores is None else has_collapsed(scores),
        steps_to={} if scores is None else {x: steps_to_score(steps, scores, x) for x in LEVELS},
        area_under_curve=None if scores is None else area_under_curve(steps, scores),
        curve=tuple(
            zip(steps.astype(int).tolist(), (values if scores is None else scores).tolist(), strict=True)
        ),
        diagnostics=diagnose(task.run.scenario, team, config.options),
        online=None if online is None else online_gain(network, config, team, online, rng),
        warm_start=trained.warm_start,
        parameters=record.result.parameters,
        wall_s=record.timings.wall_s,
        cpu_s=record.timings.cpu_s,
        checkpoint=task.folder / CHECKPOINT,
        report=write_report(task.folder),
    )


def online_gain(
    network: TeamNetwork,
    config: TrainConfig,
    team: Mapping[str, Policy],
    online: AdaptationConfig,
    rng: np.random.Generator,
) -> OnlineAdaptation:
    """Play the test trials with and without learning in them, in the same worlds."""
    options = {k: v for k, v in config.options.items() if k not in ("task_source", "shared_ledger")}
    forecaster = fit_forecaster(network, "adaptation", config.scenario, options, seed=config.seed)
    adaptive = AdaptivePolicy(network.actor("adaptation"), forecaster, online)
    sides = [
        evaluate(config.scenario, {**team, **changed}, split="test", trials=TEST_TRIALS, **options)
        for changed in ({}, {"adaptation": adaptive})
    ]
    gain = _by_task(config.scenario, sides[1].returns) - _by_task(config.scenario, sides[0].returns)
    return OnlineAdaptation(_interval(gain, rng), dict(Counter(event.kind for event in adaptive.log)))


def reference_of(config: TrainConfig, target: float | None) -> Reference | None:
    """The reference values of a run's scenario.

    Raises:
        ValueError: there are none, and a target was given that only they give a meaning.
    """
    options = {k: v for k, v in config.options.items() if k in ("episodes_per_trial", "horizon")}
    episodes = make_options(find_scenario(config.scenario), options, team=True).episodes_per_trial
    found, problem = read_references(default_path()).find(config.scenario, episodes)
    if found is None and target is not None:
        raise ValueError(
            f"target_performance={target:g}: {problem}, so nothing says what score a return is; take "
            "target_performance=None, or a scenario with reference values"
        )
    return found


def _scored(returns: Array, reference: Reference | None, rng: np.random.Generator) -> Interval | None:
    if reference is None:
        return None
    return _interval(reference.score(_by_task(reference.scenario, returns)), rng)


def _by_task(scenario: str, returns: Array) -> Array:
    """What each task is judged by [N], from returns [N, trials, K]."""
    judged: Array = judged_return(scenario, returns).mean(1)
    return judged


def _interval(per_task: Array, rng: np.random.Generator) -> Interval:
    return Interval(float(per_task.mean()), *task_interval(per_task, rng))


def _by_episode(returns: Array) -> tuple[float, ...]:
    return tuple(float(x) for x in returns.mean((0, 1)))
