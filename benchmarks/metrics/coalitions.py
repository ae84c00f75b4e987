"""Coalitions of roles: what each subset earns, who carries it, and whether the whole beats its best part.

    Shapley value   phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! (v(S + i) - v(S))
    dividend        d(S)  = sum over T in S of (-1)^(|S| - |T|) v(T)
    synergy         v(N) - v(best proper sub-team)

phi sums to v(N) - v(empty); phi_i = sum over S with i of d(S) / |S|. Values are in the unit of the return;
any sign. Sources: Shapley 1953, "A value for n-person games"; Harsanyi 1963.

Absence is a choice: neutral (the role acts 0 and is received as 0) or frozen (a reference policy acts for
it). Both are reported, as they answer different questions: what the role adds to nobody, and what its
training adds. They mislead where the remaining roles were never trained for such a team (they could do
better if retrained: see the ablations), and they are no measure of communication: roles that share a body
complement each other through it without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.metrics.finding import Finding, effect_verdict
from benchmarks.metrics.nulls import sign_flip_p, task_interval

Array = NDArray[np.float64]
Coalition = frozenset[str]
UNIT = "return per inner episode"


def all_coalitions(players: Sequence[str]) -> list[Coalition]:
    """All 2^n subsets, by size, then in the players' order."""
    return [frozenset(c) for size in range(len(players) + 1) for c in combinations(players, size)]


def values_of(
    players: Sequence[str], value: Callable[[list[Coalition]], ArrayLike]
) -> dict[Coalition, Array]:
    """v of every coalition, from one call of `value`: an array [...] for each, on the same random numbers.

    Raises:
        ValueError: `value` gives another number of arrays.
    """
    coalitions = all_coalitions(players)
    given = np.asarray(value(coalitions), dtype=np.float64)
    if len(given) != len(coalitions):
        raise ValueError(f"{len(given)} values for {len(coalitions)} coalitions: one each is expected")
    return dict(zip(coalitions, given, strict=True))


def shapley_values(players: Sequence[str], v: dict[Coalition, Array]) -> dict[str, Array]:
    """Exact Shapley value of each player [...], element by element of the arrays of values v [...]."""
    n = len(players)
    result: dict[str, Array] = {}
    for player in players:
        others = [p for p in players if p != player]
        terms = []
        for without in all_coalitions(others):
            weight = factorial(len(without)) * factorial(n - len(without) - 1) / factorial(n)
            terms.append(weight * (np.asarray(v[without | {player}]) - np.asarray(v[without])))
        result[player] = np.sum(terms, axis=0)
    return result


def dividends(players: Sequence[str], v: dict[Coalition, Array]) -> dict[Coalition, Array]:
    """Harsanyi dividend of each coalition [...]: what it earns that no smaller one in it does."""
    return {
        whole: np.sum(
            [
                (-1.0) ** (len(whole) - len(part)) * np.asarray(v[part])
                for part in all_coalitions(sorted(whole))
            ],
            axis=0,
        )
        for whole in all_coalitions(players)
    }


@dataclass(frozen=True)
class Synergy:
    """The whole team against its best proper sub-team.

    Attributes:
        best: the sub-team that was chosen, by each half of the tasks.
        differences: v(N) - v(best) of each task, by the choice of the other half [N].
    """

    best: tuple[Coalition, Coalition]
    differences: Array


def synergy(players: Sequence[str], v: dict[Coalition, Array]) -> Synergy:
    """Choose the best sub-team on the trials of half of the tasks, judge it on the others', and in turn.

    Chosen and judged on the same trials, the best of 15 would look better than it is and synergy smaller;
    so it would on other trials of the same tasks, where a sub-team that likes their directions wins again.

    Args:
        players: names of all.
        v: value of each coalition in each trial [N, J].

    Raises:
        ValueError: fewer than two tasks.
    """
    whole = frozenset(players)
    arrays = {coalition: np.asarray(values, dtype=np.float64) for coalition, values in v.items()}
    if arrays[whole].ndim != 2 or len(arrays[whole]) < 2:
        raise ValueError(f"values of shape {arrays[whole].shape}: [tasks, trials], two tasks at least")
    parts = [c for c in arrays if c != whole]
    differences = np.zeros(len(arrays[whole]))
    chosen = []
    for half in (0, 1):
        # Among equals the smaller: `parts` is in order of size.
        best = max(parts, key=lambda c: float(arrays[c][half::2].mean()))
        differences[1 - half :: 2] = (arrays[whole] - arrays[best])[1 - half :: 2].mean(1)
        chosen.append(best)
    return Synergy((chosen[0], chosen[1]), differences)


def findings(
    players: Sequence[str], v: dict[Coalition, Array], absence: str, rng: np.random.Generator
) -> list[Finding]:
    """Synergy, what is earned beyond single roles, and each role's Shapley value (v: [N, J] each)."""
    found = synergy(players, v)
    p = sign_flip_p(found.differences, rng)
    value = float(found.differences.mean())
    names = " or ".join(
        dict.fromkeys(" + ".join(r for r in players if r in best) or "nobody" for best in found.best)
    )
    known = p <= 0.05
    result = [
        Finding(
            f"synergy ({absence})",
            value,
            UNIT,
            *task_interval(found.differences, rng),
            p,
            "signs of the per-task differences flipped; sub-team chosen on other tasks' trials",
            effect_verdict(p),
            f"The whole team {'earns more than' if known else 'is not shown to beat'} its best sub-team "
            f"({names}): a difference of {value:.2f}.",
        )
    ]
    parts = dividends(players, v)
    together = np.sum([d for c, d in parts.items() if len(c) > 1], axis=0).mean(1)
    p = sign_flip_p(together, rng, two_sided=True)
    value = float(together.mean())
    result.append(
        Finding(
            f"complementarity ({absence})",
            value,
            UNIT,
            *task_interval(together, rng),
            p,
            "signs of the per-task sums flipped",
            effect_verdict(p),
            f"Roles earn {value:.2f} together beyond the sum of what each adds alone"
            + (": they complement each other." if p <= 0.05 and value > 0 else "."),
        )
    )
    for role, each in shapley_values(players, v).items():
        per_task = each.mean(1)
        p = sign_flip_p(per_task, rng, two_sided=True)
        value = float(per_task.mean())
        result.append(
            Finding(
                f"contribution of {role} ({absence})",
                value,
                UNIT,
                *task_interval(per_task, rng),
                p,
                "signs of the per-task Shapley values flipped",
                effect_verdict(p),
                f"{role} {'carries' if p <= 0.05 else 'is not shown to carry anything:'} {value:.2f} "
                f"of the {float((v[frozenset(players)] - v[frozenset()]).mean()):.2f} that the team earns.",
            )
        )
    return result
