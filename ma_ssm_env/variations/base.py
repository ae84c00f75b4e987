"""The body's own reward: one task, forward speed plus alive bonus minus control cost, as in Gymnasium v5.

    reward = w_forward v_x + alive_bonus [healthy] - w_control |a|^2

The weights are the body's. Contact costs, which Gymnasium's Ant and Humanoid have as well, are left out.
"""

from __future__ import annotations

import numpy as np

from ma_ssm_env.bodies.body import Body
from ma_ssm_env.variations.variation import Array, Transition, Variation, uniform_draw


def control_cost(weight: float, transition: Transition) -> Array:
    """Sum of squared torques times weight [B], in the precision in which Gymnasium does it: bits agree."""
    cost: Array = weight * np.add.reduce(np.square(transition.torque), axis=1)
    return cost


def _target(task: Array) -> Array:
    return task


def _reward(body: Body, transition: Transition, target: Array) -> dict[str, Array]:
    del target
    return {
        "forward": body.forward_weight * transition.velocity[:, 0],
        "survive": np.where(transition.healthy, body.alive_bonus, 0.0),
        "control": -control_cost(body.control_cost, transition),
    }


BASE = Variation(
    name="",
    coordinates=(),
    draw=uniform_draw,
    target=_target,
    reward=_reward,
    terms=("forward", "survive", "control"),
    worst_reward=-20.0,
    place=False,
    source="gymnasium v5",
)
