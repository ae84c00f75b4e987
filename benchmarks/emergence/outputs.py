"""Plays a team under messages of other trials; its actions become what information is measured of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.emergence.influence import deviation
from benchmarks.emergence.play import CHANNELS, Condition, Played, Swap, Team, play
from benchmarks.metrics import outputs
from benchmarks.metrics.principal import principal_directions
from benchmarks.metrics.surrogates import permuted_within
from ma_ssm_env.blackboard import combine
from ma_ssm_env.evaluation import EVALUATION_SEED
from ma_ssm_env.roles import ACTING_ROLES
from ma_ssm_env.scenarios import find_scenario

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
LEAST_WHOLE = 0.5  # share of the trials that must last to the end
MOST_NUMBERS = 3  # principal components of a role's output that the information measures use


class TrialsEndEarly(ValueError):
    """Most trials end before their time: there are no series of one length to measure information of."""


def played_replicates(
    team: Team,
    tasks: Array,
    trials: int,
    rng: np.random.Generator,
    *,
    replicates: int = 39,
    seed: int = EVALUATION_SEED,
    policy_seed: int = 0,
    num_threads: int = 1,
) -> tuple[outputs.Series, Played]:
    """The roles' outputs of the team as it is and under messages of other trials."""
    N, J = len(tasks), trials
    groups = np.repeat(np.arange(N), J)
    conditions = [Condition()]
    for _ in range(replicates):
        content = {channel: permuted_within(groups, rng) for channel in CHANNELS}
        conditions.append(Condition("swapped", swap=Swap(content, permuted_within(groups, rng))))
    found = play(
        team,
        tasks,
        J,
        conditions,
        record=ACTING_ROLES,
        states=True,
        seed=seed,
        policy_seed=policy_seed,
        num_threads=num_threads,
    )
    return role_outputs(team, found, groups, rng), found


def role_outputs(
    team: Team, played: Played, groups: NDArray[np.int64], rng: np.random.Generator
) -> outputs.Series:
    """Outputs of the roles as few numbers each, and the torque as V, of the trust that was used.

    Ranks know no scale: a network before training reacts to everything, by a thousandth of its noise. So an
    output is what the role's distribution gives, the action that was played plus noise of the deviation that
    influence is measured by; the same noise in all replicates, so that those that are equal stay so.

    Raises:
        TrialsEndEarly: fewer than half of the trials last to their end, in all conditions.
    """
    whole = np.asarray(played.whole.all(axis=0))
    if whole.sum() < LEAST_WHOLE * len(whole):
        raise _end_early(team.scenario, whole, "measures of information need trials of one length")
    parts, widths = [], []
    for role in ACTING_ROLES:
        action = played.actions[role][:, :, whole]
        if role in silent_roles(team) and role == "state_modeling":
            action = np.zeros_like(action)
        noise = rng.standard_normal(action.shape[1:])
        action = action + deviation(team.players.get(role), action.shape[-1]) * noise
        widths.append(action.shape[-1])
        parts.append(action)
    directions = [principal_directions(part[0], MOST_NUMBERS) for part in parts]
    m = widths[1]
    trust_is_held = bool(team.options.get("fixed_trust", False))
    prior, correction, trust = (parts[i][..., :m].astype(np.float32) for i in (1, 2, 3))
    if trust_is_held:
        trust = np.zeros_like(trust)  # what is held has no noise of its own
    torque = combine(prior, correction, trust).astype(np.float64)
    of_torque = principal_directions(torque[0], MOST_NUMBERS)
    # V is a function of what is shifted: of the few numbers, carried back to actions where some are lost.
    few = [part @ direction for part, direction in zip(parts, directions, strict=True)]
    exact = all(direction.shape[0] == direction.shape[1] for direction in directions[1:])

    def macro(shifted: Sequence[Array]) -> Array:
        prior, correction, control = (
            (part if exact else part @ direction.T)[..., :m].astype(np.float32)
            for part, direction in zip(shifted[1:], directions[1:], strict=True)
        )
        if trust_is_held:
            control = np.zeros_like(control)
        return np.asarray(combine(prior, correction, control) @ of_torque, dtype=np.float64)

    return outputs.Series(few, macro, groups[whole])


def whole_trials(scenario: str, whole: NDArray[np.bool_], num_tasks: int) -> Indices:
    """Worlds whose trial lasted to its end, equally many of each task.

    Measures that hold trials of a task against each other need at least two of each, and as many of each. So
    many are taken as keep most trials, the first of each task; tasks with fewer are left out.

    Args:
        scenario: its id, for the error.
        whole: worlds whose trial lasted to its end, task by task [N J].
        num_tasks: N.

    Returns:
        Worlds [N', J'], N' <= N and J' <= J; all of them, in order, where no trial ends early.

    Raises:
        TrialsEndEarly: fewer than half of the trials would be left.
    """
    by_task = whole.reshape(num_tasks, -1)
    trials, counts = by_task.shape[1], by_task.sum(1)
    kept = {j: j * int((counts >= j).sum()) for j in range(min(2, trials), trials + 1)}
    each = max(kept, key=lambda j: (kept[j], j))
    if kept[each] < LEAST_WHOLE * whole.size:
        raise _end_early(scenario, whole, "signalling and diversity need two or more whole trials of a task")
    rows = [np.flatnonzero(row)[:each] + i * trials for i, row in enumerate(by_task) if row.sum() >= each]
    return np.array(rows, dtype=np.int64)


def _end_early(scenario: str, whole: NDArray[np.bool_], need: str) -> TrialsEndEarly:
    return TrialsEndEarly(
        f"{scenario}: {int((~whole).sum())} of {len(whole)} trials end early; {need}: take a scenario "
        "without early ends, or a shorter horizon"
    )


def silent_roles(team: Team) -> frozenset[str]:
    """Acting roles whose posts nobody receives in this team."""
    silent = frozenset(team.options.get("absent_roles", ())) | frozenset(team.options.get("muted_roles", ()))
    return silent | (frozenset(ACTING_ROLES) - frozenset(team.players))


def task_features(scenario: str, tasks: Array) -> Array:
    """What identifies tasks [N, k]: normalised coordinates, wrapped ones as cosine and sine."""
    law = find_scenario(scenario).variation
    columns = []
    for coordinate, values in zip(law.coordinates, law.normalise(tasks).T, strict=True):
        if coordinate.kind == "wrapped":
            columns += [np.cos(np.pi * values), np.sin(np.pi * values)]
        else:
            columns.append(values)
    return np.stack(columns, axis=1)
