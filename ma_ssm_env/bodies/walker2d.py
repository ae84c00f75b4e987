"""Walker2d: the two-legged planar walker of Gymnasium v5, from the model that Gymnasium ships.

The model is `walker2d_v5.xml`, in which both feet have the same friction. Start states are Gymnasium's:
positions and velocities uniform within +-0.005 of the model's. It is healthy while its height is in
(0.8, 2) m and its pitch in (-1, 1) rad. As in Gymnasium, observed velocities are clipped to +-10. Nothing of
Gymnasium's is left out.
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
