"""Hopper: the one-legged planar jumper of Gymnasium v5, from the model that Gymnasium ships.

Three hinges move it. As in Gymnasium, observed velocities are clipped to +-10. Nothing of Gymnasium's is left
out.

Start state: Gymnasium's: positions and velocities uniform within +-0.005 of the model's.

Health: it is healthy while its height is above 0.7 m, its pitch within +-0.2 rad, and every other position
(the joints) and every velocity within +-100.

| qpos | joint | kind | unit | in `positions` |
|---|---|---|---|---|
| 0 | rootx | slide | m | - |
| 1 | rootz | slide | m | 0 |
| 2 | rooty | hinge | rad | 1 |
| 3 | thigh_joint | hinge | rad | 2 |
| 4 | leg_joint | hinge | rad | 3 |
| 5 | foot_joint | hinge | rad | 4 |

| in `velocities` | joint | kind | unit |
|---|---|---|---|
| 0 | rootx | slide | m/s |
| 1 | rootz | slide | m/s |
| 2 | rooty | hinge | rad/s |
| 3 | thigh_joint | hinge | rad/s |
| 4 | leg_joint | hinge | rad/s |
| 5 | foot_joint | hinge | rad/s |

| in `torque` | joint | control | at torque 1 |
|---|---|---|---|
| 0 | thigh_joint | -1 to 1 | 200 N m |
| 1 | leg_joint | -1 to 1 | 200 N m |
| 2 | foot_joint | -1 to 1 | 200 N m |
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.bodies.body import Array, Body, load_gymnasium, uniform_start

_STATE_LIMIT = 100.0


def _healthy(qpos: Array, qvel: Array) -> NDArray[np.bool_]:
    upright = (qpos[:, 1] > 0.7) & (np.abs(qpos[:, 2]) < 0.2)
    calm = (np.abs(qpos[:, 2:]) < _STATE_LIMIT).all(1) & (np.abs(qvel) < _STATE_LIMIT).all(1)
    healthy: NDArray[np.bool_] = upright & calm
    return healthy


HOPPER = Body(
    name="Hopper",
    load=partial(load_gymnasium, "hopper.xml"),
    frame_skip=4,
    root=(0,),
    start=partial(uniform_start, spread=0.005),
    control_cost=1e-3,
    healthy=_healthy,
    source="gymnasium Hopper-v5",
    alive_bonus=1.0,
    velocity_limit=10.0,
)
