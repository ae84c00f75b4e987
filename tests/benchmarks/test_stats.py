"""Statistics with known answers."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.integrate import trapezoid
from scipy.stats import trim_mean

from benchmarks.stats import (
    adaptation_gain,
    area_under_curve,
    bootstrap_difference,
    bootstrap_interval,
    change_response,
    clearly_apart,
    difference_p_value,
    drop_after_peak,
    has_collapsed,
    improvement_interval,
    interquartile_mean,
    interquartile_range,
    iqm_difference,
    iqm_interval,
    median_steps,
    normalised_score,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
    run_weights,
    stability,
    steps_to_score,
    t_cdf,
    t_quantile,
)

RLIABLE = json.loads(Path(__file__).with_name("rliable_values.json").read_text())
FIRST, SECOND = np.array(RLIABLE["first"]), np.array(RLIABLE["second"])  # [runs, tasks]


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
    values = np.random.default_rng(0).normal(size=(9, 12))
    first = bootstrap_interval([values], np.random.default_rng(7))
    assert first == bootstrap_interval([values], np.random.default_rng(7))
    assert first != bootstrap_interval([values], np.random.default_rng(8))
    assert first.low < first.estimate < first.high
    assert first.estimate == pytest.approx(trim_mean(values.mean(axis=1), 0.25))


def test_interval_over_sampled_tasks_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        values = rng.normal(size=(20, 1)) + 0.5 * rng.normal(size=(1, 15)) + 0.5 * rng.normal(size=(20, 15))
        held += bootstrap_interval([values], rng, sampled_tasks=True, replicates=300).contains(0.0)
    assert 0.90 <= held / 300 <= 0.985


def test_every_scenario_counts_the_same_however_many_seeds_it_has():
    strata = [np.zeros((10, 3)), np.ones((2, 5))]
    interval = bootstrap_interval(strata, np.random.default_rng(0))
    assert (interval.estimate, interval.low, interval.high) == (0.5, 0.5, 0.5)


def test_difference_is_paired_by_task():
    tasks = np.random.default_rng(1).normal(scale=100, size=(1, 10)).repeat(4, axis=0)
    paired = bootstrap_difference([tasks + 1], [tasks], np.random.default_rng(0), sampled_tasks=True)
    unpaired = bootstrap_difference(
        [tasks + 1], [tasks], np.random.default_rng(0), sampled_tasks=True, same_tasks=False
    )
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


def test_fixed_tasks_take_no_part_in_the_interval():
    runs = np.array([1.0, 2.0, 4.0, 5.0, 9.0])
    spread = runs[:, None] + 100 * np.linspace(-1, 1, 7)[None]
    plain = bootstrap_interval([runs[:, None]], np.random.default_rng(0), sampled_tasks=False)
    with_tasks = bootstrap_interval([spread], np.random.default_rng(0), sampled_tasks=False)
    np.testing.assert_allclose([plain.low, plain.high], [with_tasks.low, with_tasks.high])
    sampled = bootstrap_interval([spread], np.random.default_rng(0), sampled_tasks=True)
    assert sampled.high - sampled.low > 5 * (plain.high - plain.low)
    alone = bootstrap_interval([spread[:1]], np.random.default_rng(0), sampled_tasks=False)
    assert not alone.bounded  # one run says nothing about the next
    assert not bootstrap_difference(
        [spread], [spread[:1]], np.random.default_rng(0), sampled_tasks=False
    ).bounded


def test_percentile_interval_of_rliable():
    """Both are Monte Carlo with 20,000 samples; rliable's own ends move by 0.004 from call to call."""
    rng = np.random.default_rng(0)
    assert interquartile_mean(FIRST) == pytest.approx(RLIABLE["iqm"], abs=1e-12)
    one = bootstrap_interval([FIRST[:, :1]], rng, sampled_tasks=False, replicates=20_000)
    np.testing.assert_allclose([one.low, one.high], RLIABLE["iqm_interval_of_one_task"], atol=0.01)
    strata = [FIRST[:3, [k]] for k in range(4)]  # below four runs the IQM is the mean
    several = bootstrap_interval(strata, rng, sampled_tasks=False, replicates=20_000)
    np.testing.assert_allclose(
        [several.low, several.high], RLIABLE["mean_interval_of_three_runs"], atol=0.004
    )


