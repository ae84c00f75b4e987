"""What adapts: small diagonal affine maps, one set for each world, that are the identity at the start.

    sensors     o' = a o + b       of the normalised observation, before the core
    features    z' = a z + b       of the core's features, before the action head and the forecast head
    actuators   u' = g u           of the torque as the role sees it: g is the gain that the body seems to
                                   have; the torque sent is the wanted one divided by it

Being diagonal and a world's own, they need no batching rule: worlds are rows, and the gradient of a sum over
worlds has each world's own gradient in its row.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Part = Literal["features", "sensors", "actuators"]
PARTS: tuple[Part, ...] = ("features", "sensors", "actuators")
Layer = dict[str, Tensor]  # name -> [B, size]; the identity is 1 for scales and gains, 0 for shifts
_LEAST_GAIN = 0.25  # a gain nearer to 0 is not divided by: a dead actuator does not revive


def identity(worlds: int, observations: int, features: int, actions: int) -> Layer:
    """The layer that changes nothing."""
    return {
        "sensors/scale": torch.ones(worlds, observations),
        "sensors/shift": torch.zeros(worlds, observations),
        "features/scale": torch.ones(worlds, features),
        "features/shift": torch.zeros(worlds, features),
        "actuators/gain": torch.ones(worlds, actions),
    }


def names_of(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The tensors of a layer that belong to `parts`."""
    return tuple(name for name in identity(1, 1, 1, 1) if name.partition("/")[0] in parts)


def affine(layer: Layer, part: str, x: Tensor) -> Tensor:
    """Of x: scale * x + shift; x [..., B, size]."""
    return layer[f"{part}/scale"] * x + layer[f"{part}/shift"]


def compensated(layer: Layer, action: Tensor) -> Tensor:
    """The action that has the effect of `action` [..., B, A] if the gains are as believed."""
    gain = layer["actuators/gain"]
    return torch.where(gain.abs() < _LEAST_GAIN, action, action / gain)


def change(layer: Layer) -> Tensor:
    """Largest distance from the identity in each world [B]."""
    start = {name: 0.0 if name.endswith("shift") else 1.0 for name in layer}
    return torch.cat([(value - start[name]).abs() for name, value in layer.items()], dim=-1).amax(-1)


def bounded(layer: Layer, trust: float) -> Layer:
    """The layer, each number at most `trust` from the identity."""
    start = {name: 0.0 if name.endswith("shift") else 1.0 for name in layer}
    return {name: value.clamp(start[name] - trust, start[name] + trust) for name, value in layer.items()}
