"""Collaborative learning: agents, a coordinator, a task, one call.

    workflow = CollaborativeLearning(
        agents=[MetaLearningAgent(), AdaptationAgent(), StateModelingAgent()],
        coordinator=CoordinatorAgent(),
    )
    result = workflow.solve_task("PointDir-v0", target_performance=0.90, budget=300_000)
    print(result)

It composes what is elsewhere: the agents' training run (`policies.agents`), a mode (`modes.py`), a warm start
(`warm_start.py`), the training itself (`session.py`), the single agent beside it (`baseline.py`), measures of
collaboration (`diagnostics.py`), and the report of its records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.metrics.nulls import task_interval
from benchmarks.record_store import write_record
from benchmarks.records import Record, Run, record_key
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
from benchmarks.workflows.baseline import METHOD, at_steps, baseline, baseline_run
from benchmarks.workflows.diagnostics import diagnose
from benchmarks.workflows.learners import Learner, MamlLearner, PpoLearner
from benchmarks.workflows.modes import Mode, in_mode
from benchmarks.workflows.names import scenario_of
from benchmarks.workflows.result import CollaborationResult, OnlineAdaptation
from benchmarks.workflows.session import CHECKPOINT, Task, Trained, train_team, write_json
from benchmarks.workflows.warm_start import WarmStart
from ma_ssm_env import Policy, __version__
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.options import make_options
from ma_ssm_env.scenarios import Scenario, find_scenario
from policies import checkpoint
from policies.adaptation import AdaptationConfig, AdaptivePolicy, Forecaster, fit_forecaster
from policies.agents import (
    AdaptationAgent,
    Agent,
    CoordinatorAgent,
    MetaLearningAgent,
    by_role,
    maml_config,
    training_config,
)
from policies.config import TrainConfig
from policies.forecast import MAX_HORIZON
from policies.team import TeamNetwork
from policies.train import players

OUT = Path("runs/collaboration")
Array = NDArray[np.float64]


class CollaborativeLearning:
    """A team of agents that learns a scenario together.

    Args:
        agents: whom it is made of, a role each; a role without an agent is absent. Without an
            EnvironmentAgent tasks come from their distribution.
        coordinator: who resolves conflicts and allocates the channel; without one trust and rate are 1/2.

    Raises:
        ValueError: something is no agent, or two have one role, or nobody acts on the body.
    """

    def __init__(self, agents: Sequence[Agent], coordinator: CoordinatorAgent | None = None) -> None:
        everyone = [*agents] if coordinator is None else [*agents, coordinator]
        self.agents: Mapping[str, Agent] = by_role(everyone)

    def __repr__(self) -> str:
        return f"CollaborativeLearning({', '.join(map(repr, self.agents.values()))})"

    def training_config(
        self, scenario: str | Scenario, mode: Mode, budget: int, seed: int = 0, prediction_horizon: int = 10
    ) -> TrainConfig:
        """The training run of `solve_task`."""
        found = scenario_of(scenario)
        return in_mode(mode, training_config(self.agents, found.id, budget, seed, prediction_horizon))

    def solve_task(
        self,
        scenario: str | Scenario,
        *,
        collaboration_mode: Mode = "emergent",
        target_performance: float | None = 0.90,
        prediction_horizon: int = 10,
        budget: int = 300_000,
        current_performance: float | None = None,
        support_data: object = None,
        query_data: object = None,
        sequence_data: object = None,
        environment_data: object = None,
        seed: int = 0,
        out: str | Path = OUT,
        single_agent: str | None = METHOD,
        progress: bool = True,
    ) -> CollaborationResult:
        """Train the team until the target or the end of the budget, and judge it.

        The same call goes on where an interrupted one was (Ctrl-C, a kill), to the same bits; after it has
        finished it reads what was found.

        Args:
            scenario: id; Gymnasium's names of the bodies are understood (`HalfCheetah-v5`).
            collaboration_mode: how the team works together (`benchmarks.workflows.modes`).
            target_performance: normalised score on the validation tasks at which training ends, 1 is the
                agent that is shown the task; None: the whole budget is used.
            prediction_horizon: steps that state_modeling forecasts, unless its agent says.
            budget: control steps.
            current_performance: what the team is said to score now; told beside the measured start.
            support_data, query_data, sequence_data, environment_data: recorded trials for a warm start
                (`benchmarks.workflows.warm_start`): a RecordedTrials, a mapping of arrays, or a file of them.
            seed: of networks, sampling and worlds.
            out: folder, in which each run has one of its own, and the baselines of all one.
            single_agent: method of the runner to compare with, at equal steps; None: no comparison.
            progress: show a progress bar.

        Raises:
            ValueError: an argument that cannot be used; a target where the scenario has no reference values.
            FloatingPointError: the run diverged.
            KeyboardInterrupt: it was interrupted; what it had done is kept.
        """
        torch.set_num_threads(1)
        found = scenario_of(scenario)
        _check(target_performance, current_performance, prediction_horizon, budget, seed)
        given = {
            "support": support_data,
            "query": query_data,
            "sequence": sequence_data,
            "environment": environment_data,
        }
        warm = WarmStart.of(found.id, given)
        config = self.training_config(found, collaboration_mode, budget, seed, prediction_horizon)
        reference = reference_of(config, target_performance)
        learner = self._learner(config)
        self._check_online(learner)
        out = Path(out)
        task = task_of(learner, collaboration_mode, target_performance, reference, warm, out)
        with _bar(progress, found.id, collaboration_mode, budget) as on_progress:
            trained = train_team(task, lambda: learner, lambda fresh: warm.apply(fresh, seed), on_progress)
        alone = None
        if single_agent is not None:
            with _bar(progress, found.id, single_agent, budget) as on_progress:
                alone_run = baseline_run(found.id, seed, budget, single_agent)
                alone = baseline(alone_run, out / "baselines", lambda steps: on_progress(steps, None))
            write_record(task.folder, alone)  # beside the team's, for the report
        result = self._result(
            str(scenario), task, trained, alone, collaboration_mode, current_performance, warm
        )
        write_json(task.folder / "result.json", result.to_json())
        return result

    def _learner(self, config: TrainConfig) -> Learner:
        meta = self.agents.get("meta_learning")
        if isinstance(meta, MetaLearningAgent) and meta.inner_steps:
            return MamlLearner(maml_config(meta, config))
        return PpoLearner(config)

    def _check_online(self, learner: Learner) -> None:
        """Refuse an adaptation agent that is to forecast and senses nothing, before anything is trained."""
        agent = self.agents.get("adaptation")
        if isinstance(agent, AdaptationAgent) and agent.online is not None:
            config = learner.training_config
            try:
                Forecaster(learner.network.actor("adaptation"), 1, torch.Generator())
            except ValueError as error:
                raise ValueError(
                    f"{agent!r} on {config.scenario}: {error}; collaboration_mode='centralised' shows the "
                    "role velocities, too"
                ) from None

    def _result(
        self,
        asked: str,
        task: Task,
        trained: Trained,
        alone: Record | None,
        mode: Mode,
        said: float | None,
        warm: WarmStart,
    ) -> CollaborationResult:
        record, reference = trained.record, task.reference
        rng = np.random.default_rng(0)
        network, config, _ = checkpoint.load(task.folder / CHECKPOINT)
        after = record.result.evaluations[-1].array()
        single = None if alone is None else at_steps(alone, record.result.charged_steps)
        better = None if single is None else after.mean((1, 2)) - single.array().mean((1, 2))
        steps = np.array([point.steps for point in record.result.curve], dtype=np.float64)
        values = np.array([np.mean(point.returns) for point in record.result.curve])
        scores = None if reference is None or not len(values) else reference.score(values)
        team = players(network)
        assert isinstance(team, Mapping)
        return CollaborationResult(
            scenario=task.run.scenario,
            asked=asked,
            collaboration_mode=mode,
            agents=tuple(map(repr, self.agents.values())),
            seed=task.run.seed,
            target=task.target,
            reached=trained.reached,
            steps=record.result.charged_steps,
            budget=task.run.budget,
            data_steps=warm.steps,
            current_performance=said,
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
            online=self._online(network, config, team, rng),
            warm_start=trained.warm_start,
            parameters=record.result.parameters,
            wall_s=record.timings.wall_s,
            cpu_s=record.timings.cpu_s,
            checkpoint=task.folder / CHECKPOINT,
            report=write_report(task.folder),
        )

    def _online(
        self, network: TeamNetwork, config: TrainConfig, team: Mapping[str, Policy], rng: np.random.Generator
    ) -> OnlineAdaptation | None:
        agent = self.agents.get("adaptation")
        if not isinstance(agent, AdaptationAgent) or agent.online is None:
            return None
        adaptive = online_policy(network, config, agent.online)
        options = {k: v for k, v in config.options.items() if k not in ("task_source", "shared_ledger")}
        sides = [
            evaluate(config.scenario, {**team, **changed}, split="test", trials=TEST_TRIALS, **options)
            for changed in ({}, {"adaptation": adaptive})
        ]
        gain = (sides[1].returns - sides[0].returns).mean((1, 2))
        return OnlineAdaptation(_interval(gain, rng), dict(Counter(event.kind for event in adaptive.log)))


def task_of(
    learner: Learner,
    mode: Mode,
    target: float | None,
    reference: Reference | None,
    warm: WarmStart,
    out: Path,
) -> Task:
    """A learner's training with its identity, in a folder of its own in `out`."""
    config = learner.training_config
    run = Run(
        scenario=config.scenario,
        method=f"team-{mode}",
        seed=config.seed,
        budget=config.steps,
        suite="workflow",
        configuration={
            "training": learner.configuration,
            "target": target,
            **({"warm_start": warm.digests} if warm.given else {}),
        },
        code=__version__,
        command="benchmarks.workflows",
    )
    return Task(run, out / record_key(run), target, reference)


