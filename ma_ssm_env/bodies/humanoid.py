"""Humanoid: the biped of Gymnasium v5 with 17 actuators, from the model that Gymnasium ships.

Torques in [-1, 1] are scaled to the actuators' +-0.4, and it is the scaled ones that cost, as in Gymnasium.
Observed are the torso's height, its quaternion and the 17 hinges, and all 23 velocities: Gymnasium's parts
of these names. Planar velocity is that of the center of mass, as in Gymnasium, at the last evaluation of the
dynamics within the control step (see `Body.marker`). Gymnasium sums the bodies' masses times their places
itself; `subtree_com` is MuJoCo's own sum, equal up to rounding.

Start state: Gymnasium's: positions and velocities uniform within +-0.01 of the model's.

Health: it is healthy while its height is in (1, 2) m.

Left out: Gymnasium's contact forces, inertias, body velocities and actuator forces from the observation, and
the contact cost.

| qpos | joint | kind | unit | in `positions` |
|---|---|---|---|---|
| 0 | root | x | m | - |
| 1 | root | y | m | - |
| 2 | root | z | m | 0 |
| 3 | root | quaternion w | 1 | 1 |
| 4 | root | quaternion x | 1 | 2 |
| 5 | root | quaternion y | 1 | 3 |
| 6 | root | quaternion z | 1 | 4 |
| 7 | abdomen_z | hinge | rad | 5 |
| 8 | abdomen_y | hinge | rad | 6 |
| 9 | abdomen_x | hinge | rad | 7 |
| 10 | right_hip_x | hinge | rad | 8 |
| 11 | right_hip_z | hinge | rad | 9 |
| 12 | right_hip_y | hinge | rad | 10 |
| 13 | right_knee | hinge | rad | 11 |
| 14 | left_hip_x | hinge | rad | 12 |
| 15 | left_hip_z | hinge | rad | 13 |
| 16 | left_hip_y | hinge | rad | 14 |
| 17 | left_knee | hinge | rad | 15 |
| 18 | right_shoulder1 | hinge | rad | 16 |
| 19 | right_shoulder2 | hinge | rad | 17 |
| 20 | right_elbow | hinge | rad | 18 |
| 21 | left_shoulder1 | hinge | rad | 19 |
| 22 | left_shoulder2 | hinge | rad | 20 |
| 23 | left_elbow | hinge | rad | 21 |

| in `velocities` | joint | kind | unit |
|---|---|---|---|
| 0 | root | x | m/s |
| 1 | root | y | m/s |
| 2 | root | z | m/s |
| 3 | root | turning about x | rad/s |
| 4 | root | turning about y | rad/s |
| 5 | root | turning about z | rad/s |
| 6 | abdomen_z | hinge | rad/s |
| 7 | abdomen_y | hinge | rad/s |
| 8 | abdomen_x | hinge | rad/s |
| 9 | right_hip_x | hinge | rad/s |
| 10 | right_hip_z | hinge | rad/s |
| 11 | right_hip_y | hinge | rad/s |
| 12 | right_knee | hinge | rad/s |
| 13 | left_hip_x | hinge | rad/s |
| 14 | left_hip_z | hinge | rad/s |
| 15 | left_hip_y | hinge | rad/s |
| 16 | left_knee | hinge | rad/s |
| 17 | right_shoulder1 | hinge | rad/s |
| 18 | right_shoulder2 | hinge | rad/s |
| 19 | right_elbow | hinge | rad/s |
| 20 | left_shoulder1 | hinge | rad/s |
| 21 | left_shoulder2 | hinge | rad/s |
| 22 | left_elbow | hinge | rad/s |

| in `torque` | joint | control | at torque 1 |
|---|---|---|---|
| 0 | abdomen_y | -0.4 to 0.4 | 40 N m |
| 1 | abdomen_z | -0.4 to 0.4 | 40 N m |
| 2 | abdomen_x | -0.4 to 0.4 | 40 N m |
| 3 | right_hip_x | -0.4 to 0.4 | 40 N m |
| 4 | right_hip_z | -0.4 to 0.4 | 40 N m |
| 5 | right_hip_y | -0.4 to 0.4 | 120 N m |
| 6 | right_knee | -0.4 to 0.4 | 80 N m |
| 7 | left_hip_x | -0.4 to 0.4 | 40 N m |
| 8 | left_hip_z | -0.4 to 0.4 | 40 N m |
| 9 | left_hip_y | -0.4 to 0.4 | 120 N m |
| 10 | left_knee | -0.4 to 0.4 | 80 N m |
| 11 | right_shoulder1 | -0.4 to 0.4 | 10 N m |
| 12 | right_shoulder2 | -0.4 to 0.4 | 10 N m |
| 13 | right_elbow | -0.4 to 0.4 | 10 N m |
| 14 | left_shoulder1 | -0.4 to 0.4 | 10 N m |
| 15 | left_shoulder2 | -0.4 to 0.4 | 10 N m |
| 16 | left_elbow | -0.4 to 0.4 | 10 N m |
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.bodies.body import Array, Body, load_gymnasium, uniform_start


def _healthy(qpos: Array, qvel: Array) -> NDArray[np.bool_]:
    del qvel
    height = qpos[:, 2]
    healthy: NDArray[np.bool_] = (height > 1.0) & (height < 2.0)
    return healthy


HUMANOID = Body(
    name="Humanoid",
    load=partial(load_gymnasium, "humanoid.xml"),
    frame_skip=5,
    root=(0, 1),
    start=partial(uniform_start, spread=0.01),
    control_cost=0.1,
    healthy=_healthy,
    source="gymnasium Humanoid-v5",
    forward_weight=1.25,
    alive_bonus=5.0,
    marker=("subtree_com", 0),  # of the world: all there is
)
