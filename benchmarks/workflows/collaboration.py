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

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.record_store import write_record
from benchmarks.workflows.baseline import METHOD, baseline, baseline_run
from benchmarks.workflows.judgement import judge_team, reference_of
from benchmarks.workflows.learners import Learner, MamlLearner, PpoLearner
from benchmarks.workflows.modes import Mode, in_mode
from benchmarks.workflows.names import scenario_of
from benchmarks.workflows.result import CollaborationResult
from benchmarks.workflows.session import task_of, train_team, write_json
from benchmarks.workflows.warm_start import WarmStart
from ma_ssm_env.scenarios import Scenario
from policies.adaptation import Forecaster
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

OUT = Path("runs/collaboration")
HIGHEST_TARGET = 2.0  # of a score; oracles are lower bounds and can be passed, but not by so much


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
        task = task_of(learner, collaboration_mode, target_performance, reference, warm.digests, out)
        with _bar(progress, found.id, collaboration_mode, budget) as on_progress:
            trained = train_team(task, lambda: learner, lambda fresh: warm.apply(fresh, seed), on_progress)
        alone = None
        if single_agent is not None:
            with _bar(progress, found.id, single_agent, budget) as on_progress:
                alone_run = baseline_run(found.id, seed, budget, single_agent)
                alone = baseline(alone_run, out / "baselines", lambda steps: on_progress(steps, None))
            write_record(task.folder, alone)  # beside the team's, for the report
        adaptation = self.agents.get("adaptation")
        result = judge_team(
            task,
            trained,
            alone,
            asked=str(scenario),
            mode=collaboration_mode,
            agents=tuple(map(repr, self.agents.values())),
            current_performance=current_performance,
            data_steps=warm.steps,
            online=adaptation.online if isinstance(adaptation, AdaptationAgent) else None,
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


def _check(target: float | None, said: float | None, horizon: int, budget: int, seed: int) -> None:
    scores: dict[str, Any] = {"target_performance": target, "current_performance": said}
    for name, value in scores.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and np.isfinite(float(value))):
            raise ValueError(f"{name}={value!r}: a normalised score, such as 0.9, or None is expected")
    if target is not None and target > HIGHEST_TARGET:
        raise ValueError(
            f"target_performance={target!r}: a normalised score is expected, such as 0.9; 1 is the agent "
            f"that is shown the task, and above {HIGHEST_TARGET:g} nobody is expected to come"
        )
    counts: tuple[tuple[str, Any, int, int | None], ...] = (
        ("prediction_horizon", horizon, 0, MAX_HORIZON),
        ("budget", budget, 1, None),
        ("seed", seed, 0, None),
    )
    for name, count, least, most in counts:
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
