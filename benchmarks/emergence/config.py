"""How much of a team is played to judge whether it coordinates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AnalysisConfig:
    """How much is played.

    Attributes:
        trials: trials of each test task, where returns are compared.
        message_tasks: tasks where messages are studied: so many of the test tasks, evenly spaced.
        message_trials: trials of each: the pool that counterfactual messages are drawn from.
        replicates: counterfactual replicates of the information measures, at least 19; O-information is
            judged on both sides, and not reported with fewer than 39.
        every: steps between those at which influence is measured.
        ahead: steps that a counterfactual message is followed.
        rates: points of the sweep of the channel's rate.
        seed: of permutations, surrogates and intervals.
        num_threads: physics threads.
    """

    trials: int = 5
    message_tasks: int = 20
    message_trials: int = 6
    replicates: int = 39
    every: int = 5
    ahead: int = 10
    rates: int = 9
    seed: int = 0
    num_threads: int = 2
