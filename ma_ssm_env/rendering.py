"""Pictures of a world: the body above, and below it a strip of what the roles say.

MuJoCo draws everything, text included, so no other library is needed. The renderer opens an OpenGL context
for the first frame and never travels with a pickle. Without a screen frames are drawn by EGL; `MUJOCO_GL`,
set before Python starts, names another library (`osmesa`, or `egl` where there is a screen).
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.strip import Panel, caption
from ma_ssm_env.trial import TrialBatch

WIDTH, HEIGHT = 640, 480
NO_CONTEXT = (
    "no OpenGL context for rendering; on Debian: apt-get install libegl1 libegl-mesa0 libgl1, "
    "and if that is not enough set MUJOCO_GL=egl before Python starts (or libosmesa6 and MUJOCO_GL=osmesa)"
)
NO_WINDOW = (
    "render_mode='human': no window could be opened: {why}. Start Python on a desktop (DISPLAY must be set, "
    "MUJOCO_GL unset or 'glfw'), or take render_mode='rgb_array', or write a video: python -m ma_ssm_env.play"
)

_FONT = int(mujoco.mjtFont.mjFONT_NORMAL)
_LINE = 20  # height of a line of text, pixels
_GAP = 8
_ROW = 66  # height of a row of panels, its title included
_COLUMNS = 3
_INK, _PAPER, _CELL = (0.13, 0.13, 0.15), (0.97, 0.97, 0.96), (0.89, 0.90, 0.91)
_UP, _DOWN, _AXIS = (0.13, 0.40, 0.67), (0.80, 0.36, 0.15), (0.55, 0.56, 0.58)

Color = tuple[float, float, float]
Panels = Callable[[int], list[Panel]]


class Renderer:
    """Draws the worlds of one game; nothing is open before the first frame, nor after `close`.

    Args:
        trials: the worlds.
        panels: what the strip shows of a world.
    """

    def __init__(self, trials: TrialBatch, panels: Panels) -> None:
        self._trials, self._panels = trials, panels
        self._canvas: _Canvas | None = None
        self._due = 0.0

    def render(self, mode: str | None) -> NDArray[np.uint8] | None:
        """What an environment of one world returns from `render()`: a frame [height, width, 3], or None."""
        if mode == "human":
            self.show(0)
            return None
        return None if mode is None else self.frame(0)

    def frame(self, world: int) -> NDArray[np.uint8]:
        """One frame [480, 640, 3] of `world`, from the model's first camera.

        Raises:
            RuntimeError: there is no OpenGL context to be had; the message says what to install.
        """
        canvas = self._opened(window=False)
        self._draw(canvas, world)
        return canvas.pixels()

    def show(self, world: int) -> None:
        """Draw `world` into a window, no faster than it would move in reality.

        Raises:
            RuntimeError: no window can be opened, or its user has closed it.
        """
        canvas = self._opened(window=True)
        self._draw(canvas, world)
        time.sleep(max(0.0, self._due - time.monotonic()))
        self._due = time.monotonic() + self._trials.physics.control_dt
        if not canvas.shown():
            self.close()
            raise RuntimeError("the window was closed: the run ends here")

    def close(self) -> None:
        """Release context and window; closing twice is fine."""
        if self._canvas is not None:
            self._canvas.close()
        self._canvas = None

    def _opened(self, *, window: bool) -> _Canvas:
        if self._canvas is not None and self._canvas.has_window != window:
            self.close()
        if self._canvas is None:
            self._canvas = _Canvas(self._trials.physics.model, window)
        return self._canvas

    def _draw(self, canvas: _Canvas, world: int) -> None:
        trials, panels = self._trials, self._panels(world)
        rows = -(-len(panels) // _COLUMNS)
        strip = rows * (_ROW + _GAP) + _GAP
        head = 2 * _LINE + 4
        goal = trials.target(world) if trials.variation.place else None
        if goal is not None and len(goal) != 2:
            goal = None  # a body's place can be observed without a goal
        canvas.begin()
        canvas.body(trials.physics.qpos[world], goal, bottom=strip, height=HEIGHT - strip - head)
        canvas.box(0, HEIGHT - head, WIDTH, head, _PAPER)
        for i, line in enumerate(caption(trials, world)):
            canvas.text(line, _GAP, HEIGHT - 2 - (i + 1) * _LINE)
        canvas.box(0, 0, WIDTH, strip, _PAPER)
        columns = min(len(panels), _COLUMNS)
        width = (WIDTH - (columns + 1) * _GAP) // columns
        for i, panel in enumerate(panels):
            row, column = divmod(i, _COLUMNS)
            left, bottom = _GAP + column * (width + _GAP), strip - (row + 1) * (_ROW + _GAP)
            _draw_panel(canvas, panel, left, bottom, width)


def _draw_panel(canvas: _Canvas, panel: Panel, left: int, bottom: int, width: int) -> None:
    height = _ROW - _LINE
    canvas.text(panel.title, left, bottom + height)
    canvas.box(left, bottom, width, height, _CELL)
    middle, reach = bottom + height // 2, height // 2 - 2
    count = len(panel.bars)
    pitch = (width - 4) / count
    bar = max(2, min(24, int(0.7 * pitch)))
    for i, value in enumerate(panel.bars):
        x = left + 2 + round((i + 0.5) * pitch) - bar // 2
        length = round(min(1.0, abs(float(value))) * reach)
        if value < 0:
            canvas.box(x, middle - length, bar, length, _DOWN)
        else:
            canvas.box(x, middle, bar, length, _UP)
        if panel.ticks is not None:
            canvas.box(x - 1, middle + round(float(panel.ticks[i]) * reach) - 1, bar + 2, 2, _INK)
    canvas.box(left, middle, width, 1, _AXIS)


class _Canvas:
    """An OpenGL context, off the screen or in a window, with the few strokes that a frame needs."""

    def __init__(self, model: mujoco.MjModel, window: bool) -> None:
        self.has_window = window
        self._window: Any = None
        self._gl: Any = None
        self._model, self._data = model, mujoco.MjData(model)
        self._scale = 1.0  # pixels of the screen a pixel of the frame
        if window:
            self._window = _open_window()
            self._scale = _glfw().get_framebuffer_size(self._window)[0] / WIDTH
        else:
            self._gl = _open_offscreen()
        try:
            self._context = mujoco.MjrContext(model, int(mujoco.mjtFontScale.mjFONTSCALE_150))
        except Exception as error:  # each OpenGL library raises its own kind
            self.close()
            message = NO_WINDOW.format(why=error) if window else NO_CONTEXT
            raise RuntimeError(message) from error
        if not window:
            mujoco.mjr_resizeOffscreen(WIDTH, HEIGHT, self._context)
        self._scene = mujoco.MjvScene(model, 1000)
        self._option, self._camera = mujoco.MjvOption(), mujoco.MjvCamera()
        if model.ncam:
            self._camera.type, self._camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, 0
        else:
            mujoco.mjv_defaultFreeCamera(model, self._camera)

    def begin(self) -> None:
        """Make this context the current one."""
        if self._window is None:
            self._gl.make_current()
            mujoco.mjr_setBuffer(int(mujoco.mjtFramebuffer.mjFB_OFFSCREEN), self._context)
        else:
            _glfw().make_context_current(self._window)
            mujoco.mjr_setBuffer(int(mujoco.mjtFramebuffer.mjFB_WINDOW), self._context)

    def body(
        self, qpos: NDArray[np.float64], goal: NDArray[np.float64] | None, bottom: int, height: int
    ) -> None:
        """The body at `qpos`, and a green ball at `goal` [2] where there is one."""
        self._data.qpos[:] = qpos
        mujoco.mj_forward(self._model, self._data)
        everything = int(mujoco.mjtCatBit.mjCAT_ALL)
        mujoco.mjv_updateScene(
            self._model, self._data, self._option, None, self._camera, everything, self._scene
        )
        if goal is not None and self._scene.ngeom < self._scene.maxgeom:
            place = np.array([goal[0], goal[1], 0.1])
            green = np.array([0.1, 0.6, 0.2, 0.8], dtype=np.float32)
            ball, size = int(mujoco.mjtGeom.mjGEOM_SPHERE), np.full(3, 0.15)
            mujoco.mjv_initGeom(
                self._scene.geoms[self._scene.ngeom], ball, size, place, np.eye(3).ravel(), green
            )
            self._scene.ngeom += 1
        mujoco.mjr_render(self._rect(0, bottom, WIDTH, height), self._scene, self._context)

    def box(self, left: int, bottom: int, width: int, height: int, color: Color) -> None:
        """A filled rectangle, in pixels of a frame of 640 x 480; nothing where it has no area."""
        if width > 0 and height > 0:
            mujoco.mjr_rectangle(self._rect(left, bottom, width, height), *color, 1.0)

    def text(self, line: str, left: int, bottom: int) -> None:
        """A line of text from `left` on, shortened where it would leave the frame."""
        shown = line.encode("ascii", "replace").decode()
        if self._width(shown) > WIDTH - left - _GAP:
            while self._width(shown + "..") > WIDTH - left - _GAP:
                shown = shown[:-1]
            shown += ".."
        # mjr_label centers its text in a rectangle, and draws none where the rectangle is too low for it.
        high = 2 * _LINE
        where = self._rect(left, bottom - (high - _LINE) // 2, self._width(shown) + 2, high)
        mujoco.mjr_label(where, _FONT, shown, *_PAPER, 0.0, *_INK, self._context)

    def pixels(self) -> NDArray[np.uint8]:
        """What was drawn [480, 640, 3]; a fresh array."""
        upside_down = np.empty((HEIGHT, WIDTH, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(upside_down, None, self._rect(0, 0, WIDTH, HEIGHT), self._context)
        return np.ascontiguousarray(upside_down[::-1])

    def shown(self) -> bool:
        """Bring what was drawn to the screen; False where the user has closed the window."""
        glfw = _glfw()
        glfw.swap_buffers(self._window)
        glfw.poll_events()
        return not glfw.window_should_close(self._window)

    def close(self) -> None:
        """Free the context and the window."""
        context = getattr(self, "_context", None)
        if context is not None:
            self.begin()
            context.free()
        if self._gl is not None:
            self._gl.free()
        if self._window is not None:
            _glfw().destroy_window(self._window)
        self._gl = self._window = self._context = None

    def _width(self, line: str) -> int:
        return sum(int(self._context.charWidth[ord(letter)]) for letter in line)

    def _rect(self, left: int, bottom: int, width: int, height: int) -> mujoco.MjrRect:
        return mujoco.MjrRect(*(round(self._scale * x) for x in (left, bottom, width, height)))


def _open_offscreen() -> Any:
    try:
        context = _offscreen_library()(WIDTH, HEIGHT)
        context.make_current()
    except Exception as error:  # each OpenGL library raises its own kind
        raise RuntimeError(NO_CONTEXT) from error
    return context


def _offscreen_library() -> Any:
    """What MUJOCO_GL names; EGL where it names nothing and there is no screen for MuJoCo's default, GLFW."""
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform == "linux" and not os.environ.get("MUJOCO_GL") and not screen:
        return importlib.import_module("mujoco.egl").GLContext
    return mujoco.GLContext


def _open_window() -> Any:
    backend = os.environ.get("MUJOCO_GL", "")
    if backend not in ("", "glfw", "wgl", "cgl"):
        raise RuntimeError(NO_WINDOW.format(why=f"MUJOCO_GL={backend} draws off the screen only"))
    try:
        glfw = _glfw()
        if not glfw.init():
            raise RuntimeError("GLFW finds no screen")
        glfw.window_hint(glfw.RESIZABLE, 0)
        glfw.window_hint(glfw.SCALE_TO_MONITOR, 0)
        window = glfw.create_window(WIDTH, HEIGHT, "ma-ssm-env", None, None)
        if not window:
            raise RuntimeError("GLFW opens no window")
        glfw.make_context_current(window)
    except Exception as error:  # GLFW raises or warns, by its settings
        raise RuntimeError(NO_WINDOW.format(why=error)) from error
    return window


def _glfw() -> Any:
    import glfw  # a dependency of mujoco; only windows need it

    return glfw
