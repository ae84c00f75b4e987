"""Suites: scenarios x methods x seeds x budget. Adding one is a line of `SUITES`."""

from __future__ import annotations

from dataclasses import dataclass

LADDER = (
    "random",
    "zero",
    "sb3-ppo",
    "sb3-ppo-oracle",
    "mono-mlp",
    "mono-s5",
    "team-s5",
    "team-s5-muted",
)


@dataclass(frozen=True)
class Suite:
    """A comparison.

    Attributes:
        name: of the suite.
        scenarios: ids.
        methods: names in the table of methods.
        seeds: how many seeds a method gets, 0 on.
        budget: control steps that each run may take.
        judged: step counts at which the test tasks are played (the budget included).
        curve_points: evenly spaced validation points of the learning curve.
    """

    name: str
    scenarios: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: int
    budget: int
    judged: tuple[int, ...]
    curve_points: int = 15


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite("quick", ("PointDir-v0",), LADDER, 3, 300_000, (300_000,)),
        Suite("demo", ("HalfCheetahVel-v0",), LADDER, 5, 1_000_000, (200_000, 600_000, 1_000_000), 20),
        Suite("smoke", ("PointDir-v0",), ("random", "sb3-ppo", "mono-s5", "team-s5"), 2, 4_000, (4_000,), 2),
    )
}


def find_suite(name: str) -> Suite:
    """The suite of that name.

    Raises:
        ValueError: there is none; the message names those that are.
    """
    if name not in SUITES:
        raise ValueError(f"suite {name!r}: unknown; one of {', '.join(SUITES)} is expected")
    return SUITES[name]
