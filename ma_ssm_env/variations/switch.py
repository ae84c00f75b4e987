"""Switch: what is rewarded changes in mid-trial.

The change comes at a step that the world's fault stream draws from [150, 250] (K = 1, H = 400; from the
middle quarter of a trial of another length). `state()` and the oracle see what is rewarded at the coming step
alone, in the coordinates of the law that switches. Infos say in which `phase` a step was taken: 0 before,
1 shock (the first 50 steps), 2 recovery.

| law | task | before | after |
|---|---|---|---|
| PointSwitch | angle ~ U(-pi, pi), turn ~ U(pi/2, 3 pi/2) | angle | angle + turn |
| HalfCheetahSwitch | two speeds ~ U(0, 3) m/s | the first | the second |

The reward is that of Dir in the plane, and of Vel. A direction turns by 90 degrees at least, either way; the
speeds are drawn apart from each other, so they may be close. HalfCheetahSwitch has the outside of Vel, for
both speeds.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from ma_ssm_env.variations.planar_dir import PLANAR_DIR
from ma_ssm_env.variations.variation import Array, Coordinate, Variation, uniform_draw
from ma_ssm_env.variations.vel import VEL


def _turned(task: Array, changed: bool) -> Array:
    angle = task[0] + task[1] * changed
    return np.array([angle - math.tau if angle > math.pi else angle])


def _second(task: Array, changed: bool) -> Array:
    return task[1:] if changed else task[:1]


def switch_direction(law: Variation) -> Variation:
    """`law`, whose task is one angle, with an angle that turns in mid-trial by 90 to 270 degrees."""
    turn = Coordinate("turn, rad", 0.5 * math.pi, 1.5 * math.pi)
    return _switch(law, (*law.coordinates, turn), _turned)


def switch_value(law: Variation) -> Variation:
    """`law`, whose task is one number, with a number that is drawn anew in mid-trial."""
    (value,) = law.coordinates
    before, after = (dataclasses.replace(value, name=f"{value.name}, {when}") for when in ("before", "after"))
    return _switch(law, (before, after), _second)


def _switch(
    law: Variation, coordinates: tuple[Coordinate, ...], active: Callable[[Array, bool], Array]
) -> Variation:
    return dataclasses.replace(
        law,
        name="Switch",
        coordinates=coordinates,
        draw=uniform_draw,
        active=active,
        active_coordinates=law.coordinates,
        changes=True,
        source=f"this project, after {law.source}",
    )


DIRECTION_SWITCH = switch_direction(PLANAR_DIR)
SPEED_SWITCH = switch_value(VEL)
