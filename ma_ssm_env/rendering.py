"""Pictures of a world. The renderer is made for the first frame, and never travels with a pickle."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.physics import Physics

WIDTH, HEIGHT = 640, 480


class Renderer:
    """Draws the worlds of one `Physics`; nothing is open before the first frame, nor after `close`."""

    def __init__(self, physics: Physics) -> None:
        self._physics = physics
        self._context: Any = None
        self._data: Any = None

    def frame(self, world: int) -> NDArray[np.uint8]:
        """One frame [480, 640, 3] of `world`, from the model's first camera.

        Raises:
            RuntimeError: there is no OpenGL context to be had; the message says what to install.
        """
        if self._context is None:
            self._context, self._data = _open(self._physics.model), mujoco.MjData(self._physics.model)
        self._data.qpos[:] = self._physics.qpos[world]
        self._data.qvel[:] = self._physics.qvel[world]
        mujoco.mj_forward(self._physics.model, self._data)
        camera = 0 if self._physics.model.ncam else -1
        self._context.update_scene(self._data, camera=camera)
        frame: NDArray[np.uint8] = self._context.render()
        return frame

    def close(self) -> None:
        """Release the context; closing twice is fine."""
        if self._context is not None:
            self._context.close()
        self._context = self._data = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_context": None, "_data": None}


def _open(model: mujoco.MjModel) -> Any:
    try:
        return mujoco.Renderer(model, HEIGHT, WIDTH)
    except Exception as error:  # each OpenGL back end raises its own kind
        raise RuntimeError(
            "no OpenGL context for rendering; on Debian: apt-get install libegl1 libegl-mesa0 libgl1, "
            "then set MUJOCO_GL=egl before Python starts (or libosmesa6 and MUJOCO_GL=osmesa)"
        ) from error
