"""Statistics with known answers."""

import math

import numpy as np
import pytest
from scipy.stats import trim_mean

from benchmarks.stats import (
    bootstrap_difference,
    bootstrap_interval,
    clearly_apart,
    interquartile_mean,
    median_steps,
    normalised_score,
    steps_to_score,
)


def test_score_is_zero_at_random_and_one_at_the_oracle():
    np.testing.assert_allclose(normalised_score([-10.0, 90.0, 40.0, 140.0], -10.0, 90.0), [0, 1, 0.5, 1.5])


@pytest.mark.parametrize(
    ("random", "oracle", "apart"),
    [
        (0, 1, True),
        (-1, 1, True),
        (100, 105, False),
        (5, 5, False),
        (5, 1, False),
        (0, 0, False),
        (0, math.nan, False),
    ],
)
def test_a_score_needs_references_that_are_clearly_apart(random, oracle, apart):
    assert clearly_apart(random, oracle) is apart
    if not apart:
        with pytest.raises(ValueError, match="not clearly above random"):
            normalised_score([1.0], random, oracle)


def test_interquartile_mean_by_hand():
    assert interquartile_mean([100, 1, 2, 3, 4, 5, 6, -100]) == pytest.approx((2 + 3 + 4 + 5) / 4)
    assert interquartile_mean([1, 2, 6]) == pytest.approx(3)  # fewer than four: the mean
    with pytest.raises(ValueError, match="at least one"):
        interquartile_mean([])


@pytest.mark.parametrize("n", [1, 3, 4, 5, 7, 8, 50])
def test_interquartile_mean_agrees_with_scipy(n):
    values = np.random.default_rng(n).normal(size=(n, 6))
    np.testing.assert_allclose(interquartile_mean(values, axis=0), trim_mean(values, 0.25, axis=0))
    np.testing.assert_allclose(interquartile_mean(values), trim_mean(values.ravel(), 0.25))


def test_interval_is_reproducible_and_holds_its_estimate():
    values = np.random.default_rng(0).normal(size=(5, 12))
    first = bootstrap_interval([values], np.random.default_rng(7))
    assert first == bootstrap_interval([values], np.random.default_rng(7))
    assert first != bootstrap_interval([values], np.random.default_rng(8))
    assert first.low < first.estimate < first.high
    assert first.estimate == pytest.approx(trim_mean(values.mean(axis=1), 0.25))


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        values = rng.normal(size=(20, 1)) + 0.5 * rng.normal(size=(1, 15)) + 0.5 * rng.normal(size=(20, 15))
        held += bootstrap_interval([values], rng, replicates=300).contains(0.0)
    assert 0.90 <= held / 300 <= 0.985


def test_every_scenario_counts_the_same_however_many_seeds_it_has():
    strata = [np.zeros((10, 3)), np.ones((2, 5))]
    interval = bootstrap_interval(strata, np.random.default_rng(0))
    assert (interval.estimate, interval.low, interval.high) == (0.5, 0.5, 0.5)


def test_difference_is_paired_by_task():
    tasks = np.random.default_rng(1).normal(scale=100, size=(1, 10)).repeat(4, axis=0)
    paired = bootstrap_difference([tasks + 1], [tasks], np.random.default_rng(0))
    unpaired = bootstrap_difference([tasks + 1], [tasks], np.random.default_rng(0), same_tasks=False)
    np.testing.assert_allclose([paired.estimate, paired.low, paired.high], 1.0)
    assert unpaired.high - unpaired.low > 10


def test_difference_does_not_pair_runs():
    runs = np.arange(5.0)[:, None].repeat(3, axis=1)
    assert bootstrap_difference([runs], [runs], np.random.default_rng(0)).high > 0


def test_bad_strata_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="not finite"):
        bootstrap_interval([[[1.0, math.nan]]], rng)
    with pytest.raises(ValueError, match=r"\[runs, tasks\]"):
        bootstrap_interval([[1.0, 2.0]], rng)
    with pytest.raises(ValueError, match="same tasks"):
        bootstrap_difference([np.ones((2, 3))], [np.ones((2, 4))], rng)


def test_steps_to_score_is_the_first_check_that_reaches_it():
    assert steps_to_score([10, 20, 30], [0.1, 0.5, 0.4], 0.5) == 20
    assert steps_to_score([10, 20, 30], [0.1, math.nan, 0.4], 0.5) == math.inf
    with pytest.raises(ValueError, match="increase"):
        steps_to_score([20, 10], [0, 1], 0.5)


def test_a_censored_run_counts_as_infinitely_long():
    arrives, fails = ([10, 20], [0.2, 0.9]), ([10, 20], [0.1, 0.2])
    two_of_three = median_steps([arrives, arrives, fails], 0.75)
    assert (two_of_three.median, two_of_three.reached, two_of_three.runs) == (20, 2, 3)
    one_of_three = median_steps([arrives, fails, fails], 0.75)
    assert one_of_three.censored
    assert (one_of_three.reached, one_of_three.observed) == (1, 20)
    assert median_steps([arrives, fails], 0.75).censored  # the upper of the two middle runs never arrives
