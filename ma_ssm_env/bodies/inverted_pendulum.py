"""InvertedPendulum: the pole on a cart of Gymnasium v5, from the model that Gymnasium ships.

One slider pushes the cart. Its reward is 1 for each step that ends healthy, whatever it does: speed and
control cost nothing. The cart's place is among the positions, as in Gymnasium: the slider ends at +-1 m.
Nothing of Gymnasium's is left out.

Start state: Gymnasium's: positions and velocities uniform within +-0.01 of the model's.

Health: it is healthy while the pole is within +-0.2 rad of upright.

| qpos | joint | kind | unit | in `positions` |
|---|---|---|---|---|
| 0 | slider | slide | m | 0 |
| 1 | hinge | hinge | rad | 1 |

| in `velocities` | joint | kind | unit |
|---|---|---|---|
| 0 | slider | slide | m/s |
| 1 | hinge | hinge | rad/s |

| in `torque` | joint | control | at torque 1 |
|---|---|---|---|
| 0 | slider | -3 to 3 | 300 N |
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.bodies.body import Array, Body, load_gymnasium, uniform_start


def _healthy(qpos: Array, qvel: Array) -> NDArray[np.bool_]:
    del qvel
    healthy: NDArray[np.bool_] = np.abs(qpos[:, 1]) <= 0.2
    return healthy


INVERTED_PENDULUM = Body(
    name="InvertedPendulum",
    load=partial(load_gymnasium, "inverted_pendulum.xml"),
    frame_skip=2,
    root=(0,),
    start=partial(uniform_start, spread=0.01),
    control_cost=0.0,
    healthy=_healthy,
    source="gymnasium InvertedPendulum-v5",
    forward_weight=0.0,
    alive_bonus=1.0,
)
