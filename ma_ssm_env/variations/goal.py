"""Goal: reach a hidden place on a disc. Goals are uniform on it: radius R sqrt(u), angle U(-pi, pi).

| body | reward after each control step | R, m | outside of the training range |
|---|---|---|---|
| Point | -norm2(root - goal) | 1.75 | the ring from 1.75 to 2.5 m |
| Ant | -norm1(root - goal) - 0.1 norm2(a)^2 | 3 | the ring from 3 to 4 m |

Point's disc is such that standing still costs 1.17 a step. Ant's law is that of PEARL (oyster), without its
contact cost; a fallen ant goes on to the horizon there, and so it does here. The root's position is among
the positions.
"""

from __future__ import annotations

import math

import numpy as np

from ma_ssm_env.bodies.body import Body
from ma_ssm_env.variations.base import control_cost
from ma_ssm_env.variations.variation import Array, Coordinate, Transition, Variation

RADIUS = 1.75
ANT_RADIUS = 3.0
ANT_CONTROL_COST = 0.1


def _draw(uniform: Array, ranges: tuple[tuple[float, float], ...]) -> Array:
    (inner, outer), (low, high) = ranges
    radius = math.sqrt(inner**2 + uniform[0] * (outer**2 - inner**2))
    return np.array([radius, low + uniform[1] * (high - low)])


def _target(task: Array) -> Array:
    return np.array([task[0] * math.cos(task[1]), task[0] * math.sin(task[1])])


def _reward(body: Body, transition: Transition, target: Array) -> dict[str, Array]:
    del body
    offset = transition.position - target
    return {"distance": -np.sqrt(np.square(offset[:, 0]) + np.square(offset[:, 1]))}


def _ant_reward(body: Body, transition: Transition, target: Array) -> dict[str, Array]:
    del body
    offset = np.abs(transition.position - target)
    return {
        "distance": -(offset[:, 0] + offset[:, 1]),
        "control": -control_cost(ANT_CONTROL_COST, transition),
    }


def _coordinates(radius: float, outside: float) -> tuple[Coordinate, Coordinate]:
    return (
        Coordinate("radius, m", 0.0, radius, outside=(radius, outside)),
        Coordinate("angle, rad", -math.pi, math.pi, "wrapped"),
    )


GOAL = Variation(
    name="Goal",
    coordinates=_coordinates(RADIUS, 2.5),
    draw=_draw,
    target=_target,
    reward=_reward,
    terms=("distance",),
    worst_reward=-100.0,
    place=True,
    source="this project, after the goal tasks of PEARL (oyster)",
)

ANT_GOAL = Variation(
    name="Goal",
    coordinates=_coordinates(ANT_RADIUS, 4.0),
    draw=_draw,
    target=_target,
    reward=_ant_reward,
    terms=("distance", "control"),
    worst_reward=-100.0,
    place=True,
    source="PEARL (oyster): ant-goal",
    ends_unhealthy=False,
)
