"""Constructed faults: something between a player and its world that changes gains in mid-trial.

It wraps a player and speaks the policy protocol itself, so that any evaluation can be played with it. A gain
of -1 on all actuators is the positive control of test-time adaptation: retraining recovers from it fully and
provably, as the old policy with its actions negated earns in the tampered world what the old policy earned
in the sound one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env import Policy

Float = NDArray[np.float32]


class Tampered:
    """A player whose actions and sensors have other gains from step `at` of a trial on.

    The last torque that it observes is the one that arrived, divided by the gain: the one it sent, unless
    the product was beyond the bounds. At a gain of 0 nothing tells what it sent, and it observes 0.

    Args:
        player: who plays.
        at: control step of the trial.
        fields: observation fields of the player, name -> slice.
        actuators: gain of every number of the action; None is 1.
        sensors: gain of fields of the observation, by name.
    """

    def __init__(
        self,
        player: Policy,
        at: int,
        fields: Mapping[str, slice],
        *,
        actuators: Float | float = 1.0,
        sensors: Mapping[str, float] | None = None,
    ) -> None:
        self.player, self.at, self.fields = player, at, dict(fields)
        self.actuators = np.asarray(actuators, dtype=np.float32)
        self.sensors = dict(sensors or {})
        for name in self.sensors:
            if name not in self.fields:
                raise ValueError(f"sensor {name!r}: one of {', '.join(self.fields)} is expected")

    def initial_memory(self, batch: int) -> Any:
        """The player's, and the step of the trial."""
        return 0, self.player.initial_memory(batch)

    def act(self, observations: Float, memory: Any, rng: np.random.Generator) -> tuple[Float, Any]:
        """What arrives of the player's actions [B, m] for observations [B, O], and its memory."""
        step, inner = memory
        if step < self.at:
            actions, inner = self.player.act(observations, inner, rng)
            return actions, (step + 1, inner)
        observations = observations.copy()
        for name, gain in self.sensors.items():
            observations[:, self.fields[name]] *= np.float32(gain)
        torque = self.fields.get("last_torque")
        if step > self.at and torque is not None:
            gains = np.where(self.actuators == 0.0, 1.0, self.actuators).astype(np.float32)
            observations[:, torque] /= gains
        actions, inner = self.player.act(observations, inner, rng)
        return (actions * self.actuators).astype(np.float32), (step + 1, inner)
