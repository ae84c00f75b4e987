"""Ant: the four-legged walker of Gymnasium v5, from the model that Gymnasium ships.

Eight hinges move it; its torso floats free, so qpos holds a place (3), a quaternion (4) and the hinges (8).
Observed are the torso's height, its quaternion and the hinges, and all 14 velocities: Gymnasium's parts of
these names. Planar velocity is that of the torso's `xpos`, as Gymnasium takes it: MuJoCo evaluates the
dynamics four times a substep here, and `xpos` stays where the last of these put it, a little off the torso's
new place in qpos.

Start state: Gymnasium's: positions within +-0.1 of the model's, velocities 0.1 N(0, 1); the quaternion is
not of unit length then (MuJoCo normalises it where it uses it).

Health: it is healthy while its height is in [0.2, 1] m.

Left out: Gymnasium's contact forces, both from the observation and as a cost.

| qpos | joint | kind | unit | in `positions` |
|---|---|---|---|---|
| 0 | root | x | m | - |
| 1 | root | y | m | - |
| 2 | root | z | m | 0 |
| 3 | root | quaternion w | 1 | 1 |
| 4 | root | quaternion x | 1 | 2 |
| 5 | root | quaternion y | 1 | 3 |
| 6 | root | quaternion z | 1 | 4 |
| 7 | hip_1 | hinge | rad | 5 |
| 8 | ankle_1 | hinge | rad | 6 |
| 9 | hip_2 | hinge | rad | 7 |
| 10 | ankle_2 | hinge | rad | 8 |
| 11 | hip_3 | hinge | rad | 9 |
| 12 | ankle_3 | hinge | rad | 10 |
| 13 | hip_4 | hinge | rad | 11 |
| 14 | ankle_4 | hinge | rad | 12 |

| in `velocities` | joint | kind | unit |
|---|---|---|---|
| 0 | root | x | m/s |
| 1 | root | y | m/s |
| 2 | root | z | m/s |
| 3 | root | turning about x | rad/s |
| 4 | root | turning about y | rad/s |
| 5 | root | turning about z | rad/s |
| 6 | hip_1 | hinge | rad/s |
| 7 | ankle_1 | hinge | rad/s |
| 8 | hip_2 | hinge | rad/s |
| 9 | ankle_2 | hinge | rad/s |
| 10 | hip_3 | hinge | rad/s |
| 11 | ankle_3 | hinge | rad/s |
| 12 | hip_4 | hinge | rad/s |
| 13 | ankle_4 | hinge | rad/s |

| in `torque` | joint | control | at torque 1 |
|---|---|---|---|
| 0 | hip_4 | -1 to 1 | 150 N m |
| 1 | ankle_4 | -1 to 1 | 150 N m |
| 2 | hip_1 | -1 to 1 | 150 N m |
| 3 | ankle_1 | -1 to 1 | 150 N m |
| 4 | hip_2 | -1 to 1 | 150 N m |
| 5 | ankle_2 | -1 to 1 | 150 N m |
| 6 | hip_3 | -1 to 1 | 150 N m |
| 7 | ankle_3 | -1 to 1 | 150 N m |
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