def online_policy(network: TeamNetwork, config: TrainConfig, online: AdaptationConfig) -> AdaptivePolicy:
    """The trained adaptation role, going on to learn in each trial; its forecaster is fitted here."""
    options = {k: v for k, v in config.options.items() if k not in ("task_source", "shared_ledger")}
    forecaster = fit_forecaster(network, "adaptation", config.scenario, options, seed=config.seed)
    return AdaptivePolicy(network.actor("adaptation"), forecaster, online)


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


def _check(target: float | None, said: float | None, horizon: int, budget: int, seed: int) -> None:
    for name, value in (("target_performance", target), ("current_performance", said)):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and np.isfinite(float(value))):
            raise ValueError(f"{name}={value!r}: a normalised score, such as 0.9, or None is expected")
    for name, count, least, most in (
        ("prediction_horizon", horizon, 0, MAX_HORIZON),
        ("budget", budget, 1, None),
        ("seed", seed, 0, None),
    ):
        whole = isinstance(count, int) and not isinstance(count, bool)
        if not whole or count < least or (most is not None and count > most):
            upper = " or more," if most is None else f" to {most}"
            raise ValueError(f"{name}={count!r}: a whole number, {least}{upper} is expected")


@contextmanager
def _bar(shown: bool, scenario: str, what: str, budget: int) -> Iterator[Any]:
    taken = 0
    with tqdm(
        total=budget, unit="step", unit_scale=True, desc=f"{scenario} {what}", disable=not shown
    ) as bar:

        def on_progress(steps: int, score: float | None) -> None:
            nonlocal taken
            bar.update(min(steps, budget) - min(taken, budget))
            taken = steps
            if score is not None:
                bar.set_postfix({"score": f"{score:.2f}"})

        try:
            yield on_progress
        except KeyboardInterrupt as error:
            error.add_note(f"interrupted after {taken:,} of {budget:,} steps: the same call goes on")
            raise


def _scored(returns: Array, reference: Reference | None, rng: np.random.Generator) -> Interval | None:
    return None if reference is None else _interval(reference.score(returns.mean((1, 2))), rng)


def _interval(per_task: Array, rng: np.random.Generator) -> Interval:
    return Interval(float(per_task.mean()), *task_interval(per_task, rng))


def _by_episode(returns: Array) -> tuple[float, ...]:
    return tuple(float(x) for x in returns.mean((0, 1)))
