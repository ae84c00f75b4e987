"""Planar Dir: move in a hidden direction of the plane. reward = v . (cos, sin)(angle), angle ~ U(-pi, pi).

A policy that is told nothing earns 0 on average over the circle, whatever it does: the blind ceiling is 0.
"""

from __future__ import annotations

import math

import numpy as np

from ma_ssm_env.bodies.body import Body
from ma_ssm_env.variations.variation import Array, Coordinate, Transition, Variation, uniform_draw


def _target(task: Array) -> Array:
    return np.array([math.cos(task[0]), math.sin(task[0])])


def _reward(body: Body, transition: Transition, target: Array) -> dict[str, Array]:
    del body
    along: Array = transition.velocity[:, 0] * target[:, 0] + transition.velocity[:, 1] * target[:, 1]
    return {"direction": along}


PLANAR_DIR = Variation(
    name="Dir",
    coordinates=(Coordinate("angle, rad", -math.pi, math.pi, "wrapped"),),
    draw=uniform_draw,
    target=_target,
    reward=_reward,
    terms=("direction",),
    worst_reward=-10.0,
    place=False,
    source="this project, after the 2-D direction tasks of PEARL (oyster)",
)
