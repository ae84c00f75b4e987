"""Fault: an actuator dies in mid-trial; the body's own reward.

The task is the number of the actuator. It works as the others do until a step that the world's fault stream
draws from [150, 250] (K = 1, H = 400; from the middle quarter of a trial of another length), and is dead from
then on. `state()` and the oracle see every actuator as it is at the coming step: -1 it works, +1 it is dead.
Infos say in which `phase` a step was taken: 0 before, 1 shock (the first 50 steps), 2 recovery. The control
cost is that of the torque that was commanded. All actuators are trained on: train = test.

Where a fall ends the inner episode (Ant, Hopper, Walker2d) it ends the trial too, since there is one: a body
that falls before the step of the fault never meets it.
"""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np

from ma_ssm_env.variations.base import BASE
from ma_ssm_env.variations.cripple import dead_actuators, working
from ma_ssm_env.variations.variation import Array, Coordinate, Variation, category_draw


def fault(actuators: int, stock: Variation = BASE) -> Variation:
    """One of `actuators` dies in mid-trial, paid as `stock` pays."""
    values = tuple(map(float, range(actuators)))
    actuator = Coordinate("actuator", values[0], values[-1], "category", values=values)
    return dataclasses.replace(
        stock,
        name="Fault",
        coordinates=(actuator,),
        draw=category_draw(actuator),
        active=partial(_active, actuators),
        active_coordinates=dead_actuators(actuators),
        changes=True,
        mask=working,
        source="this project, after the crippled bodies of learning_to_adapt",
    )


def _active(actuators: int, task: Array, changed: bool) -> Array:
    dead = np.zeros(actuators)
    dead[int(task[0])] = float(changed)
    return dead
