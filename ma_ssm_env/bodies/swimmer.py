"""Swimmer: the three-link swimmer of Gymnasium v5, from the model that Gymnasium ships.

Two hinges move it through a viscous plane. Start states are Gymnasium's: positions and velocities uniform
within +-0.1 of the model's. It cannot fall: there is no health limit. Nothing of Gymnasium's is left out.

The paid velocity is that of the front link's frame, as in Gymnasium, not that of the center of mass.
"""

from __future__ import annotations

import mujoco
import numpy as np

from ma_ssm_env.bodies.body import Array, Body, load_gymnasium, uniform_start


def _load() -> mujoco.MjModel:
    return load_gymnasium("swimmer.xml")


def _start(model: mujoco.MjModel, generator: np.random.Generator) -> tuple[Array, Array]:
    return uniform_start(model, generator, 0.1)


SWIMMER = Body(
    name="Swimmer",
    load=_load,
    frame_skip=4,
    root=(0, 1),
    start=_start,
    control_cost=1e-4,
    healthy=None,
    source="gymnasium Swimmer-v5",
)
