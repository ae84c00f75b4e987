"""Vel: run at a hidden speed. reward = bonus - |v_x - v*| - w_control |a|^2, v* ~ U(0, 3) m/s.

| body | bonus | w_control | ends unless | source |
|---|---|---|---|---|
| HalfCheetah | 0 | 0.05 | never | PEARL (oyster), VariBAD, ProMP |
| Ant | 1.05 | 0.005 | height in [0.2, 1] m | pytorch-maml-rl (1 and an alive bonus of 0.05) |
| Walker2d | 2 | 0.001 | its own limits | this project, by analogy: 1 and its alive bonus of 1 |

Contact costs are left out. Where the bonus is small against v*, a body that falls at once loses less than
one that stands: mind that when a return of Ant looks good. Outside of the training range: v* in [3, 4] m/s.
"""

from __future__ import annotations

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
    "HalfCheetah": Weights(control=0.05),
    "Ant": Weights(control=0.005, bonus=1.05),
    "Walker2d": Weights(control=1e-3, bonus=2.0),
}


def _target(task: Array) -> Array:
    return task


def _reward(body: Body, transition: Transition, target: Array) -> dict[str, Array]:
    weights = weights_for("Vel", WEIGHTS, body)
    gap = np.abs(transition.velocity[:, 0] - target[:, 0])
    return {
        "speed": -gap,
        "survive": constant(weights.bonus, len(gap)),
        "control": -control_cost(weights.control, transition),
    }


VEL = Variation(
    name="Vel",
    coordinates=(Coordinate("speed, m/s", 0.0, 3.0, outside=(3.0, 4.0)),),
    draw=uniform_draw,
    target=_target,
    reward=_reward,
    terms=("speed", "survive", "control"),
    worst_reward=-20.0,
    place=False,
    source="PEARL (oyster), VariBAD, ProMP: half-cheetah-vel; pytorch-maml-rl: AntVel",
)
