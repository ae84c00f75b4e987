"""Humanoid: the biped of Gymnasium v5 with 17 actuators, from the model that Gymnasium ships.

Torques in [-1, 1] are scaled to the actuators' +-0.4, and it is the scaled ones that cost, as in Gymnasium.
Observed are the torso's height, its quaternion and the 17 hinges, and all 23 velocities: Gymnasium's parts
of these names.

Start states are Gymnasium's: positions and velocities uniform within +-0.01 of the model's. It is healthy
while its height is in (1, 2) m. Planar velocity is that of the center of mass, as in Gymnasium, at the last
evaluation of the dynamics within the control step (see `Body.marker`). Gymnasium sums the bodies' masses
times their places itself; `subtree_com` is MuJoCo's own sum, equal up to rounding.

Left out: Gymnasium's contact forces, inertias, body velocities and actuator forces from the observation, and
the contact cost.
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
