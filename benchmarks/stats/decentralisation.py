"""The price of decentralisation: a team against the one agent that it was cut from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from benchmarks.stats.bootstrap import Interval
from benchmarks.stats.t_interval import iqm_difference


@dataclass(frozen=True)
class Price:
    """What splitting one agent into a team costs, in score; the last two add up to the first.

    Attributes:
        total: Matched monolith minus team.
        channel: Matched minus handicapped monolith: what it costs that velocities and reward arrive late
            and blurred. None without a handicapped monolith.
        split: Handicapped monolith minus team: what is left for the split into roles itself.
    """

    total: Interval
    channel: Interval | None
    split: Interval | None


def price_of_decentralisation(
    team: Sequence[ArrayLike], matched: Sequence[ArrayLike], handicapped: Sequence[ArrayLike] | None = None
) -> Price:
    """The price in score, from the scores of the runs, one list [R] for each scenario.

    Args:
        team: The team.
        matched: One agent of the same inputs and parameters.
        handicapped: The same agent behind the team's channel and delay.
    """
    total = iqm_difference(matched, team)
    if handicapped is None:
        return Price(total, None, None)
    return Price(total, iqm_difference(matched, handicapped), iqm_difference(handicapped, team))
