"""What a body is: a MuJoCo model, how it starts, what its root is, when it is healthy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypeVar

import gymnasium
import mujoco
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Result = TypeVar("Result")
_handler, _quiet_calls = Lock(), 0  # of MuJoCo's warnings, and how many calls are under way without them


@dataclass(frozen=True)
class Body:
    """One MuJoCo body that a scenario controls.

    Attributes:
        name: first part of the scenario ids, such as `HalfCheetah`.
        load: compiles a fresh model.
        frame_skip: physics substeps in one control step.
        root: entries of qpos that hold the root's planar position, (x,) or (x, y): the first ones.
        start: draws one start state: generator -> (qpos [nq], qvel [nv]).
        control_cost: weight of the squared torque in the body's own reward.
        healthy: (qpos [B, nq], qvel [B, nv]) -> bool [B]; None where the body cannot fall.
        source: where model and reward come from.
        forward_weight: weight of the forward speed in the body's own reward.
        alive_bonus: what the body's own reward pays for a step that ends healthy.
        velocity_limit: observed velocities are clipped to +- this.
        marker: field of MjData and row in it that hold the point whose velocity is paid, such as
            `("xpos", 1)`; None: the root's qpos. MuJoCo leaves these fields as they were at the last
            evaluation of the dynamics within the control step, which is what Gymnasium reads.
    """

    name: str
    load: Callable[[], mujoco.MjModel]
    frame_skip: int
    root: tuple[int, ...]
    start: Callable[[mujoco.MjModel, np.random.Generator], tuple[Array, Array]]
    control_cost: float
    healthy: Callable[[Array, Array], NDArray[np.bool_]] | None
    source: str
    forward_weight: float = 1.0
    alive_bonus: float = 0.0
    velocity_limit: float = math.inf
    marker: tuple[str, int] | None = None

    def __post_init__(self) -> None:
        if self.root not in ((0,), (0, 1)):
            raise ValueError(
                f"body {self.name}: root is {self.root}; the first entries of qpos, (0,) or (0, 1)"
            )


def uniform_start(
    model: mujoco.MjModel, generator: np.random.Generator, spread: float
) -> tuple[Array, Array]:
    """Positions [nq] and velocities [nv], uniform within +- `spread` of the model's own."""
    qpos = model.qpos0 + generator.uniform(-spread, spread, model.nq)
    return qpos, generator.uniform(-spread, spread, model.nv)


def load_gymnasium(name: str) -> mujoco.MjModel:
    """Compile one of the model files that Gymnasium ships, such as `ant.xml`.

    By path: importing gymnasium.envs.mujoco would ask for rendering libraries that nobody needs here.
    """
    path = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets" / name
    return quietly(lambda: mujoco.MjModel.from_xml_path(str(path)))


def quietly(call: Callable[[], Result]) -> Result:
    """`call()`, without MuJoCo's warnings in the terminal and in a log file of the working directory.

    What they tell is no news (deprecated words in models that others ship) or is told otherwise (a state that
    blew up: `physics_unstable`). Who has set a handler of their own gets them: it stays in its place.

    Threads that play at the same time share the handler. It goes when the last of them is through: MuJoCo
    ends the process where a handler is taken away from a warning on its way to it.
    """
    global _quiet_calls
    with _handler:
        if mujoco.get_mju_user_warning() is None:
            mujoco.set_mju_user_warning(_ignore)
        ours = mujoco.get_mju_user_warning() is _ignore
        _quiet_calls += ours
    try:
        return call()
    finally:
        with _handler:
            _quiet_calls -= ours
            if ours and not _quiet_calls and mujoco.get_mju_user_warning() is _ignore:
                mujoco.set_mju_user_warning(None)


def _ignore(message: str) -> None:
    del message
