"""Point: a unit mass on two slide joints, pushed in the plane. Learnt in minutes, and solvable by hand.

Force 4.5 N per unit of torque against a viscous drag of 2.25 N s/m gives a terminal speed of 2 m/s on each
axis; over a control step of 0.1 s the velocity keeps 80% of itself.

Start state: places uniform within +-0.1 m of the origin, velocities 0.1 N(0, 1) m/s.

Health: it cannot fall; there is no health limit.

| qpos | joint | kind | unit | in `positions` |
|---|---|---|---|---|
| 0 | x | slide | m | - |
| 1 | y | slide | m | - |

| in `velocities` | joint | kind | unit |
|---|---|---|---|
| 0 | x | slide | m/s |
| 1 | y | slide | m/s |

| in `torque` | joint | control | at torque 1 |
|---|---|---|---|
| 0 | x | -1 to 1 | 4.5 N |
| 1 | y | -1 to 1 | 4.5 N |
"""

from __future__ import annotations

import mujoco
import numpy as np

from ma_ssm_env.bodies.body import Array, Body

_XML = """
<mujoco model="point">
  <option timestep="0.02" gravity="0 0 0" integrator="Euler"/>
  <visual><headlight ambient="0.3 0.3 0.3" diffuse="0.15 0.15 0.15" specular="0 0 0"/></visual>
  <asset>
    <texture name="floor" type="2d" builtin="checker" width="64" height="64"
      rgb1="0.80 0.83 0.85" rgb2="0.68 0.72 0.76"/>
    <material name="floor" texture="floor" texrepeat="40 40" texuniform="false"/>
  </asset>
  <worldbody>
    <light dir="0.2 0.3 -1" directional="true" castshadow="false" diffuse="0.6 0.6 0.6" specular="0 0 0"/>
    <geom name="floor" type="plane" size="40 40 0.1" material="floor" contype="0" conaffinity="0"/>
    <body name="point" pos="0 0 0.1">
      <camera name="above" mode="track" pos="0 0 6" fovy="45"/>
      <joint name="x" type="slide" axis="1 0 0" damping="2.25"/>
      <joint name="y" type="slide" axis="0 1 0" damping="2.25"/>
      <geom name="point" type="sphere" size="0.1" mass="1" rgba="0.8 0.3 0.2 1" contype="0" conaffinity="0"/>
    </body>
  </worldbody>
  <actuator>
    <motor joint="x" gear="4.5" ctrlrange="-1 1" ctrllimited="true"/>
    <motor joint="y" gear="4.5" ctrlrange="-1 1" ctrllimited="true"/>
  </actuator>
</mujoco>
"""


def _load() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(_XML)


def _start(model: mujoco.MjModel, generator: np.random.Generator) -> tuple[Array, Array]:
    del model
    return generator.uniform(-0.1, 0.1, 2), 0.1 * generator.standard_normal(2)


POINT = Body(
    name="Point",
    load=_load,
    frame_skip=5,
    root=(0, 1),
    start=_start,
    control_cost=0.0,
    healthy=None,
    source="this project",
)
