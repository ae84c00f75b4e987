"""How a team works together: who contributes, what messages are worth, who wins where roles disagree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.emergence.play import CHANNELS, Condition, Played, Swap, Team, play
from benchmarks.metrics.coalitions import shapley_values, values_of
from benchmarks.metrics.nulls import task_interval
from benchmarks.metrics.surrogates import other_task
from benchmarks.stats import Interval
from ma_ssm_env import Policy
from ma_ssm_env.controls import team_vector_env
from ma_ssm_env.roles import ACTING_ROLES
from ma_ssm_env.scenarios import find_scenario

Array = NDArray[np.float64]
TRIALS = 3
CHUNK = 8  # coalitions played side by side
LEAST = 0.05  # a torque below it is no opinion


@dataclass(frozen=True)
class Conflicts:
    """Where prior and correction point in opposite directions, both by at least 0.05.

    Attributes:
        share: of all actuators and steps of the judged trials.
        trust: mean weight of the correction there; of the others in `trust_elsewhere`.
        trust_elsewhere: see above.
        won_by_correction: share of the conflicts in which the torque has the correction's sign.
    """

    share: float
    trust: float
    trust_elsewhere: float
    won_by_correction: float


@dataclass(frozen=True)
class Diagnostics:
    """Measured on the test tasks; intervals are 95% bootstrap intervals over tasks.

    Attributes:
        contributions: role -> its Shapley value, in return of an inner episode; an absent role acts 0 and is
            received as 0.
        listening: what it costs to hear the messages of another task instead of the own, in return; None
            where there is one task.
        bits: nominal bits of belief sent a step.
        conflicts: between prior and correction; None where a role for that is absent.
    """

    contributions: dict[str, Interval]
    listening: Interval | None
    bits: float
    conflicts: Conflicts | None


def diagnose(
    scenario: str, players: Mapping[str, Policy], options: Mapping[str, Any], seed: int = 0
) -> Diagnostics:
    """Play a team on the test tasks with roles absent and with messages swapped."""
    rng = np.random.default_rng(seed)
    tasks = find_scenario(scenario).variation.tasks("test")
    kept = {name: value for name, value in options.items() if name not in ("task_source", "shared_ledger")}
    team = Team(scenario, players, {}, kept)
    present = [role for role in ACTING_ROLES if role in players]

    def value(coalitions: list[frozenset[str]]) -> Array:
        conditions = [Condition("absent", absent=frozenset(present) - c) for c in coalitions]
        parts = [conditions[i : i + CHUNK] for i in range(0, len(conditions), CHUNK)]
        return np.concatenate([play(team, tasks, TRIALS, part).returns for part in parts])

    shares = shapley_values(present, values_of(present, value))
    conditions = [Condition("team")]
    if len(tasks) > 1:
        elsewhere = Swap(dict.fromkeys(CHANNELS, other_task(len(tasks), TRIALS, rng)))
        conditions.append(Condition("other task", swap=elsewhere))
    acting = [role for role in ("meta_learning", "adaptation", "coordinator") if role in players]
    played = play(team, tasks, TRIALS, conditions, record=acting)
    lost = [(played.returns[0] - other).mean(1) for other in played.returns[1:]]
    return Diagnostics(
        contributions={role: _interval(each.mean(1), rng) for role, each in shares.items()},
        listening=_interval(lost[0], rng) if lost else None,
        bits=float(played.bits[0].mean()),
        conflicts=_conflicts(scenario, played, options),
    )


def conflicts_of(prior: Array, correction: Array, weight: Array) -> Conflicts:
    """Conflicts in arrays of one shape: prior, correction, and the weight of the correction in [0, 1]."""
    opposed = (prior * correction < 0.0) & (np.abs(prior) >= LEAST) & (np.abs(correction) >= LEAST)
    torque = np.clip(prior + weight * correction, -1.0, 1.0)
    nan = float("nan")
    return Conflicts(
        share=float(opposed.mean()),
        trust=float(weight[opposed].mean()) if opposed.any() else nan,
        trust_elsewhere=float(weight[~opposed].mean()) if not opposed.all() else nan,
        won_by_correction=float((torque * correction > 0.0)[opposed].mean()) if opposed.any() else nan,
    )


def _conflicts(scenario: str, played: Played, options: Mapping[str, Any]) -> Conflicts | None:
    actions = played.actions
    if "meta_learning" not in actions or "adaptation" not in actions:
        return None
    prior, correction = (actions[role][0] for role in ("meta_learning", "adaptation"))
    weight = np.full_like(prior, 0.5)
    if "coordinator" in actions and not options.get("fixed_trust", False):
        where = team_vector_env(scenario, 1).action_fields("coordinator_0")["trust"]
        weight = (actions["coordinator"][0][..., where] + 1.0) / 2.0
    judged = played.judged(0)
    return conflicts_of(prior[judged], correction[judged], weight[judged])


def _interval(per_task: Array, rng: np.random.Generator) -> Interval:
    return Interval(float(per_task.mean()), *task_interval(per_task, rng))
