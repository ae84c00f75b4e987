"""Goal: reach a hidden place. reward = -|root - goal|, m, after each control step.

Goals are uniform on a disc of 1.75 m (radius 1.75 sqrt(u)), so that standing still costs 1.17 a step.
Outside of the training range: the ring from 1.75 to 2.5 m. The root's position is among the positions.
"""

from __future__ import annotations

import math

import numpy as np

from ma_ssm_env.bodies.body import Body
from ma_ssm_env.variations.variation import Array, Coordinate, Transition, Variation

RADIUS = 1.75


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


GOAL = Variation(
    name="Goal",
    coordinates=(
        Coordinate("radius, m", 0.0, RADIUS, outside=(RADIUS, 2.5)),
        Coordinate("angle, rad", -math.pi, math.pi, "wrapped"),
    ),
    draw=_draw,
    target=_target,
    reward=_reward,
    terms=("distance",),
    worst_reward=-100.0,
    place=True,
    source="this project, after the goal tasks of PEARL (oyster)",
)
