"""B worlds of one body, stepped together through `mujoco.batch`, with broken physics detected.

MuJoCo answers a state that blew up with a silent reset and finite numbers; the only trace is a warning
counter. Each step therefore looks at the counters and at the size of the state.

Where worlds differ in their models, the fields that differ are per-world arrays of the batch, always
multiplied from the body's own values: a factor never meets the one of an earlier trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from ma_ssm_env.bodies.body import Array, Body, quietly

_FIRST_BAD, _LAST_BAD = int(mujoco.mjtWarning.mjWARN_BADQPOS), int(mujoco.mjtWarning.mjWARN_BADCTRL)
# Fields from which no other constant of a model derives. After a change of any other one (masses, lengths,
# gears) the constants are computed anew, so that a new law need not know of them.
_DERIVES_NOTHING = frozenset({"opt.gravity", "geom_friction", "dof_damping"})
MAX_STATE = mujoco.mjMAXVAL  # 1e10, where MuJoCo itself calls a state bad


class Physics:
    """The simulator state of B worlds.

    Raises:
        ValueError: an actuator of the body has no range of control.

    Attributes:
        model: the body's pristine model (read it, never write it).
        control_dt: seconds in a control step.
        qpos, qvel: live state arrays [B, nq], [B, nv].
        state: the two side by side, live too [B, nq + nv].
        point: where the point whose velocity is paid was at the end of the last step, or at the start
            state [B, 1 or 2]; a new array each step.
    """

    def __init__(self, body: Body, num_worlds: int, num_threads: int, fields: tuple[str, ...] = ()) -> None:
        self.body = body
        self.model = body.load()
        self.num_worlds = num_worlds
        self.control_dt = float(self.model.opt.timestep * body.frame_skip)
        self._num_threads = min(num_threads, num_worlds)
        self._batch = Batch(self.model, num_worlds, nthread=self._num_threads)
        self._rows: Array = self._batch.state
        self.qpos: Array = self._batch.bind("qpos")
        self.qvel: Array = self._batch.bind("qvel")
        first = mujoco.mj_stateSize(self.model, mujoco.mjtState.mjSTATE_TIME)
        self.state: Array = self._rows[:, first : first + self.model.nq + self.model.nv]
        self._fresh: Array = self._rows[0].copy()
        self._ctrl: Array = self._batch.bind("ctrl")
        self._marker: Array | None = None
        if body.marker is not None:
            field, row = body.marker
            self._marker = self._batch.bind(field)[:, row, : len(body.root)]
        self._root = slice(body.root[0], body.root[-1] + 1)
        self.point: Array = np.zeros((num_worlds, len(body.root)))
        self._pristine = {name: _field(self.model, name) for name in fields}
        self._fields: dict[str, Array] = {name: self._batch.expand(name) for name in fields}
        self._bad = self._batch.warning[:, _FIRST_BAD : _LAST_BAD + 1, 1]
        _require_ranges(body.name, self.model)
        ctrl_low, ctrl_high = self.model.actuator_ctrlrange.T
        self._ctrl_middle, self._ctrl_reach = 0.5 * (ctrl_high + ctrl_low), 0.5 * (ctrl_high - ctrl_low)
        # The common case, a range of [-1, 1], needs no arithmetic, and must not get any: it would cost bits.
        self._unit_controls = bool(np.all(ctrl_low == -1.0) and np.all(ctrl_high == 1.0))

    @property
    def frames_per_second(self) -> int:
        """Frames a second at which a frame of each control step plays as fast as the body moves, rounded."""
        return round(1.0 / self.control_dt)

    @property
    def num_actuators(self) -> int:
        """How many actuators the body has, m."""
        return int(self.model.nu)

    def place(self, world: int, qpos: Array, qvel: Array) -> None:
        """Put one world at a start state (qpos [nq], qvel [nv]), with no memory of what came before."""
        self._rows[world] = self._fresh  # controls, the solver's last solution, the state of actuators
        self.qpos[world] = qpos
        self.qvel[world] = qvel

    def placed(self, worlds: NDArray[np.int64]) -> None:
        """Measure where `worlds` [n] (indices, sorted) start, after `place`."""
        if self._marker is not None:
            self._batch.forward(worlds, stage=mujoco.mjtStage.mjSTAGE_POS)
        self.point = self.point.copy()
        self.point[worlds] = self._measured()[worlds]

    def _measured(self) -> Array:
        measured = self.qpos[:, self._root] if self._marker is None else self._marker
        return measured.copy()

    def controls(self, torque: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        """`torque` [B, m] in the actuators' own range; itself, in float32, where that is [-1, 1]."""
        if self._unit_controls:
            return torque
        scaled: Array = self._ctrl_middle + self._ctrl_reach * torque.astype(np.float64)
        return scaled

    def scale_models(self, worlds: NDArray[np.int64], factors: Sequence[Mapping[str, Array]]) -> None:
        """Give `worlds` the body's own model with some fields multiplied.

        Args:
            worlds: which worlds [n].
            factors: for each of them, field -> factor (one number, or one an element).
        """
        rows = {name: values[worlds] for name, values in self._fields.items()}
        for i, own in enumerate(factors):
            for name, row in rows.items():
                row[i] = self._pristine[name] * own[name]
        self._write_models(worlds, rows)

    def _write_models(self, worlds: NDArray[np.int64], rows: Mapping[str, Array]) -> None:
        stale = np.zeros(self.num_worlds, dtype=bool)
        for name, values in rows.items():
            if name not in _DERIVES_NOTHING:
                stale[worlds] |= (self._fields[name][worlds] != values).reshape(len(worlds), -1).any(1)
            self._fields[name][worlds] = values
        if stale.any():
            self._batch.set_const(np.flatnonzero(stale))

    def step(
        self, torque: NDArray[np.float32], resting: NDArray[np.bool_] | None = None
    ) -> NDArray[np.bool_] | None:
        """Advance every world by one control step under `torque` [B, m] in [-1, 1], but for the `resting`.

        Returns:
            Which worlds broke in this step [B], or None if none did.
        """
        if resting is not None:
            torque = np.where(resting[:, None], np.float32(0.0), torque)
        self._ctrl[:] = self.controls(torque)
        worlds = None if resting is None else np.flatnonzero(~resting)
        quietly(lambda: self._batch.step(worlds, nstep=self.body.frame_skip))
        self.point = self._measured()
        # A comparison with NaN is false, so `not (... <= ...)` catches it too.
        largest = np.maximum.reduce(np.abs(self._rows), axis=None)
        if largest <= MAX_STATE and not np.count_nonzero(self._bad):
            return None
        sizes = np.maximum(np.abs(self.qpos).max(1), np.abs(self.qvel).max(1))
        broken: NDArray[np.bool_] = self._bad.any(1) | ~(sizes <= MAX_STATE)
        self._bad[:] = 0
        return broken if broken.any() else None

    def __getstate__(self) -> dict[str, Any]:
        arguments = (self.body, self.num_worlds, self._num_threads, tuple(self._fields))
        return {"arguments": arguments, "state": self.clone_state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Physics.__init__(self, *state["arguments"])
        self.restore_state(state["state"])

    def clone_state(self) -> dict[str, Any]:
        """A copy of all simulator state, what differs between the worlds' models included."""
        return {
            "rows": self._batch.state.copy(),
            "warnings": self._batch.warning.copy(),
            "point": self.point.copy(),
            "fields": {name: values.copy() for name, values in self._fields.items()},
        }

    def restore_state(self, state: dict[str, Any]) -> None:
        """Put back what `clone_state` gave."""
        self._batch.state[:] = state["rows"]
        self._batch.warning[:] = state["warnings"]
        self.point = state["point"].copy()
        self._write_models(np.arange(self.num_worlds), state["fields"])


def _require_ranges(body: str, model: mujoco.MjModel) -> None:
    """Refuse an actuator without a range: an action in [-1, 1] would stand for nothing."""
    for i, (low, high) in enumerate(model.actuator_ctrlrange.tolist()):
        if not model.actuator_ctrllimited[i] or not low < high:
            raise ValueError(
                f"body {body}: actuator {model.actuator(i).name or i} has "
                + (f"ctrlrange {low:g} {high:g}" if model.actuator_ctrllimited[i] else "no ctrlrange")
                + ', so an action in [-1, 1] stands for nothing; give it one in the model: ctrlrange="-1 1"'
            )


def _field(model: mujoco.MjModel, name: str) -> Array:
    """A copy of a field as `mujoco.batch` names it."""
    holder, name = (model.opt, name[4:]) if name.startswith("opt.") else (model, name)
    return np.array(getattr(holder, name), dtype=np.float64)