@pytest.mark.parametrize("freedom", [1, 2, 2.7, 4, 9, 30, 400])
def test_student_t_agrees_with_scipy(freedom):
    for value in (-3.0, -0.4, 0.0, 0.7, 2.0, 12.0):
        assert t_cdf(value, freedom) == pytest.approx(scipy_stats.t.cdf(value, freedom), abs=1e-12)
    for probability in (0.005, 0.3, 0.9, 0.975, 0.9995):
        expected = scipy_stats.t.ppf(probability, freedom)
        assert t_quantile(probability, freedom) == pytest.approx(expected, rel=1e-8)
    with pytest.raises(ValueError, match="0 < probability < 1"):
        t_quantile(1.0, freedom)


def test_t_interval_by_hand_and_by_scipy():
    three = iqm_interval([[1.0, 2.0, 6.0]])  # mean 3, s = sqrt(7), t(2) = 4.3027
    assert three.estimate == pytest.approx(3)
    assert three.high == pytest.approx(3 + 4.302653 * math.sqrt(7 / 3), abs=1e-4)
    low, high = scipy_stats.ttest_1samp([1.0, 2.0, 6.0], 0).confidence_interval(0.95)
    assert (three.low, three.high) == pytest.approx((low, high))
    eight = iqm_interval([[100, 1, 2, 3, 4, 5, 6, -100.0]])
    assert eight.estimate == pytest.approx(3.5)  # centred at the IQM, not at the mean
    assert eight.high - eight.low > 80  # and the bad runs widen it


def test_differences_are_welch():
    a, b = FIRST[:3, 0], SECOND[:3, 0] * 2
    gap = iqm_difference([a], [b])
    expected = scipy_stats.ttest_ind(a, b, equal_var=False)
    low, high = expected.confidence_interval(0.95)
    assert (gap.low, gap.high) == pytest.approx((low, high))
    assert difference_p_value([a], [b]) == pytest.approx(expected.pvalue)
    twice = iqm_difference([a, a], [b, b])  # two equal scenarios: the same estimate, an error less by sqrt 2
    assert twice.estimate == pytest.approx(gap.estimate)
    assert twice.high - twice.low < (gap.high - gap.low) / math.sqrt(2)


def test_one_run_says_nothing_about_the_next():
    alone = iqm_interval([[0.3, 0.4], [0.7]])
    assert (alone.low, alone.high, alone.bounded) == (-math.inf, math.inf, False)
    assert alone.estimate == pytest.approx(0.525)
    assert math.isnan(difference_p_value([[1.0]], [[2.0, 3.0]]))


def test_constants_have_no_width():
    gap = iqm_difference([[1.0, 1.0]], [[0.5, 0.5, 0.5]])
    assert (gap.low, gap.high) == (0.5, 0.5)
    assert difference_p_value([[1.0, 1.0]], [[0.5, 0.5]]) == 0
    assert difference_p_value([[1.0, 1.0]], [[1.0, 1.0]]) == 1


def test_bad_runs_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        iqm_interval([[1.0, math.nan]])
    with pytest.raises(ValueError, match="at least one"):
        iqm_interval([[]])
    with pytest.raises(ValueError, match="no stratum"):
        iqm_interval([])
    with pytest.raises(ValueError, match="same scenarios"):
        iqm_difference([[1.0]], [])
    with pytest.raises(ValueError, match="at least one"):
        run_weights(0, 3, np.random.default_rng(0))


def test_probability_of_improvement_by_hand_and_by_others():
    assert probability_of_improvement([[1, 2, 3]], [[2, 2]]) == pytest.approx((2 * 0.5 + 2) / 6)
    assert probability_of_improvement([[1, 2], [5]], [[0], [9]]) == pytest.approx((1 + 0) / 2)
    u = scipy_stats.mannwhitneyu(FIRST[:, 0], SECOND[:, 0]).statistic
    assert probability_of_improvement([FIRST[:, 0]], [SECOND[:, 0]]) == pytest.approx(u / 80)
    columns = [FIRST[:, k] for k in range(4)], [SECOND[:, k] for k in range(4)]
    assert probability_of_improvement(*columns) == pytest.approx(RLIABLE["probability_of_improvement"])
    interval = improvement_interval(*columns, np.random.default_rng(0), replicates=2000)
    np.testing.assert_allclose([interval.low, interval.high], RLIABLE["probability_interval"], atol=0.012)
    with pytest.raises(ValueError, match="same scenarios"):
        probability_of_improvement([[1]], [])


