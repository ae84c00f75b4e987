"""Warm starts: what a team can learn from recorded trials before it takes a step of its own.

| data | what it does |
|---|---|
| `sequence_data` | fits the forecasts of state_modeling's core, by supervision |
| `support_data` | clones the recorded actions, role by role |
| `support_data` and `query_data` | first-order MAML: after a step on a support trial a role does what the query trial of the same task shows |
| `environment_data` | enters tasks and outcomes into the ledger that the environment agent reads |

Wherever observations are learned from, their statistics enter the normalisation first. Held-out trials (a
fifth, or the query's) say what it brought; their errors are in the report of `apply`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.workflows.learners import Learner, PpoLearner
from ma_ssm_env.ledger import outcome
from ma_ssm_env.recorded_trials import RecordedTrials, as_recorded_trials
from ma_ssm_env.roles import ROLE_TABLE
from ma_ssm_env.scenarios import find_scenario
from policies.forecast import mean_squared_error
from policies.maml.supervised import MetaTrained, Pair, SupervisedConfig, adapt, fit
from policies.role_network import RoleNetwork
from policies.team import SENDER

UPDATES, RATE = 200, 1e-3  # steps of Adam on all trials at once
META = SupervisedConfig(algorithm="fomaml", iterations=100, tasks=8)
HELD_OUT = 5  # every fifth trial
_SAME_TASK = 1e-6


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
            report["sequence"] = fit_forecasts(_actor(learner, SENDER), self.sequence, "sequence_data")
        if self.support is not None and self.query is not None:
            report["support, query"] = _meta_cloned(learner, self.support, self.query, generator)
        elif self.support is not None:
            report["support"] = _cloned(learner, self.support)
        if self.environment is not None:
            report["environment"] = _remembered(learner, self.environment)
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


def fit_forecasts(actor: RoleNetwork, recorded: RecordedTrials, name: str) -> dict[str, float]:
    """Fit a role's core and forecast head to recorded trials; errors of forecasts on those held out."""
    agent = ROLE_TABLE[SENDER].agent
    if not actor.forecast_horizon:
        raise ValueError(f"{name}: state_modeling forecasts nothing; take a prediction_horizon of 1 to 10")
    if agent not in recorded.observations:
        raise ValueError(f"{name}: nothing of {agent} was recorded; record a team that has it")
    training, held = _split(recorded)
    parameters = [*actor.core.parameters(), *actor.forecast_head.parameters()]

    def errors(part: RecordedTrials) -> tuple[Tensor, Tensor]:
        seen, starts = torch.from_numpy(part.observations[agent]), _trial_starts(part)
        _, features = actor.sequence(seen, starts, actor.initial_memory(len(part)))
        targets, valid = actor.forecast_targets(seen)
        valid = valid & _ahead(part, actor.forecast_horizon)
        nothing = torch.zeros_like(targets)
        forecast = actor.forecast(features)
        return mean_squared_error(forecast, targets, valid), mean_squared_error(nothing, targets, valid)

    with torch.no_grad():
        before, persistence = (float(x) for x in errors(held))
    _descend(parameters, lambda: errors(training)[0])
    with torch.no_grad():
        after = float(errors(held)[0])
    return {
        "trials": float(len(recorded)),
        "error_before": before,
        "error_after": after,
        "persistence_error": persistence,
    }


def clone_actions(actor: RoleNetwork, recorded: RecordedTrials, agent: str) -> tuple[float, float]:
    """Fit the means of a role's actions to recorded ones; the error on held-out trials before and after."""
    training, held = _split(recorded)

    def error(part: RecordedTrials) -> Tensor:
        seen, wanted = (torch.from_numpy(x[agent]) for x in (part.observations, part.actions))
        means, _ = actor.sequence(seen, _trial_starts(part), actor.initial_memory(len(part)))
        off = (means - wanted).square().mean(-1)
        return off[torch.from_numpy(part.playing)].mean()

    with torch.no_grad():
        before = float(error(held))
    _descend(_policy_parameters(actor), lambda: error(training))
    with torch.no_grad():
        return before, float(error(held))


class _Means(nn.Module):
    """Observations of whole trials [T, M, O] to means of actions [T, M, A]."""

    def __init__(self, actor: RoleNetwork) -> None:
        super().__init__()
        self.core, self.head = actor.core, actor.head
        self._actor = [actor]  # in a list: its other parts are not to be learned

    def forward(self, observations: Tensor) -> Tensor:
        actor = self._actor[0]
        starts = torch.zeros(observations.shape[:2])
        starts[0] = 1.0
        features, _ = self.core(actor.normaliser(observations), starts, actor.initial_memory(starts.shape[1]))
        means: Tensor = self.head(features)
        return torch.tanh(means) if actor.squash else means


def _cloned(learner: Learner, support: RecordedTrials) -> dict[str, Any]:
    found: dict[str, Any] = {"trials": float(len(support))}
    for role, agent in _recorded_roles(learner, support, "support_data"):
        before, after = clone_actions(_actor(learner, role), support, agent)
        found[role] = {"error_before": before, "error_after": after}
    return found


def _meta_cloned(
    learner: Learner, support: RecordedTrials, query: RecordedTrials, generator: torch.Generator
) -> dict[str, Any]:
    pairs = _paired(support, query)
    found: dict[str, Any] = {"trials": float(len(pairs))}
    for role, agent in _recorded_roles(learner, support, "support_data"):
        if agent not in query.observations:
            raise ValueError(f"query_data: nothing of {agent} was recorded, but support_data has it")
        model = _Means(_actor(learner, role))
        tasks = [(_pair(support, i, agent), _pair(query, j, agent)) for i, j in pairs]
        plain = MetaTrained(
            model, {n: torch.tensor(META.inner_rate) for n, _ in model.named_parameters()}, META, []
        )
        before = _query_error(plain, tasks)
        trained = fit(model, tasks, META, generator)
        for parameter in model.parameters():
            parameter.grad = None
        found[role] = {"query_error_before": before, "query_error_after": _query_error(trained, tasks)}
    return found


