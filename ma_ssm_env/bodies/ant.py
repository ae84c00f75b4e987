"""Ant: the four-legged walker of Gymnasium v5, from the model that Gymnasium ships.

Eight hinges move it; its torso floats free, so qpos holds a place (3), a quaternion (4) and the hinges (8).
Observed are the torso's height, its quaternion and the hinges, and all 14 velocities: Gymnasium's parts of
these names.

Start states are Gymnasium's: positions within +-0.1 of the model's, velocities 0.1 N(0, 1); the quaternion
is not of unit length then (MuJoCo normalises it where it uses it). It is healthy while its height is in
[0.2, 1] m. Planar velocity is that of the torso's `xpos`, as Gymnasium takes it: MuJoCo evaluates the
dynamics four times a substep here, and `xpos` stays where the last of these put it, a little off the torso's
new place in qpos.

Left out: Gymnasium's contact forces, both from the observation and as a cost.
"""

from __future__ import annotations

from functools import partial

import mujoco
import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.bodies.body import Array, Body, load_gymnasium


def _start(model: mujoco.MjModel, generator: np.random.Generator) -> tuple[Array, Array]:
    qpos = model.qpos0 + generator.uniform(-0.1, 0.1, model.nq)
    return qpos, 0.1 * generator.standard_normal(model.nv)


def _healthy(qpos: Array, qvel: Array) -> NDArray[np.bool_]:
    del qvel
    height = qpos[:, 2]
    healthy: NDArray[np.bool_] = (height >= 0.2) & (height <= 1.0)
    return healthy


ANT = Body(
    name="Ant",
    load=partial(load_gymnasium, "ant.xml"),
    frame_skip=5,
    root=(0, 1),
    start=_start,
    control_cost=0.5,
    healthy=_healthy,
    source="gymnasium Ant-v5",
    alive_bonus=1.0,
    marker=("xpos", 1),  # the torso
)