def test_optimality_gap_does_not_let_one_run_make_up_for_another():
    assert optimality_gap([[0.5, 1.5], [1.0]]) == pytest.approx((0.25 + 0) / 2)
    gap = optimality_gap([SECOND[:, k] for k in range(4)])
    assert gap == pytest.approx(RLIABLE["optimality_gap"])


def test_performance_profile_by_hand_and_by_rliable():
    profile = performance_profile([[0.2, 0.6], [0.4]], [0.0, 0.2, 0.5, 0.9], np.random.default_rng(0))
    np.testing.assert_allclose(profile.share, [1, 0.75, 0.25, 0])
    ours = performance_profile(
        [FIRST[:, k] for k in range(4)], RLIABLE["taus"], np.random.default_rng(0), replicates=5000
    )
    np.testing.assert_allclose(ours.share, RLIABLE["profile"], atol=1e-12)
    np.testing.assert_allclose(ours.low, RLIABLE["profile_low"], atol=0.026)  # shares move in steps of 1/40
    np.testing.assert_allclose(ours.high, RLIABLE["profile_high"], atol=0.026)


def test_area_under_curve_by_hand():
    # a triangle to (10, .5), then a trapezoid to (20, .7): (2.5 + 6) / 20
    assert area_under_curve([10, 20], [0.5, 0.7]) == pytest.approx(0.425)
    assert area_under_curve([10, 20], [0.5, 0.7], until=15) == pytest.approx((2.5 + 2.75) / 15)
    steps, scores = [5.0, 9.0, 30.0], [0.1, 0.8, 0.6]
    assert area_under_curve(steps, scores) == pytest.approx(trapezoid([0, *scores], [0, *steps]) / 30)
    with pytest.raises(ValueError, match="ends at 20"):
        area_under_curve([10, 20], [0, 1], until=21)
    with pytest.raises(ValueError, match="not finite"):
        area_under_curve([10, 20], [0, math.nan])
    with pytest.raises(ValueError, match="increase"):
        area_under_curve([10, 10], [0, 1])
    with pytest.raises(ValueError, match="one length"):
        area_under_curve([], [])


def test_stability_by_hand_and_by_scipy():
    assert interquartile_range([0, 1, 2, 3, 4]) == 2
    assert interquartile_range(FIRST[:, 1]) == pytest.approx(scipy_stats.iqr(FIRST[:, 1]))
    assert drop_after_peak([0.1, 0.9, 0.6]) == pytest.approx(0.3)
    assert drop_after_peak([0.1, math.nan, 0.6]) == 0
    assert has_collapsed([0.1, 0.9, 0.44]) is True
    assert has_collapsed([0.1, 0.9, 0.46]) is False
    assert has_collapsed([0.0, 0.1, 0.01]) is None  # it never got anywhere
    assert has_collapsed([0.5, math.nan]) is True
    with pytest.raises(ValueError, match="without a finite score"):
        drop_after_peak([math.nan])
    found = stability([0.8, 0.4], [[0.2, 0.8], [0.9, 0.4], [0.5, math.nan], [0.1, 0.1]], lost=1)
    assert (found.collapsed, found.learned, found.runs) == (3, 4, 5)
    assert found.spread == pytest.approx(0.2)
    assert found.drop == pytest.approx(0.0)  # median of 0, .5 and 0


def test_adaptation_gain_is_the_last_episode_minus_the_first():
    gain = adaptation_gain([[1, 5, 2], [3, 0, 7]])
    assert gain.estimate == pytest.approx((1 + 4) / 2)
    with pytest.raises(ValueError, match="at least two"):
        adaptation_gain([[1], [2]])


def test_change_response_by_hand():
    response = change_response([[2.0, 1.0, 1.5], [4.0, 3.1, 4.0], [3.0, 1.9, 1.9]])
    assert response.before.estimate == pytest.approx(3)
    assert response.deficit.estimate == pytest.approx((1 + 0.9 + 1.1) / 3)
    assert response.recovered.estimate == pytest.approx((0.5 + 1 + 0) / 3)
    unclear = change_response([[2.0, 1.0, 1.5], [4.0, 0.0, 4.0]])  # deficits 1 and 4: the interval holds 0
    assert math.isnan(unclear.recovered.estimate)
    unhurt = change_response([[2.0, 1.0, 1.5], [1.0, 2.0, 2.0]])
    assert math.isnan(unhurt.recovered.estimate)  # there is nothing to recover in the second run
    with pytest.raises(ValueError, match="before, shock, recovery"):
        change_response([[1.0, 2.0]])
