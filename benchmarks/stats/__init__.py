"""Statistics over runs and tasks: pure functions on arrays, apart from any drawing."""

from benchmarks.stats.adaptation import ChangeResponse, adaptation_gain, change_response
from benchmarks.stats.bootstrap import (
    Interval,
    bootstrap_difference,
    bootstrap_interval,
    interquartile_mean,
    percentile_interval,
    run_weights,
)
from benchmarks.stats.efficiency import LEVELS, StepsToLevel, area_under_curve, median_steps, steps_to_score
from benchmarks.stats.improvement import improvement_interval, optimality_gap, probability_of_improvement
from benchmarks.stats.profiles import Profile, performance_profile
from benchmarks.stats.scores import clearly_apart, normalised_score
from benchmarks.stats.stability import (
    Stability,
    drop_after_peak,
    has_collapsed,
    interquartile_range,
    stability,
)
from benchmarks.stats.t_interval import difference_p_value, iqm_difference, iqm_interval, t_cdf, t_quantile

__all__ = [
    "LEVELS",
    "ChangeResponse",
    "Interval",
    "Profile",
    "Stability",
    "StepsToLevel",
    "adaptation_gain",
    "area_under_curve",
    "bootstrap_difference",
    "bootstrap_interval",
    "change_response",
    "clearly_apart",
    "difference_p_value",
    "drop_after_peak",
    "has_collapsed",
    "improvement_interval",
    "interquartile_mean",
    "interquartile_range",
    "iqm_difference",
    "iqm_interval",
    "median_steps",
    "normalised_score",
    "optimality_gap",
    "percentile_interval",
    "performance_profile",
    "probability_of_improvement",
    "run_weights",
    "stability",
    "steps_to_score",
    "t_cdf",
    "t_quantile",
]
