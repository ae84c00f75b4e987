"""What is judged by a team's returns: coalitions of roles, the ladder of ablations, the channel's rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.emergence.config import AnalysisConfig
from benchmarks.emergence.play import CHANNELS, Condition, Played, Swap, Team, play
from benchmarks.metrics import ablations, coalitions, communication
from benchmarks.metrics.finding import Finding
from benchmarks.metrics.surrogates import other_task
from ma_ssm_env.evaluation import EVALUATION_SEED
from ma_ssm_env.roles import ACTING_ROLES

Array = NDArray[np.float64]
CHUNK = 16  # conditions played side by side


def of_coalitions(
    team: Team, tasks: Array, config: AnalysisConfig, rng: np.random.Generator
) -> tuple[dict[str, Any], list[Finding], dict[frozenset[str], Array]]:
    """What each coalition earns with the other roles absent, and with them frozen where there are references.

    Args:
        team: who plays.
        tasks: hidden tasks [N, k].
        config: how much is played.
        rng: of the nulls and intervals.

    Returns:
        For the record: kind of absence -> values, Shapley values and dividends; the findings; coalition ->
        returns with the others absent [N, J].
    """

    def value(frozen: bool) -> Callable[[list[frozenset[str]]], Array]:
        def of(sets: list[frozenset[str]]) -> Array:
            gone = [frozenset(ACTING_ROLES) - present for present in sets]
            conditions = [
                Condition("frozen", frozen=roles) if frozen else Condition("absent", absent=roles)
                for roles in gone
            ]
            return np.concatenate([p.returns for p in _chunks(team, tasks, config, conditions)])

        return of

    record, found = {}, []
    neutral = coalitions.values_of(ACTING_ROLES, value(False))
    kinds = {"neutral": neutral}
    if team.references:
        kinds["frozen"] = coalitions.values_of(ACTING_ROLES, value(True))
    for kind, v in kinds.items():
        found += coalitions.findings(ACTING_ROLES, v, kind, rng)
        shares = coalitions.shapley_values(ACTING_ROLES, v)
        parts = coalitions.dividends(ACTING_ROLES, v)
        record[kind] = {
            "values": {_name(c): float(x.mean()) for c, x in v.items()},
            "shapley": {role: float(x.mean()) for role, x in shares.items()},
            "dividends": {_name(c): float(x.mean()) for c, x in parts.items()},
        }
    return record, found, neutral


def _name(coalition: frozenset[str]) -> str:
    return "+".join(role for role in ACTING_ROLES if role in coalition)


def _chunks(
    team: Team,
    tasks: Array,
    config: AnalysisConfig,
    conditions: Sequence[Condition],
    seed: int = EVALUATION_SEED,
) -> Iterator[Played]:
    for start in range(0, len(conditions), CHUNK):
        part = conditions[start : start + CHUNK]
        yield play(
            team,
            tasks,
            config.trials,
            part,
            seed=seed,
            policy_seed=config.seed,
            num_threads=config.num_threads,
        )


def ladder(
    team: Team, tasks: Array, config: AnalysisConfig, rng: np.random.Generator, *, seed: int = EVALUATION_SEED
) -> dict[str, Played]:
    """The team under each condition of the ladder, the channels and the rate: name -> one condition."""
    N, J = len(tasks), config.trials
    elsewhere = other_task(N, J, rng)
    next_trial = (np.arange(N)[:, None] * J + np.roll(np.arange(J), -1)).reshape(-1)
    rates = np.linspace(-1.0, 1.0, config.rates)
    conditions = [
        Condition("team"),
        *[Condition(f"{role} muted", muted=frozenset({role})) for role in ACTING_ROLES],
        *[Condition(f"{role} frozen", frozen=frozenset({role})) for role in team.references],
        Condition("other trial", swap=Swap(dict.fromkeys(CHANNELS, next_trial))),
        Condition("other task", swap=Swap(dict.fromkeys(CHANNELS, elsewhere))),
        *[Condition(f"{f} > {r}", swap=Swap({(f, r): elsewhere})) for f, r in CHANNELS],
        *[Condition(f"rate {i}", rate=float(rate)) for i, rate in enumerate(rates)],
    ]
    found: dict[str, Played] = {}
    for part in _chunks(team, tasks, config, conditions, seed):
        for c in range(len(part.returns)):
            name = conditions[len(found)].name
            found[name] = Played(
                part.returns[c : c + 1],
                part.episodes[c : c + 1],
                part.bits[c : c + 1],
                {},
                part.states[:0],
                part.steps[c : c + 1],
                part.whole[c : c + 1],
            )
    return found


def of_ladder(
    played: Mapping[str, Played],
    values: Mapping[frozenset[str], Array],
    retrained: Mapping[str, tuple[Array, Array]],
    rng: np.random.Generator,
) -> list[Finding]:
    """What is lost on each rung of the ladder.

    Args:
        played: as `ladder` gives it.
        values: as `of_coalitions` gives them.
        retrained: role -> returns per task of runs with it [R, N], and of runs trained without it [R', N].
        rng: of the nulls and intervals.
    """
    whole = frozenset(ACTING_ROLES)
    own = played["team"].returns[0]
    removed = [ablations.ablation(f"{r} removed", own, values[whole - {r}], rng) for r in ACTING_ROLES]
    named = [
        ablations.ablation(name, own, found.returns[0], rng)
        for name, found in played.items()
        if name.endswith((" muted", " frozen"))
    ]
    shuffled = ablations.ablation(
        "messages shuffled within the task", own, played["other trial"].returns[0], rng
    )
    again = [
        ablations.retrained(f"retrained without {role}", full, without, rng)
        for role, (full, without) in retrained.items()
    ]
    return [*removed, *named, shuffled, *again]


def of_rates(
    played: Mapping[str, Played], rates: int, rng: np.random.Generator
) -> tuple[dict[str, Any], Finding]:
    """What the return is at each rate of the channel, for the record, and whether it rises with the bits.

    Args:
        played: as `ladder` gives it.
        rates: points of its sweep.
        rng: of the null and the intervals.
    """
    own, sweep = played["team"], [played[f"rate {i}"] for i in range(rates)]
    points, bits = communication.return_against_bits(
        [float(p.bits.mean()) for p in sweep], [p.returns[0] for p in sweep], rng
    )
    record = {
        "points": [asdict(point) for point in points],
        "own": {"bits": float(own.bits.mean()), "value": float(own.returns.mean())},
    }
    return record, bits
