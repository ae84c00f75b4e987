"""Swimmer: the three-link swimmer of Gymnasium v5, from the model that Gymnasium ships.

Two hinges move it through a viscous plane. The paid velocity is that of the front link's frame, as in
Gymnasium, not that of the center of mass. Nothing of Gymnasium's is left out.

Start state: Gymnasium's: positions and velocities uniform within +-0.1 of the model's.

Health: it cannot fall; there is no health limit.

| qpos | joint | kind | unit | in `positions` |
|---|---|---|---|---|
| 0 | slider1 | slide | m | - |
| 1 | slider2 | slide | m | - |
| 2 | free_body_rot | hinge | rad | 0 |
| 3 | motor1_rot | hinge | rad | 1 |
| 4 | motor2_rot | hinge | rad | 2 |

| in `velocities` | joint | kind | unit |
|---|---|---|---|
| 0 | slider1 | slide | m/s |
| 1 | slider2 | slide | m/s |
| 2 | free_body_rot | hinge | rad/s |
| 3 | motor1_rot | hinge | rad/s |
| 4 | motor2_rot | hinge | rad/s |

| in `torque` | joint | control | at torque 1 |
|---|---|---|---|
| 0 | motor1_rot | -1 to 1 | 150 N m |
| 1 | motor2_rot | -1 to 1 | 150 N m |
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
