"""The table of scenarios: body x variation, version, defaults. Adding one is a line of `SCENARIOS`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from ma_ssm_env.bodies import BODIES, Body
from ma_ssm_env.variations import ANT_GOAL, BASE, DIR, GOAL, PLANAR_DIR, VEL, Variation


@dataclass(frozen=True)
class Scenario:
    """One body on one law of hidden tasks.

    Attributes:
        id: body, variation and version, such as `HalfCheetahVel-v0`.
        body: the body that is controlled.
        variation: the law of its tasks.
        episodes_per_trial: inner episodes in a trial, K.
        horizon: control steps in an inner episode, H.
        outcome_scale: rounded returns of an inner episode under random actions and under a good controller;
            they scale the outcomes in the ledger to about [0, 1] (scores use the measured reference table).
    """

    id: str
    body: Body
    variation: Variation
    episodes_per_trial: int
    horizon: int
    outcome_scale: tuple[float, float]


def _scenario(
    body: str, variation: Variation, episodes: int, horizon: int, scale: tuple[float, float], version: int = 0
) -> Scenario:
    return Scenario(f"{body}{variation.name}-v{version}", BODIES[body], variation, episodes, horizon, scale)


SCENARIOS: dict[str, Scenario] = {
    scenario.id: scenario
    for scenario in (
        _scenario("Point", PLANAR_DIR, 2, 50, (0.0, 110.0)),
        _scenario("Point", GOAL, 2, 50, (-75.0, -10.0)),
        _scenario("HalfCheetah", BASE, 1, 1000, (-300.0, 6000.0)),
        _scenario("HalfCheetah", VEL, 2, 200, (-330.0, -30.0)),
        _scenario("HalfCheetah", DIR, 2, 200, (-60.0, 1200.0)),
        _scenario("Ant", BASE, 1, 1000, (-30.0, 6000.0)),
        _scenario("Ant", VEL, 2, 200, (-40.0, 150.0)),
        _scenario("Ant", PLANAR_DIR, 2, 200, (-20.0, 1000.0)),
        _scenario("Ant", ANT_GOAL, 2, 200, (-700.0, -150.0)),
        _scenario("Hopper", BASE, 1, 1000, (20.0, 3000.0)),
        _scenario("Walker2d", BASE, 1, 1000, (0.0, 4000.0)),
        _scenario("Walker2d", VEL, 2, 200, (-10.0, 350.0)),
        _scenario("Humanoid", BASE, 1, 1000, (115.0, 6000.0)),
        _scenario("Humanoid", PLANAR_DIR, 2, 200, (115.0, 1300.0)),
        _scenario("Swimmer", BASE, 1, 1000, (0.0, 350.0)),
        _scenario("Swimmer", DIR, 2, 200, (0.0, 60.0)),
    )
}


def find_scenario(id: str | Scenario) -> Scenario:
    """The scenario of that id.

    Raises:
        ValueError: the id is not in the table; the message names the nearest that is, or the versions.
    """
    if isinstance(id, Scenario):
        return id
    id = str(id)
    if id in SCENARIOS:
        return SCENARIOS[id]
    name, _, _ = id.rpartition("-v")
    versions = [known.rpartition("-v")[2] for known in SCENARIOS if known.rpartition("-v")[0] == name]
    if versions:
        raise ValueError(
            f"{id}: unknown scenario; versions of {name}: {', '.join('v' + v for v in versions)}"
        )
    near = difflib.get_close_matches(id, SCENARIOS, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(SCENARIOS)} is expected"
    raise ValueError(f"{id}: unknown scenario; {hint}")


def reference(scenario: Scenario) -> str | Scenario:
    """What a pickle holds of a scenario: its id if the table has it, else the scenario itself."""
    return scenario.id if SCENARIOS.get(scenario.id) == scenario else scenario
