"""Suites: scenarios x methods x seeds x budget. Adding one is a line of `SUITES`; a user's own is a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

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
CORE_SCENARIOS = (
    "PointDir-v0",
    "PointDirDelayed-v0",
    "HalfCheetahVel-v0",
    "HalfCheetahFault-v0",
    "HalfCheetahSwitch-v0",
    "HopperRandParams-v0",
    "Walker2dRandParams-v0",
    "AntDir-v0",
)
CORE_METHODS = (
    *LADDER,
    "sb3-ppo-stack",
    "sb3-recurrent-ppo",
    "sb3-sac",
    "sb3-sac-oracle",
    "sb3-shared-ppo",
    "mono-gru",
    "mono-s5-matched",
    "mono-s5-plain-critic",
    "mono-s5-handicapped",
    "mono-mlp-scratchpad",
    "team-mlp",
    "team-s5-full",
    "team-s5-free",
    "team-s5-fixed-trust",
)
ALL = ("all",)  # every method of the table, whatever it holds
TOKEN_ON_POLICY, TOKEN_OFF_POLICY = 100_000, 20_000


@dataclass(frozen=True)
class Suite:
    """A comparison.

    Attributes:
        name: of the suite.
        scenarios: ids.
        methods: names in the table of methods; `("all",)` for every one of it.
        seeds: how many seeds a method gets, 0 on.
        budget: control steps that each run may take.
        judged: step counts at which the test tasks are played; they are at the budget in any case.
        curve_points: evenly spaced validation points of the learning curve.
        budgets: budgets that differ from `budget`, by method or by kind (`on-policy`, `off-policy`); such a
            run is judged at those of `judged` that are below its own, and at its own.
        imports: modules that every process of the suite imports before anything else: they register
            scenarios of one's own, or add methods to the table.

    Raises:
        ValueError: a value that cannot be; the message begins with the name of the field.
    """

    name: str
    scenarios: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: int
    budget: int
    judged: tuple[int, ...]
    curve_points: int = 15
    budgets: Mapping[str, int] = field(default_factory=dict, hash=False)
    imports: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("scenarios", "methods", "judged"):
            values: object = getattr(self, name)
            if not isinstance(values, list | tuple) or not values:
                raise ValueError(f"{name}={values!r}: a list of at least one is expected")
            kind = int if name == "judged" else str
            for value in values:
                if not isinstance(value, kind):
                    raise ValueError(f"{name}: {value!r} is no {'text' if kind is str else 'whole number'}")
            if len(set(values)) < len(values):
                raise ValueError(f"{name}: {next(v for v in values if values.count(v) > 1)!r} is there twice")
            object.__setattr__(self, name, tuple(values))
        imports: object = self.imports
        if not isinstance(imports, list | tuple) or not all(isinstance(name, str) for name in imports):
            raise ValueError(f"imports={imports!r}: a list of names of modules is expected")
        object.__setattr__(self, "imports", tuple(imports))
        _text("name", self.name)
        for name in ("seeds", "budget", "curve_points"):
            _count(name, getattr(self, name))
        for count in self.judged:
            _count("judged", count)
        for key, budget in self.budgets.items():
            _count(f"budgets.{key}", budget)
        if list(self.judged) != sorted(self.judged) or self.judged[-1] > self.budget:
            raise ValueError(
                f"judged={list(self.judged)}: rising step counts up to the budget, {self.budget}, are "
                "expected"
            )

    def of(self, method: str, kind: str) -> tuple[int, tuple[int, ...]]:
        """Budget and judged step counts of a method of a kind."""
        budget = self.budgets.get(method, self.budgets.get(kind, self.budget))
        return budget, (*(count for count in self.judged if count < budget), budget)


def _text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}={value!r}: a text is expected")


def _count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}={value!r}: a whole number of at least 1 is expected")


_CORE = Suite(
    "core", CORE_SCENARIOS, CORE_METHODS, 5, 1_000_000, (200_000, 600_000, 1_000_000), 20,
    {"off-policy": 300_000},
)  # fmt: skip

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite("quick", ("PointDir-v0",), LADDER, 3, 300_000, (300_000,)),
        Suite("demo", ("HalfCheetahVel-v0",), LADDER, 5, 1_000_000, (200_000, 600_000, 1_000_000), 20),
        _CORE,
        dataclasses.replace(_CORE, name="full", methods=ALL, seeds=10),
        Suite(
            "token", CORE_SCENARIOS, ALL, 1, TOKEN_ON_POLICY, (TOKEN_ON_POLICY,), 2,
            {"off-policy": TOKEN_OFF_POLICY},
        ),
        Suite("smoke", ("PointDir-v0",), ("random", "sb3-ppo", "mono-s5", "team-s5"), 2, 4_000, (4_000,), 2),
    )
}  # fmt: skip


def find_suite(name: str) -> Suite:
    """The suite of that name.

    Raises:
        ValueError: there is none; the message names those that are.
    """
    if name not in SUITES:
        raise ValueError(
            f"suite {name!r}: unknown; one of {', '.join(SUITES)} is expected, or a file that ends in .toml "
            "or .py"
        )
    return SUITES[name]