def _query_error(trained: MetaTrained, tasks: list[tuple[Pair, Pair]]) -> float:
    errors = []
    for support, (seen, wanted) in tasks:
        with torch.enable_grad():
            mine = adapt(trained, support)
        with torch.no_grad():
            errors.append(float((mine(seen) - wanted).square().mean()))
    return float(np.mean(errors))


def _remembered(learner: Learner, recorded: RecordedTrials) -> dict[str, Any]:
    if not isinstance(learner, PpoLearner) or not learner.training.game.chooses:
        raise ValueError(
            "environment_data without an EnvironmentAgent: nobody reads the ledger; add one to the agents, or "
            "leave the data out"
        )
    if np.isnan(recorded.tasks).any():
        raise ValueError("environment_data: the tasks of some trials are not known; record them with tasks")
    scenario = find_scenario(recorded.scenario)
    means = recorded.returns.sum(1) / recorded.starts.sum(0)
    outcomes = outcome(means, scenario.outcome_scale)
    tasks = scenario.variation.normalise(recorded.tasks).astype(np.float32)
    learner.training.game.remember(tasks, outcomes)
    return {"trials": float(len(recorded)), "mean_outcome": float(outcomes.mean())}


def _recorded_roles(learner: Learner, recorded: RecordedTrials, name: str) -> list[tuple[str, str]]:
    roles = [(role, ROLE_TABLE[role].agent) for role in learner.network.roles]
    found = [(role, agent) for role, agent in roles if agent in recorded.actions]
    if not found:
        raise ValueError(f"{name}: recorded were {', '.join(recorded.agents)}, none of which is in this team")
    return found


def _paired(support: RecordedTrials, query: RecordedTrials) -> list[tuple[int, int]]:
    """For each support trial the first unused query trial of the same task; by number where tasks are unknown."""
    if np.isnan(support.tasks).any() or np.isnan(query.tasks).any():
        if len(support) != len(query):
            raise ValueError(
                f"query_data: {len(query)} trials for {len(support)} of support_data, and not all tasks are "
                "known to pair them by; as many, in the same order, are expected"
            )
        return [(i, i) for i in range(len(support))]
    pairs, used = [], set()
    for i, task in enumerate(support.tasks):
        same = np.flatnonzero(np.abs(query.tasks - task).max(1) <= _SAME_TASK)
        free = [int(j) for j in same if int(j) not in used]
        if not free:
            raise ValueError(f"query_data: no trial left of the task {task.tolist()} of support trial {i}")
        used.add(free[0])
        pairs.append((i, free[0]))
    return pairs


def _pair(recorded: RecordedTrials, trial: int, agent: str) -> Pair:
    length = int(recorded.lengths[trial])
    seen, did = (
        torch.from_numpy(x[agent][:length, trial : trial + 1])
        for x in (recorded.observations, recorded.actions)
    )
    return seen, did


def _descend(parameters: list[nn.Parameter], loss: Any) -> None:
    # The learner's own optimiser is not used: its moments belong to another loss.
    optimiser = torch.optim.Adam(parameters, lr=RATE)
    for _ in range(UPDATES):
        optimiser.zero_grad(set_to_none=True)
        loss().backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def _policy_parameters(actor: RoleNetwork) -> list[nn.Parameter]:
    return [*actor.core.parameters(), *actor.head.parameters()]


def _actor(learner: Learner, role: str) -> RoleNetwork:
    if role not in learner.network.roles:
        raise ValueError(f"recorded trials for {role}: the role has no agent in this team")
    return learner.network.actor(role)


def _check_layout(actor: RoleNetwork, recorded: RecordedTrials, agent: str, name: str) -> None:
    there = recorded.fields(agent)
    if there != actor.fields:
        raise ValueError(
            f"{name}: {agent} observed {', '.join(there)}; in this team it observes {', '.join(actor.fields)}: "
            "record trials with the same options"
        )


def _split(recorded: RecordedTrials) -> tuple[RecordedTrials, RecordedTrials]:
    """Trials to learn from and to judge on; a single trial is both."""
    if len(recorded) == 1:
        return recorded, recorded
    held = np.arange(len(recorded)) % HELD_OUT == HELD_OUT - 1
    if not held.any():
        held[-1] = True
    return recorded.part(~held), recorded.part(held)


def _trial_starts(recorded: RecordedTrials) -> Tensor:
    starts = torch.zeros(recorded.rewards.shape)
    starts[0] = 1.0
    return starts


def _ahead(recorded: RecordedTrials, horizon: int) -> Tensor:
    """Where the step k ahead was still played [T, N, h]."""
    steps = np.arange(len(recorded.rewards))[:, None, None] + np.arange(1, horizon + 1)
    return torch.from_numpy(steps < recorded.lengths[:, None])


def _digest(recorded: RecordedTrials) -> str:
    digest = hashlib.sha256(repr((recorded.scenario, sorted(recorded.options.items()))).encode())
    for agent in recorded.agents:
        digest.update(agent.encode())
        digest.update(np.ascontiguousarray(recorded.observations[agent]).tobytes())
        digest.update(np.ascontiguousarray(recorded.actions[agent]).tobytes())
    for array in (recorded.rewards, recorded.tasks, recorded.lengths):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]
