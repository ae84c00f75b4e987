"""HalfCheetah: the planar runner of Gymnasium v5, from the model that Gymnasium ships.

Start states are Gymnasium's: joint positions within +-0.1 of the model's, velocities 0.1 N(0, 1).
It cannot fall: there is no health limit.
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
