"""The table of scenarios: body x variation, version, defaults. Adding one is a line of `SCENARIOS`.

One that is not part of this package is added to the table by `ma_ssm_env.register_scenario`.
"""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass
from typing import Literal

from ma_ssm_env.bodies import BODIES, Body
from ma_ssm_env.variations import (
    ANT_CRIPPLE,
    ANT_GOAL,
    BASE,
    DAMPING,
    DIR,
    DIRECTION_SWITCH,
    FRICTION,
    GOAL,
    GRAVITY,
    HALF_CHEETAH_CRIPPLE,
    HUMANOID_GRAVITY,
    MASS,
    PLANAR_DIR,
    SPEED_SWITCH,
    VARIBAD_RUNNING,
    VEL,
    Variation,
    fault,
    rand_params,
)
from ma_ssm_env.variations.strength import STRENGTH

Feedback = Literal["step", "episode", "none"]


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
        feedback: when the reward is observed, unless an option says otherwise; `episode` in the ids that end
            in `Delayed`, whose score is the return of the last inner episode.
    """

    id: str
    body: Body
    variation: Variation
    episodes_per_trial: int
    horizon: int
    outcome_scale: tuple[float, float]
    feedback: Feedback = "step"


def _scenario(
    body: str, variation: Variation, episodes: int, horizon: int, scale: tuple[float, float], version: int = 0
) -> Scenario:
    return Scenario(f"{body}{variation.name}-v{version}", BODIES[body], variation, episodes, horizon, scale)


def _delayed(
    body: str, variation: Variation, episodes: int, horizon: int, scale: tuple[float, float], version: int = 0
) -> Scenario:
    id = f"{body}{variation.name}Delayed-v{version}"
    return Scenario(id, BODIES[body], variation, episodes, horizon, scale, "episode")


# How the two numbers of each `outcome_scale` were got. The lower: mean return of uniformly random torques,
# measured over tasks and start states, and rounded. The upper, by law:
# - Vel and its Switch (bonus times steps), Goal (0), InvertedPendulum (1 a step), PointDir and its Switch
#   (2 m/s on each axis): the bound that no controller passes, less what it costs to get there;
# - Base: a round number near what trained controllers are known to reach in 1000 steps: rl-zoo's PPO after 1M
#   steps (HalfCheetah 5819, Hopper 2410, Walker2d 3479), RESeL under changing gravity (Ant 6185, Humanoid
#   7495); Swimmer's 350 is a guess, as no such figure is at hand;
# - all other laws of running: the share of Base's upper end that their steps are, rounded, most often down.
# They scale what the ledger shows and what the environment role is paid; no score rests on them.
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
        _scenario("InvertedPendulum", dataclasses.replace(BASE, place=True), 1, 1000, (5.0, 1000.0)),
        # The model differs, or actuators are dead: only the dynamics tell the tasks apart.
        _scenario("HalfCheetah", GRAVITY, 2, 200, (-55.0, 1000.0)),
        _scenario("HalfCheetah", MASS, 2, 200, (-55.0, 1000.0)),
        _scenario("HalfCheetah", FRICTION, 2, 200, (-55.0, 1000.0)),
        _scenario("HalfCheetah", DAMPING, 2, 200, (-55.0, 1000.0)),
        _scenario("HalfCheetah", rand_params(BODIES["HalfCheetah"]), 2, 200, (-55.0, 1000.0)),
        _scenario("HalfCheetah", HALF_CHEETAH_CRIPPLE, 2, 200, (-30.0, 1000.0)),
        _scenario("Ant", GRAVITY, 2, 200, (-35.0, 1000.0)),
        _scenario("Ant", ANT_CRIPPLE, 2, 200, (5.0, 800.0)),
        _scenario("Hopper", GRAVITY, 2, 200, (15.0, 600.0)),
        _scenario("Hopper", MASS, 2, 200, (15.0, 600.0)),
        _scenario("Hopper", rand_params(BODIES["Hopper"], VARIBAD_RUNNING), 2, 200, (15.0, 600.0)),
        _scenario("Walker2d", GRAVITY, 2, 200, (0.0, 800.0)),
        _scenario("Walker2d", MASS, 2, 200, (0.0, 800.0)),
        _scenario("Walker2d", rand_params(BODIES["Walker2d"], VARIBAD_RUNNING), 2, 200, (0.0, 800.0)),
        _scenario("Humanoid", HUMANOID_GRAVITY, 2, 200, (115.0, 1200.0)),
        _scenario("HalfCheetah", STRENGTH, 2, 200, (-55.0, 1000.0)),
        # The task changes in mid-trial.
        _scenario("HalfCheetah", fault(6), 1, 400, (-105.0, 2000.0)),
        _scenario("Ant", fault(8), 1, 400, (-25.0, 2000.0)),
        _scenario("Hopper", fault(3), 1, 400, (15.0, 1200.0)),
        _scenario("Walker2d", fault(6), 1, 400, (0.0, 1600.0)),
        _scenario("HalfCheetah", SPEED_SWITCH, 1, 400, (-720.0, -60.0)),
        _scenario("Point", DIRECTION_SWITCH, 1, 400, (0.0, 950.0)),
        # The return is seen at the end of an inner episode alone, one number of what is unknown each: two
        # components of a direction, so that the third inner episode can know it; one number leaves two
        # directions. Distances from three places, since circles about two of them meet twice, then the goal.
        # A speed is the distance from standing still; a direction of +-1 one sign.
        _delayed("Point", PLANAR_DIR, 3, 50, (0.0, 110.0)),
        _delayed("Point", GOAL, 4, 50, (-75.0, -10.0)),
        _delayed("HalfCheetah", VEL, 2, 200, (-330.0, -30.0)),
        _delayed("HalfCheetah", DIR, 2, 200, (-60.0, 1200.0)),
    )
}

_SHIPPED = dict(SCENARIOS)  # what every process knows that imports this package


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
    own = " (one of your own is known once register_scenario was called)" if "-v" in id else ""
    raise ValueError(f"{id}: unknown scenario; {hint}{own}")


def reference(scenario: Scenario) -> str | Scenario:
    """What a pickle holds of a scenario: its id if this package has it, else the scenario itself.

    A scenario that a user registered is whole in a pickle, since another process may not have registered it.
    """
    return scenario.id if _SHIPPED.get(scenario.id) == scenario else scenario
