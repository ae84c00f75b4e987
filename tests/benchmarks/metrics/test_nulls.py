"""Tests, intervals and surrogates."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.metrics.finding import Finding, message_verdict
from benchmarks.metrics.nulls import holm, jackknife_interval, rank_p, sign_flip_p, task_interval
from benchmarks.metrics.surrogates import circular_shifts, other_task, permuted_within


def test_sign_flips_by_hand() -> None:
    rng = np.random.default_rng(0)
    # Of the 8 sign patterns of (1, 2, 3) only the given one has so large a sum.
    assert sign_flip_p([1, 2, 3], rng) == pytest.approx(1 / 8)
    assert sign_flip_p([1, 2, 3], rng, two_sided=True) == pytest.approx(2 / 8)
    assert sign_flip_p([-1, -2, -3], rng) == 1.0
    assert sign_flip_p([0.0] * 20, rng) == 1.0
    assert sign_flip_p(np.ones(30), rng) == pytest.approx(1 / 2000)
    for bad in ([], [1.0, np.nan]):
        with pytest.raises(ValueError, match="sign-flip"):
            sign_flip_p(bad, rng)


def test_sign_flips_and_ranks_keep_their_level() -> None:
    rng = np.random.default_rng(1)
    flips = [sign_flip_p(rng.standard_t(3, 15), rng, flips=199) for _ in range(600)]
    assert 0.03 <= np.mean(np.array(flips) <= 0.05) <= 0.075
    ranks = [rank_p(*(lambda x: (x[0], x[1:]))(rng.standard_normal(40)), two_sided=True) for _ in range(600)]
    assert 0.03 <= np.mean(np.array(ranks) <= 0.05) <= 0.075


def test_ranks_by_hand() -> None:
    assert rank_p(3.0, [1.0, 2.0, 2.5]) == pytest.approx(1 / 4)
    assert rank_p(2.0, [1.0, 2.0, 2.5]) == pytest.approx(3 / 4)
    assert rank_p(0.0, [0.0] * 39) == 1.0
    assert rank_p(0.0, [0.0] * 39, two_sided=True) == 1.0
    assert rank_p(-9.0, np.arange(39.0), two_sided=True) == pytest.approx(2 / 40)


def test_intervals() -> None:
    rng = np.random.default_rng(2)
    values = rng.standard_normal(400)
    low, high = task_interval(values, rng)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)
    # The jackknife of a mean is its standard error.
    left_out = (values.sum() - values) / 399
    low, high = jackknife_interval(values.mean(), left_out)
    assert (high - low) / 2 == pytest.approx(1.96 * values.std(ddof=1) / 20, rel=1e-3)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.01, 0.04, np.nan, 0.03]) == pytest.approx([0.03, 0.06, np.nan, 0.06], nan_ok=True)
    assert np.isnan(holm([0.01, np.nan])[1])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_only_the_message_null_says_coordination() -> None:
    assert message_verdict(0.05, 1.0) == "coordination"
    assert message_verdict(0.2, 0.001) == "association"
    assert message_verdict(0.2, 0.2) == "no evidence"


def test_finding_is_json() -> None:
    finding = Finding("x", 1.0, "nats", float("nan"), 2.0, None, "none", "not reported", "words")
    assert finding.to_json()["low"] is None
    assert finding.to_json()["high"] == 2.0


def test_shifts_stay_in_their_trial() -> None:
    series = np.arange(20.0)[:, None, None] + 100.0 * np.arange(3)[None, :, None]
    shifted = circular_shifts(series, np.random.default_rng(3))
    for world in range(3):
        assert sorted(shifted[:, world, 0]) == sorted(series[:, world, 0])
        steps = np.diff(shifted[:, world, 0]) % 20
        assert (steps == 1).all()
        assert shifted[0, world, 0] != series[0, world, 0]


def test_permutations_stay_in_their_task_and_swaps_leave_it() -> None:
    rng = np.random.default_rng(4)
    groups = np.repeat([5, 2, 9], 4)
    order = permuted_within(groups, rng)
    assert (groups[order] == groups).all()
    assert sorted(order) == list(range(12))
    swapped = other_task(3, 4, rng)
    assert (groups[swapped] != groups).all()
    assert (swapped % 4 == np.arange(12) % 4).all()
    assert sorted(swapped) == list(range(12))
    with pytest.raises(ValueError, match="no other one"):
        other_task(1, 4, rng)
