"""Forecasts of what a role will sense next: the supervised task beside its actions.

From its features at step t a role forecasts, for k = 1 to h, the *change* of its normalised sensors
(positions and velocities, as its own normaliser gives them) from t to t + k; the forecast of the sensors
themselves is what they are plus that change, and to forecast no change is persistence. Only what the role
itself observes is used, so the same targets can be built wherever it acts. A change is not forecast across
the end of an inner episode or a trial, where the body is placed anew, nor past the end of a sequence.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SENSORS = ("positions", "velocities")
MAX_HORIZON = 10


def sensor_columns(fields: Mapping[str, slice]) -> list[int]:
    """Where the sensors lie in an observation with these fields: n column numbers."""
    return [i for name in SENSORS if name in fields for i in range(fields[name].start, fields[name].stop)]


def forecast_targets(sensors: Tensor, episode_starts: Tensor, horizon: int) -> tuple[Tensor, Tensor]:
    """What forecasts should have been, and which of them count.

    Args:
        sensors: normalised sensors x [T, B, n].
        episode_starts: 1 where a step is the first of an inner episode or a trial [T, B].
        horizon: h >= 1.

    Returns:
        Changes x_{t+k} - x_t [T, B, h, n] for k = 1 to h, 0 where they do not count; and which count
        [T, B, h], as booleans: those without a start in steps t + 1 to t + k, and t + k < T.
    """
    time = len(sensors)
    targets = sensors.new_zeros(*sensors.shape[:2], horizon, sensors.shape[2])
    valid = torch.zeros(*sensors.shape[:2], horizon, dtype=torch.bool, device=sensors.device)
    unbroken = torch.ones_like(episode_starts, dtype=torch.bool)
    for k in range(1, min(horizon, time - 1) + 1):
        unbroken = unbroken[: time - k] & (episode_starts[k:] == 0)
        change = sensors[k:] - sensors[: time - k]
        targets[: time - k, :, k - 1] = torch.where(unbroken[..., None], change, 0.0)
        valid[: time - k, :, k - 1] = unbroken
    return targets, valid


def mean_squared_error(forecast: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
    """Mean over the forecasts that count and over the sensors; 0 where none counts.

    Args:
        forecast: [T, B, h, n].
        targets: [T, B, h, n].
        valid: [T, B, h].
    """
    squares = torch.where(valid[..., None], (forecast - targets).square(), 0.0)
    return squares.sum() / (valid.sum() * targets.shape[-1]).clamp(min=1)
