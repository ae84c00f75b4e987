"""The body's own reward: one task, forward speed minus the control cost, as in Gymnasium v5."""

from __future__ import annotations

import numpy as np

from ma_ssm_env.bodies.body import Body
from ma_ssm_env.variations.variation import Array, Transition, Variation, uniform_draw


def control_cost(weight: float, transition: Transition) -> Array:
    """Sum of squared torques times weight [B], in float32 as Gymnasium does it, so that bits agree."""
    cost: Array = weight * np.square(transition.torque).sum(1)
    return cost


def _target(task: Array) -> Array:
    return task


def _reward(body: Body, transition: Transition, target: Array) -> dict[str, Array]:
    del target
    return {"forward": transition.velocity[:, 0], "control": -control_cost(body.control_cost, transition)}


BASE = Variation(
    name="",
    coordinates=(),
    draw=uniform_draw,
    target=_target,
    reward=_reward,
    terms=("forward", "control"),
    worst_reward=-20.0,
    place=False,
    source="gymnasium v5",
)
