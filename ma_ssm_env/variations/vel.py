"""Vel: run at a hidden speed. reward = -|v_x - v*| - 0.05 |a|^2, v* ~ U(0, 3) m/s.

Sources: PEARL (oyster), VariBAD, ProMP. Outside of the training range: v* in [3, 4] m/s.
"""

from __future__ import annotations

import numpy as np

from ma_ssm_env.bodies.body import Body
from ma_ssm_env.variations.base import control_cost
from ma_ssm_env.variations.variation import Array, Coordinate, Transition, Variation, uniform_draw

CONTROL_COST = 0.05


def _target(task: Array) -> Array:
    return task


def _reward(body: Body, transition: Transition, target: Array) -> dict[str, Array]:
    del body
    return {
        "speed": -np.abs(transition.velocity[:, 0] - target[:, 0]),
        "control": -control_cost(CONTROL_COST, transition),
    }


VEL = Variation(
    name="Vel",
    coordinates=(Coordinate("speed, m/s", 0.0, 3.0, outside=(3.0, 4.0)),),
    draw=uniform_draw,
    target=_target,
    reward=_reward,
    terms=("speed", "control"),
    worst_reward=-20.0,
    place=False,
    source="PEARL (oyster), VariBAD, ProMP: half-cheetah-vel",
)
