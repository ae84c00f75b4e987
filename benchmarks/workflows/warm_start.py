"""Warm starts: what a team can learn from recorded trials before it takes a step of its own.

| data | what it does |
|---|---|
| `sequence_data` | fits the forecasts of state_modeling's core, by supervision |
| `support_data` | clones the recorded actions, role by role |
| both of `support_data`, `query_data` | first-order MAML: a step on a support trial gives the query trial |
| `environment_data` | enters tasks and outcomes into the ledger that the environment agent reads |

Wherever observations are learned from, their statistics enter the normalisation first. Trials that are held
out say what it brought (`pretraining.py`). Recorded steps are counted apart from those that the team takes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.workflows.learners import Learner, PpoLearner
from benchmarks.workflows.pretraining import clone_actions, fit_forecasts, meta_clone_actions
from ma_ssm_env.ledger import outcome
from ma_ssm_env.recorded_trials import RecordedTrials, as_recorded_trials
from ma_ssm_env.roles import ROLE_TABLE
from ma_ssm_env.scenarios import find_scenario
from policies.role_network import RoleNetwork
from policies.team import SENDER


@dataclass(frozen=True)
class WarmStart:
    """Recorded trials by what is learned from them; None where nothing was given."""

    support: RecordedTrials | None = None
    query: RecordedTrials | None = None
    sequence: RecordedTrials | None = None
    environment: RecordedTrials | None = None

    @classmethod
    def of(cls, scenario: str, data: Mapping[str, object]) -> WarmStart:
        """Check what was given as `<name>_data`.

        Raises:
            ValueError: it is no recorded trials, or not of the team on this scenario.
        """
        found: dict[str, RecordedTrials] = {}
        for name, value in data.items():
            if value is None:
                continue
            recorded = as_recorded_trials(value, name=f"{name}_data", scenario=scenario)
            if name != "environment" and not recorded.team:
                raise ValueError(
                    f"{name}_data: trials of the single-agent twin; trials of the team are expected"
                )
            found[name] = recorded
        start = cls(**found)
        if start.query is not None and start.support is None:
            raise ValueError("query_data without support_data: give the trials to adapt on, too")
        return start

    @property
    def given(self) -> dict[str, RecordedTrials]:
        """What was given, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @property
    def steps(self) -> int:
        """Recorded control steps that are learned from."""
        return sum(int(recorded.lengths.sum()) for recorded in self.given.values())

    @property
    def digests(self) -> dict[str, str]:
        """What tells one warm start from another: a digest of each part."""
        return {name: _digest(recorded) for name, recorded in self.given.items()}

    def apply(self, learner: Learner, seed: int) -> dict[str, Any]:
        """Teach the networks of a run that has not begun; what it brought, by name.

        Raises:
            ValueError: the data is not of use to this team.
        """
        report: dict[str, Any] = {}
        generator = torch.Generator().manual_seed(seed)
        if self.given and learner.steps:
            raise RuntimeError(f"warm start after {learner.steps} steps: it comes before the first")
        self._normalise(learner)
        if self.sequence is not None:
            report["sequence_data"] = _forecasting(learner, self.sequence)
        if self.support is not None:
            name = "support_data" if self.query is None else "support_data, query_data"
            report[name] = _cloned(learner, self.support, self.query, generator)
        if self.environment is not None:
            report["environment_data"] = _remembered(learner, self.environment)
        return report

    def _normalise(self, learner: Learner) -> None:
        for name in ("sequence", "support", "query"):
            recorded = self.given.get(name)
            if recorded is None:
                continue
            roles = (SENDER,) if name == "sequence" else learner.network.roles
            for role in roles:
                agent = ROLE_TABLE[role].agent
                if agent in recorded.observations:
                    _check_layout(_actor(learner, role), recorded, agent, f"{name}_data")
                    seen = recorded.observations[agent][recorded.playing]
                    _actor(learner, role).normaliser.update(torch.from_numpy(seen))


def _forecasting(learner: Learner, recorded: RecordedTrials) -> dict[str, Any]:
    actor, agent = _actor(learner, SENDER), ROLE_TABLE[SENDER].agent
    if not actor.forecast_horizon:
        raise ValueError(
            "sequence_data: state_modeling forecasts nothing; take a prediction_horizon of 1 to 10"
        )
    if agent not in recorded.observations:
        raise ValueError(f"sequence_data: nothing of {agent} was recorded; record a team that has it")
    return {"trials": float(len(recorded)), **fit_forecasts(actor, recorded, agent)}


def _cloned(
    learner: Learner, support: RecordedTrials, query: RecordedTrials | None, generator: torch.Generator
) -> dict[str, Any]:
    found: dict[str, Any] = {"trials": float(len(support))}
    for role in learner.network.roles:
        agent, actor = ROLE_TABLE[role].agent, learner.network.actor(role)
        if agent not in support.actions:
            continue
        if query is None:
            found[role] = clone_actions(actor, support, agent)
        elif agent not in query.actions:
            raise ValueError(f"query_data: nothing of {agent} was recorded, but support_data has it")
        else:
            found[role] = meta_clone_actions(actor, support, query, agent, generator)
    if len(found) == 1:
        raise ValueError(
            f"support_data: recorded were {', '.join(support.agents)}, none of which is in this team"
        )
    return found


def _remembered(learner: Learner, recorded: RecordedTrials) -> dict[str, Any]:
    if not isinstance(learner, PpoLearner) or not learner.training.game.chooses:
        raise ValueError(
            "environment_data without an EnvironmentAgent: nobody reads the ledger; add one to the agents, "
            "or leave the data out"
        )
    if np.isnan(recorded.tasks).any():
        raise ValueError("environment_data: the tasks of some trials are not known; record them with tasks")
    scenario = find_scenario(recorded.scenario)
    means = recorded.returns.sum(1) / recorded.starts.sum(0)
    outcomes = outcome(means, scenario.outcome_scale)
    tasks = scenario.variation.normalise(recorded.tasks).astype(np.float32)
    learner.training.game.remember(tasks, outcomes)
    return {"trials": float(len(recorded)), "mean_outcome": float(outcomes.mean())}


def _actor(learner: Learner, role: str) -> RoleNetwork:
    if role not in learner.network.roles:
        raise ValueError(f"recorded trials for {role}: the role has no agent in this team")
    return learner.network.actor(role)


def _check_layout(actor: RoleNetwork, recorded: RecordedTrials, agent: str, name: str) -> None:
    there = recorded.fields(agent)
    if there != actor.fields:
        raise ValueError(
            f"{name}: {agent} observed {', '.join(there)}; in this team it observes "
            f"{', '.join(actor.fields)}: record trials with the same options"
        )


def _digest(recorded: RecordedTrials) -> str:
    digest = hashlib.sha256(repr((recorded.scenario, sorted(recorded.options.items()))).encode())
    for agent in recorded.agents:
        digest.update(agent.encode())
        digest.update(np.ascontiguousarray(recorded.observations[agent]).tobytes())
        digest.update(np.ascontiguousarray(recorded.actions[agent]).tobytes())
    for array in (recorded.rewards, recorded.tasks, recorded.lengths):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]
