"""What a body is: a MuJoCo model, how it starts, what its root is, when it is healthy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Body:
    """One MuJoCo body that a scenario controls.

    Attributes:
        name: first part of the scenario ids, such as `HalfCheetah`.
        load: compiles a fresh model.
        frame_skip: physics substeps in one control step.
        root: entries of qpos that hold the root's planar position, (x,) or (x, y).
        start: draws one start state: generator -> (qpos [nq], qvel [nv]).
        control_cost: weight of the squared torque in the body's own reward.
        healthy: (qpos [B, nq], qvel [B, nv]) -> bool [B]; None where the body cannot fall.
        source: where model and reward come from.
    """

    name: str
    load: Callable[[], mujoco.MjModel]
    frame_skip: int
    root: tuple[int, ...]
    start: Callable[[mujoco.MjModel, np.random.Generator], tuple[Array, Array]]
    control_cost: float
    healthy: Callable[[Array, Array], NDArray[np.bool_]] | None
    source: str


def load_quietly(load: Callable[[], mujoco.MjModel]) -> mujoco.MjModel:
    """Compile a model without printing the deprecation notes of models that others ship.

    MuJoCo prints warnings to the terminal and a log file of the working directory; the handler is put
    back before returning.
    """
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(_ignore)
    try:
        return load()
    finally:
        mujoco.set_mju_user_warning(before)


def _ignore(message: str) -> None:
    del message
