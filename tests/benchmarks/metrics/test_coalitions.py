"""Shapley values, dividends and synergy of games whose answers are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.metrics.coalitions import (
    all_coalitions,
    dividends,
    findings,
    shapley_values,
    synergy,
    values_of,
)

PLAYERS = ("a", "b", "c", "d")
Coalition = frozenset[str]


def game(
    value: Callable[[Coalition], float], players: tuple[str, ...] = PLAYERS
) -> dict[Coalition, np.ndarray]:
    return values_of(players, lambda coalitions: [value(c) for c in coalitions])


def test_additive_game_gives_the_weights_and_a_dummy_nothing() -> None:
    weights = {"a": 1.0, "b": -2.0, "c": 0.5, "d": 0.0}
    v = game(lambda c: sum(weights[p] for p in c))
    assert {p: float(x) for p, x in shapley_values(PLAYERS, v).items()} == pytest.approx(weights)
    for coalition, dividend in dividends(PLAYERS, v).items():
        assert dividend == pytest.approx(weights[next(iter(coalition))] if len(coalition) == 1 else 0.0)


def test_five_way_and() -> None:
    players = tuple("abcde")
    v = game(lambda c: float(len(c) == 5), players)
    assert list(shapley_values(players, v).values()) == pytest.approx([0.2] * 5)
    assert [c for c, d in dividends(players, v).items() if abs(d) > 1e-9] == [frozenset(players)]


def test_glove_game() -> None:
    players = ("left", "right 1", "right 2")
    v = game(lambda c: float("left" in c and len(c) > 1), players)
    assert list(shapley_values(players, v).values()) == pytest.approx([2 / 3, 1 / 6, 1 / 6])


def test_shares_sum_to_what_there_is_to_share() -> None:
    rng = np.random.default_rng(0)
    v = {c: rng.standard_normal((6, 5)) for c in all_coalitions(PLAYERS)}
    assert len(v) == 16
    shares, parts = shapley_values(PLAYERS, v), dividends(PLAYERS, v)
    np.testing.assert_allclose(sum(shares.values()), v[frozenset(PLAYERS)] - v[frozenset()])
    for player in PLAYERS:
        by_parts = sum(d / len(c) for c, d in parts.items() if player in c)
        np.testing.assert_allclose(shares[player], by_parts)
    np.testing.assert_allclose(sum(parts.values()), v[frozenset(PLAYERS)])


def test_synergy_is_judged_on_tasks_that_did_not_choose() -> None:
    # Every sub-team is noise about 1, the whole is 1: the best of 15 by its own trials would beat it.
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        v = {c: 1.0 + rng.standard_normal((20, 2)) for c in all_coalitions(PLAYERS)}
        v[frozenset(PLAYERS)] = np.ones((20, 2))
        found.append(synergy(PLAYERS, v).differences.mean())
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(200)
    by_itself = [max(rng.standard_normal((15, 40)).mean(1)) for _ in range(200)]
    assert np.mean(by_itself) > 0.2


def test_synergy_names_the_best_sub_team() -> None:
    v = {c: np.full((4, 2), float(len(c - {"d"}))) for c in all_coalitions(PLAYERS)}
    found = synergy(PLAYERS, v)
    assert found.best == (frozenset("abc"), frozenset("abc"))
    assert (found.differences == 0.0).all()
    with pytest.raises(ValueError, match="two tasks at least"):
        synergy(PLAYERS, {c: x[:1] for c, x in v.items()})


def test_findings_say_who_carries_it() -> None:
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((20, 5))
    v = {c: 10.0 * ({"a", "b"} <= c) + 0.1 * noise for c in all_coalitions(PLAYERS)}
    found = {f.name: f for f in findings(PLAYERS, v, "neutral", rng)}
    assert found["contribution of a (neutral)"].value == pytest.approx(5.0)
    assert found["contribution of a (neutral)"].verdict == "effect"
    assert found["contribution of c (neutral)"].verdict == "no evidence"
    assert found["contribution of c (neutral)"].value == pytest.approx(0.0, abs=1e-12)
    assert found["complementarity (neutral)"].value == pytest.approx(10.0)
    assert found["synergy (neutral)"].value == 0.0
    assert found["synergy (neutral)"].p == 1.0
    assert "a + b" in found["synergy (neutral)"].words


def test_values_must_be_as_many_as_coalitions() -> None:
    with pytest.raises(ValueError, match="3 values for 16 coalitions"):
        values_of(PLAYERS, lambda coalitions: [1.0, 2.0, 3.0])
