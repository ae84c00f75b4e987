"""What a role believes the hidden task to be: the supervised task beside its actions, in training alone.

From its features at every step the single agent, or state_modeling, tells the active task, which `state()`
shows to the critic; the squared error joins the loss, and its gradient reaches the role's core. Acting uses
none of it. Coordinates that wrap are told by cosine and sine, as -pi and pi are the same angle.

Source: Humplik et al. 2019, Meta reinforcement learning as task inference (the belief network's loss); here
the same core acts and infers.
"""

# ruff: noqa: F722  (the shapes in annotations are jaxtyping's, not forward references)

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from policies.segments import mean_over_active

TASK = "task"  # field of `state()`


def told_size(wrapped: Sequence[bool]) -> int:
    """Numbers that tell a task: two for a coordinate that wraps, one for another."""
    return len(wrapped) + sum(wrapped)


def told(task: Float[Tensor, "... a"], wrapped: Sequence[bool]) -> Float[Tensor, "... told"]:
    """What should be said of a task in normalised coordinates.

    Args:
        task: coordinates, where -1 and 1 are the ends of the training range.
        wrapped: which of them are angles, of which -1 and 1 are the same.
    """
    parts = []
    for x, wraps in zip(task.unbind(-1), wrapped, strict=True):
        parts += [torch.cos(math.pi * x), torch.sin(math.pi * x)] if wraps else [x]
    return torch.stack(parts, -1)


def squared_error(
    said: Float[Tensor, "... told"], right: Float[Tensor, "... told"], active: Tensor | None
) -> Float[Tensor, ""]:
    """Mean of the squared error over the steps that count, and over what is told.

    Args:
        said: by the role.
        right: what should have been.
        active: booleans [...]; None: every step counts.
    """
    return mean_over_active((said - right).square().mean(-1), active)
