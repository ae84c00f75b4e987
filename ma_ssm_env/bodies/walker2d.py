"""Walker2d: the two-legged planar walker of Gymnasium v5, from the model that Gymnasium ships.

The model is `walker2d_v5.xml`, in which both feet have the same friction; six hinges move it. As in
Gymnasium, observed velocities are clipped to +-10. Nothing of Gymnasium's is left out.

Start state: Gymnasium's: positions and velocities uniform within +-0.005 of the model's.

Health: it is healthy while its height is in (0.8, 2) m and its pitch in (-1, 1) rad.

| qpos | joint | kind | unit | in `positions` |
|---|---|---|---|---|
| 0 | rootx | slide | m | - |
| 1 | rootz | slide | m | 0 |
| 2 | rooty | hinge | rad | 1 |
| 3 | thigh_joint | hinge | rad | 2 |
| 4 | leg_joint | hinge | rad | 3 |
| 5 | foot_joint | hinge | rad | 4 |
| 6 | thigh_left_joint | hinge | rad | 5 |
| 7 | leg_left_joint | hinge | rad | 6 |
| 8 | foot_left_joint | hinge | rad | 7 |

| in `velocities` | joint | kind | unit |
|---|---|---|---|
| 0 | rootx | slide | m/s |
| 1 | rootz | slide | m/s |
| 2 | rooty | hinge | rad/s |
| 3 | thigh_joint | hinge | rad/s |
| 4 | leg_joint | hinge | rad/s |
| 5 | foot_joint | hinge | rad/s |
| 6 | thigh_left_joint | hinge | rad/s |
| 7 | leg_left_joint | hinge | rad/s |
| 8 | foot_left_joint | hinge | rad/s |

| in `torque` | joint | control | at torque 1 |
|---|---|---|---|
| 0 | thigh_joint | -1 to 1 | 100 N m |
| 1 | leg_joint | -1 to 1 | 100 N m |
| 2 | foot_joint | -1 to 1 | 100 N m |
| 3 | thigh_left_joint | -1 to 1 | 100 N m |
| 4 | leg_left_joint | -1 to 1 | 100 N m |
| 5 | foot_left_joint | -1 to 1 | 100 N m |
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.bodies.body import Array, Body, load_gymnasium, uniform_start


def _healthy(qpos: Array, qvel: Array) -> NDArray[np.bool_]:
    del qvel
    height, pitch = qpos[:, 1], qpos[:, 2]
    healthy: NDArray[np.bool_] = (height > 0.8) & (height < 2.0) & (np.abs(pitch) < 1.0)
    return healthy


WALKER2D = Body(
    name="Walker2d",
    load=partial(load_gymnasium, "walker2d_v5.xml"),
    frame_skip=4,
    root=(0,),
    start=partial(uniform_start, spread=0.005),
    control_cost=1e-3,
    healthy=_healthy,
    source="gymnasium Walker2d-v5",
    alive_bonus=1.0,
    velocity_limit=10.0,
)
