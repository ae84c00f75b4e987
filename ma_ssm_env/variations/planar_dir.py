"""Planar Dir: move in a hidden direction of the plane.

    reward = w_speed v . (cos, sin)(angle) + bonus - w_control |a|^2,    angle ~ U(-pi, pi)

| body | w_speed | bonus | w_control | ends unless | source |
|---|---|---|---|---|---|
| Point | 1 | 0 | 0 | never | this project |
| Ant | 1 | 1 | 0.5 | height in [0.2, 1] m | PEARL (oyster): ant-dir |
| Humanoid | 1.25 | 5 | 0.1 | height in (1, 2) m | PEARL (oyster): humanoid-dir |

The sources' contact costs are left out. The bonus is paid for every step, the one of the fall included, as
in the sources. oyster's weight of 0.25 / timestep on the displacement of a control step of five substeps is
the 1.25 of the table. Ant's and Humanoid's angle is that of the sources, drawn from the same circle.

The direction itself can be told by nothing but the reward: a policy that is told nothing earns 0 on average
over the circle by moving, so the blind ceiling is that of standing still (0, or the bonus).
"""

from __future__ import annotations

import math

import numpy as np

from ma_ssm_env.bodies.body import Body
from ma_ssm_env.variations.base import control_cost
from ma_ssm_env.variations.variation import (
    Array,
    Coordinate,
    Transition,
    Variation,
    Weights,
    constant,
    uniform_draw,
    weights_for,
)

WEIGHTS = {
    "Point": Weights(control=0.0),
    "Ant": Weights(control=0.5, bonus=1.0),
    "Humanoid": Weights(control=0.1, speed=1.25, bonus=5.0),
}


def _target(task: Array) -> Array:
    return np.array([math.cos(task[0]), math.sin(task[0])])


def _reward(body: Body, transition: Transition, target: Array) -> dict[str, Array]:
    weights = weights_for("Dir", WEIGHTS, body)
    along: Array = transition.velocity[:, 0] * target[:, 0] + transition.velocity[:, 1] * target[:, 1]
    return {
        "direction": weights.speed * along,
        "survive": constant(weights.bonus, len(along)),
        "control": -control_cost(weights.control, transition),
    }


PLANAR_DIR = Variation(
    name="Dir",
    coordinates=(Coordinate("angle, rad", -math.pi, math.pi, "wrapped"),),
    draw=uniform_draw,
    target=_target,
    reward=_reward,
    terms=("direction", "survive", "control"),
    worst_reward=-20.0,
    place=False,
    source="PEARL (oyster): ant-dir, humanoid-dir; Point: this project",
)
