"""Swimmer: the three-link swimmer of Gymnasium v5, from the model that Gymnasium ships.

Two hinges move it through a viscous plane. Start states are Gymnasium's: positions and velocities uniform
within +-0.1 of the model's. It cannot fall: there is no health limit. Nothing of Gymnasium's is left out.

The paid velocity is that of the front link's frame, as in Gymnasium, not that of the center of mass.
"""

from __future__ import annotations

from functools import partial

from ma_ssm_env.bodies.body import Body, load_gymnasium, uniform_start

SWIMMER = Body(
    name="Swimmer",
    load=partial(load_gymnasium, "swimmer.xml"),
    frame_skip=4,
    root=(0, 1),
    start=partial(uniform_start, spread=0.1),
    control_cost=1e-4,
    healthy=None,
    source="gymnasium Swimmer-v5",
)
