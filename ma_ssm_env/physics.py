"""B worlds of one body, stepped together through `mujoco.batch`, with broken physics detected.

MuJoCo answers a state that blew up with a silent reset and finite numbers; the only trace is a warning
counter. Each step therefore looks at the counters and at the size of the state.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from ma_ssm_env.bodies.body import Array, Body

_FIRST_BAD, _LAST_BAD = int(mujoco.mjtWarning.mjWARN_BADQPOS), int(mujoco.mjtWarning.mjWARN_BADCTRL)
MAX_STATE = mujoco.mjMAXVAL  # 1e10, where MuJoCo itself calls a state bad


class Physics:
    """The simulator state of B worlds.

    Attributes:
        model: the body's pristine model (read it, never write it).
        control_dt: seconds in a control step.
        qpos, qvel: live state arrays [B, nq], [B, nv].
    """

    def __init__(self, body: Body, num_worlds: int, num_threads: int) -> None:
        self.body = body
        self.model = body.load()
        self.num_worlds = num_worlds
        self.control_dt = float(self.model.opt.timestep * body.frame_skip)
        self._num_threads = min(num_threads, num_worlds)
        self._batch = Batch(self.model, num_worlds, nthread=self._num_threads)
        self.qpos: Array = self._batch.bind("qpos")
        self.qvel: Array = self._batch.bind("qvel")
        self._ctrl: Array = self._batch.bind("ctrl")
        self._warmstart: Array = self._batch.bind("qacc_warmstart")
        self._time: Array = self._batch.bind("time")
        self._bad = self._batch.warning[:, _FIRST_BAD : _LAST_BAD + 1, 1]
        self._ctrl_low, ctrl_high = self.model.actuator_ctrlrange.T
        self._ctrl_scale = 0.5 * (ctrl_high - self._ctrl_low)
        # The common case, a range of [-1, 1], needs no arithmetic, and must not get any: it would cost bits.
        self._unit_controls = bool(np.all(self._ctrl_low == -1.0) and np.all(ctrl_high == 1.0))

    @property
    def num_actuators(self) -> int:
        """How many actuators the body has, m."""
        return int(self.model.nu)

    def place(self, world: int, qpos: Array, qvel: Array) -> None:
        """Put one world at a start state, with no memory of what came before."""
        self.qpos[world] = qpos
        self.qvel[world] = qvel
        self._warmstart[world] = 0.0
        self._time[world] = 0.0
        self._ctrl[world] = 0.0

    def step(
        self, torque: NDArray[np.float32], resting: NDArray[np.bool_] | None = None
    ) -> NDArray[np.bool_] | None:
        """Advance every world by one control step under `torque` [B, m] in [-1, 1], but for the `resting`.

        Returns:
            Which worlds broke in this step [B], or None if none did.
        """
        if resting is not None:
            torque = np.where(resting[:, None], np.float32(0.0), torque)
        if self._unit_controls:
            self._ctrl[:] = torque
        else:
            self._ctrl[:] = self._ctrl_low + (torque.astype(np.float64) + 1.0) * self._ctrl_scale
        if resting is None:
            self._batch.step(nstep=self.body.frame_skip)
        else:
            self._batch.step(np.flatnonzero(~resting), nstep=self.body.frame_skip)
        # A comparison with NaN is false, so `not (... <= ...)` catches it too.
        if not self._bad.any() and np.abs(self._batch.state).max() <= MAX_STATE:
            return None
        sizes = np.maximum(np.abs(self.qpos).max(1), np.abs(self.qvel).max(1))
        broken: NDArray[np.bool_] = self._bad.any(1) | ~(sizes <= MAX_STATE)
        self._bad[:] = 0
        return broken if broken.any() else None

    def __getstate__(self) -> dict[str, Any]:
        arguments = (self.body, self.num_worlds, self._num_threads)
        return {"arguments": arguments, "state": self.clone_state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Physics.__init__(self, *state["arguments"])
        self.restore_state(state["state"])

    def clone_state(self) -> dict[str, Any]:
        """A copy of all simulator state."""
        return {"rows": self._batch.state.copy(), "warnings": self._batch.warning.copy()}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Put back what `clone_state` gave."""
        self._batch.state[:] = state["rows"]
        self._batch.warning[:] = state["warnings"]
