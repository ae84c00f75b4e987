"""Statistics over runs and tasks: pure functions on arrays, apart from any drawing."""

from benchmarks.stats.bootstrap import Interval, bootstrap_difference, bootstrap_interval, interquartile_mean
from benchmarks.stats.efficiency import LEVELS, StepsToLevel, median_steps, steps_to_score
from benchmarks.stats.scores import clearly_apart, normalised_score

__all__ = [
    "LEVELS",
    "Interval",
    "StepsToLevel",
    "bootstrap_difference",
    "bootstrap_interval",
    "clearly_apart",
    "interquartile_mean",
    "median_steps",
    "normalised_score",
    "steps_to_score",
]
