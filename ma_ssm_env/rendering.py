"""Pictures of a world. The renderer is made for the first frame, and never travels with a pickle."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.physics import Physics

WIDTH, HEIGHT = 640, 480


class Renderer:
    """Draws the worlds of one `Physics`."""

    def __init__(self, physics: Physics) -> None:
        self._physics = physics
        self._data = mujoco.MjData(physics.model)
        try:
            self._renderer: Any = mujoco.Renderer(physics.model, HEIGHT, WIDTH)
        except Exception as error:
            raise RuntimeError(
                "no OpenGL context for rendering; on Debian: apt-get install libegl1 libegl-mesa0 libgl1, "
                "then set MUJOCO_GL=egl before Python starts (or libosmesa6 and MUJOCO_GL=osmesa)"
            ) from error

    def frame(self, world: int) -> NDArray[np.uint8]:
        """One frame [480, 640, 3] of `world`, from the model's first camera."""
        self._data.qpos[:] = self._physics.qpos[world]
        self._data.qvel[:] = self._physics.qvel[world]
        mujoco.mj_forward(self._physics.model, self._data)
        camera = 0 if self._physics.model.ncam else -1
        self._renderer.update_scene(self._data, camera=camera)
        frame: NDArray[np.uint8] = self._renderer.render()
        return frame

    def close(self) -> None:
        """Release the context."""
        self._renderer.close()
