"""Dir: move forward or backward. reward = d v_x - w |a|^2, d in {-1, +1}; train = test.

w is 0.05 for HalfCheetah (PEARL (oyster), VariBAD, ProMP, garage) and the body's own 0.0001 for Swimmer
(this project, by analogy). Two tasks can be memorised: no headline should rest on them.
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
    weights_for,
)

WEIGHTS = {"HalfCheetah": Weights(control=0.05), "Swimmer": Weights(control=1e-4)}


def _draw(uniform: Array, ranges: tuple[tuple[float, float], ...]) -> Array:
    return np.array([low if u < 0.5 else high for u, (low, high) in zip(uniform, ranges, strict=True)])


def _target(task: Array) -> Array:
    return task


def _reward(body: Body, transition: Transition, target: Array) -> dict[str, Array]:
    weights = weights_for("Dir", WEIGHTS, body)
    return {
        "direction": target[:, 0] * transition.velocity[:, 0],
        "control": -control_cost(weights.control, transition),
    }


DIR = Variation(
    name="Dir",
    coordinates=(Coordinate("direction", -1.0, 1.0, "category"),),
    draw=_draw,
    target=_target,
    reward=_reward,
    terms=("direction", "control"),
    worst_reward=-20.0,
    place=False,
    source="PEARL (oyster), VariBAD, ProMP, garage: half-cheetah-dir",
)
