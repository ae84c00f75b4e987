"""Cripple: some actuators are dead for the whole trial.

The task is the number of the group of actuators that is dead. `state()` and the oracle see every actuator:
-1 it works, +1 it is dead. The torque of a dead actuator is dropped on its way to the body; the cost is
that of the commanded torque (learning_to_adapt charges what is left of it: there a dead actuator is free).

| body | groups | trained on | held out (`ood`) | reward |
|---|---|---|---|---|
| HalfCheetah | each of the 6 joints | 1 to 5 | 0, the back thigh | v_x - 0.05 abs(a)^2 |
| Ant | the two actuators of each leg | legs 0 to 2 | leg 3 | v_x + 0.05 |

Source: learning_to_adapt (GrBAL), with H = 1000. It also shrinks the dead leg of the Ant; here the leg stays.
An ant that has fallen goes on to the horizon there, and so it does here.
"""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np

from ma_ssm_env.variations.running import running
from ma_ssm_env.variations.variation import Array, Coordinate, Variation, category_draw

# The actuators of each group, by their place in the torque; the groups are numbered as in the source.
HALF_CHEETAH_JOINTS = ((0,), (1,), (2,), (3,), (4,), (5,))
ANT_LEGS = ((2, 3), (4, 5), (6, 7), (0, 1))


def dead_actuators(count: int) -> tuple[Coordinate, ...]:
    """What is shown of a body with dead actuators: 1 for each that is dead, 0 for each that works."""
    return tuple(Coordinate(f"actuator {i} is dead", 0.0, 1.0, "category") for i in range(count))


def working(active: Array) -> Array:
    """The mask of actuators [m] where `active` [m] says which are dead."""
    return 1.0 - active


def cripple(
    groups: tuple[tuple[int, ...], ...], trained: tuple[int, int], held_out: int, paid: Variation
) -> Variation:
    """One of `groups` is dead: numbers `trained[0]` to `trained[1]` in training, `held_out` in `ood`.

    Args:
        groups: numbers of the actuators that die together.
        trained: first and last group that is dead in training.
        held_out: the group that is dead in `ood`.
        paid: the law whose reward is paid.
    """
    count = 1 + max(i for group in groups for i in group)
    group = Coordinate(
        "dead group",
        float(trained[0]),
        float(trained[1]),
        "category",
        outside=(float(held_out), float(held_out)),
        values=tuple(map(float, range(len(groups)))),
    )
    return dataclasses.replace(
        paid,
        name="Cripple",
        coordinates=(group,),
        draw=category_draw(group),
        active=partial(_active, groups, count),
        active_coordinates=dead_actuators(count),
        mask=working,
        source="learning_to_adapt (GrBAL)",
    )


def _active(groups: tuple[tuple[int, ...], ...], count: int, task: Array, changed: bool) -> Array:
    del changed
    dead = np.zeros(count)
    dead[list(groups[int(task[0])])] = 1.0
    return dead


HALF_CHEETAH_CRIPPLE = cripple(HALF_CHEETAH_JOINTS, (1, 5), 0, running(control=0.05))
ANT_CRIPPLE = dataclasses.replace(
    cripple(ANT_LEGS, (0, 2), 3, running(control=0.0, survive=0.05)), ends_unhealthy=False
)
