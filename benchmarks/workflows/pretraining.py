"""What a role's network learns from recorded trials by supervision: forecasts, and what others did.

Each function changes a network in place and says what it brought on trials that were held out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ma_ssm_env.recorded_trials import RecordedTrials
from policies.forecast import mean_squared_error
from policies.maml.supervised import MetaTrained, Pair, SupervisedConfig, adapt, fit
from policies.role_network import RoleNetwork

UPDATES, RATE, GRADIENT_NORM = 300, 3e-3, 1.0  # steps of Adam, on all trials at once
META = SupervisedConfig(algorithm="fomaml", iterations=150, tasks=8, learning_rate=3e-3)
HELD_OUT = 5  # every fifth trial
_SAME_TASK = 1e-6


def fit_forecasts(actor: RoleNetwork, recorded: RecordedTrials, agent: str) -> dict[str, float]:
    """Fit a role's core and forecast head; mean squared errors in normalised units, and persistence's."""
    training, held = _split(recorded)

    def errors(part: RecordedTrials) -> tuple[Tensor, Tensor]:
        seen, starts = torch.from_numpy(part.observations[agent]), _trial_starts(part)
        _, features = actor.sequence(seen, starts, actor.initial_memory(len(part)))
        targets, valid = actor.forecast_targets(seen)
        valid = valid & _ahead(part, actor.forecast_horizon)
        forecast, nothing = actor.forecast(features), torch.zeros_like(targets)
        return mean_squared_error(forecast, targets, valid), mean_squared_error(nothing, targets, valid)

    with torch.no_grad():
        before, persistence = (float(x) for x in errors(held))
    _descend([*actor.core.parameters(), *actor.forecast_head.parameters()], lambda: errors(training)[0])
    with torch.no_grad():
        after = float(errors(held)[0])
    return {"error_before": before, "error_after": after, "persistence_error": persistence}


def clone_actions(actor: RoleNetwork, recorded: RecordedTrials, agent: str) -> dict[str, float]:
    """Fit the means of a role's actions to recorded ones; mean squared errors."""
    training, held = _split(recorded)

    def error(part: RecordedTrials) -> Tensor:
        seen, wanted = (torch.from_numpy(x[agent]) for x in (part.observations, part.actions))
        means, _ = actor.sequence(seen, _trial_starts(part), actor.initial_memory(len(part)))
        return (means - wanted).square().mean(-1)[torch.from_numpy(part.playing)].mean()

    with torch.no_grad():
        before = float(error(held))
    _descend([*actor.core.parameters(), *actor.head.parameters()], lambda: error(training))
    with torch.no_grad():
        return {"error_before": before, "error_after": float(error(held))}


def meta_clone_actions(
    actor: RoleNetwork,
    support: RecordedTrials,
    query: RecordedTrials,
    agent: str,
    generator: torch.Generator,
) -> dict[str, float]:
    """Fit means so that a step on a support trial gives what the query trial of the task shows.

    By first-order MAML (`policies.maml.supervised`). The errors are those on the query trials, after the
    step; a fifth of the pairs is held out.

    Raises:
        ValueError: the trials cannot be paired.
    """
    model = _Means(actor)
    tasks = [(_pair(support, i, agent), _pair(query, j, agent)) for i, j in paired(support, query)]
    held = [task for i, task in enumerate(tasks) if i % HELD_OUT == HELD_OUT - 1] or tasks[-1:]
    training = [task for i, task in enumerate(tasks) if i % HELD_OUT != HELD_OUT - 1]
    rates = {name: torch.tensor(META.inner_rate) for name, _ in model.named_parameters()}
    before = _query_error(MetaTrained(model, rates, META, []), held)
    trained = fit(model, training, META, generator)
    for parameter in model.parameters():  # the learner that comes next wants none of it
        parameter.grad = None
    return {"query_error_before": before, "query_error_after": _query_error(trained, held)}


def paired(support: RecordedTrials, query: RecordedTrials) -> list[tuple[int, int]]:
    """For each support trial the first unused query trial of its task; by number where tasks are unknown.

    Raises:
        ValueError: there is none.
    """
    if np.isnan(support.tasks).any() or np.isnan(query.tasks).any():
        if len(support) != len(query):
            raise ValueError(
                f"query_data: {len(query)} trials for {len(support)} of support_data, and not all tasks are "
                "known to pair them by; as many, in the same order, are expected"
            )
        return [(i, i) for i in range(len(support))]
    pairs: list[tuple[int, int]] = []
    used: set[int] = set()
    for i, task in enumerate(support.tasks):
        same = np.flatnonzero(np.abs(query.tasks - task).max(1) <= _SAME_TASK)
        free = [int(j) for j in same if int(j) not in used]
        if not free:
            raise ValueError(f"query_data: no trial left of the task {task.tolist()} of support trial {i}")
        used.add(free[0])
        pairs.append((i, free[0]))
    return pairs


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
        memory = actor.initial_memory(starts.shape[1])
        features, _ = self.core(actor.normaliser(observations), starts, memory)
        means: Tensor = self.head(features)
        return torch.tanh(means) if actor.squash else means


def _query_error(trained: MetaTrained, tasks: Sequence[tuple[Pair, Pair]]) -> float:
    errors = []
    for support, (seen, wanted) in tasks:
        mine = adapt(trained, support)
        with torch.no_grad():
            errors.append(float((mine(seen) - wanted).square().mean()))
    return float(np.mean(errors))


def _pair(recorded: RecordedTrials, trial: int, agent: str) -> Pair:
    length = int(recorded.lengths[trial])
    seen, did = (
        torch.from_numpy(x[agent][:length, trial : trial + 1])
        for x in (recorded.observations, recorded.actions)
    )
    return seen, did


def _descend(parameters: list[nn.Parameter], loss: Callable[[], Tensor]) -> None:
    # The learner's own optimiser is not used: its moments belong to another loss.
    optimiser = torch.optim.Adam(parameters, lr=RATE)
    for _ in range(UPDATES):
        optimiser.zero_grad(set_to_none=True)
        loss().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, GRADIENT_NORM)
        optimiser.step()
    optimiser.zero_grad(set_to_none=True)


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
