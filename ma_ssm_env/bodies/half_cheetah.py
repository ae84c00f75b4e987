"""HalfCheetah: the planar runner of Gymnasium v5, from the model that Gymnasium ships.

Six hinges move its two legs; its trunk slides forward and up and turns in the vertical plane.

Start state: Gymnasium's: joint positions within +-0.1 of the model's, velocities 0.1 N(0, 1).

Health: it cannot fall; there is no health limit.

| qpos | joint | kind | unit | in `positions` |
|---|---|---|---|---|
| 0 | rootx | slide | m | - |
| 1 | rootz | slide | m | 0 |
| 2 | rooty | hinge | rad | 1 |
| 3 | bthigh | hinge | rad | 2 |
| 4 | bshin | hinge | rad | 3 |
| 5 | bfoot | hinge | rad | 4 |
| 6 | fthigh | hinge | rad | 5 |
| 7 | fshin | hinge | rad | 6 |
| 8 | ffoot | hinge | rad | 7 |

| in `velocities` | joint | kind | unit |
|---|---|---|---|
| 0 | rootx | slide | m/s |
| 1 | rootz | slide | m/s |
| 2 | rooty | hinge | rad/s |
| 3 | bthigh | hinge | rad/s |
| 4 | bshin | hinge | rad/s |
| 5 | bfoot | hinge | rad/s |
| 6 | fthigh | hinge | rad/s |
| 7 | fshin | hinge | rad/s |
| 8 | ffoot | hinge | rad/s |

| in `torque` | joint | control | at torque 1 |
|---|---|---|---|
| 0 | bthigh | -1 to 1 | 120 N m |
| 1 | bshin | -1 to 1 | 90 N m |
| 2 | bfoot | -1 to 1 | 60 N m |
| 3 | fthigh | -1 to 1 | 120 N m |
| 4 | fshin | -1 to 1 | 60 N m |
| 5 | ffoot | -1 to 1 | 30 N m |
"""

from __future__ import annotations

from functools import partial

import mujoco
import numpy as np

from ma_ssm_env.bodies.body import Array, Body, load_gymnasium


def _start(model: mujoco.MjModel, generator: np.random.Generator) -> tuple[Array, Array]:
    qpos = model.qpos0 + generator.uniform(-0.1, 0.1, model.nq)
    return qpos, 0.1 * generator.standard_normal(model.nv)


HALF_CHEETAH = Body(
    name="HalfCheetah",
    load=partial(load_gymnasium, "half_cheetah.xml"),
    frame_skip=5,
    root=(0,),
    start=_start,
    control_cost=0.1,
    healthy=None,
    source="gymnasium HalfCheetah-v5",
)
