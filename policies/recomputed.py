"""Gradients of higher order for functions with a backward that is written by hand for the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def recomputed_gradients(
    function: Callable[..., tuple[Tensor, ...]],
    given: Sequence[Tensor],
    needed: Sequence[bool],
    arriving: Sequence[Tensor | None],
) -> list[Tensor | None]:
    """Differentiable gradients of `function`, by autograd through a call of it.

    Args:
        function: the same mathematics in differentiable operations, on tensors of any shape.
        given: its arguments.
        needed: which of their gradients are wanted; what is beyond `given` is not looked at.
        arriving: gradients of its outputs; None where nothing arrives.

    Returns:
        A gradient for each of `given`; None where it is not needed, or does not reach.
    """
    # Views, so that each is differentiated as if it did not depend on the others (a gain does on its decay).
    views = [x.view_as(x) for x in given]
    used = [(out, come) for out, come in zip(function(*views), arriving, strict=True) if come is not None]
    outputs, come = zip(*used, strict=True)
    wanted = [x for x, need in zip(views, needed, strict=False) if need]
    gradients = iter(torch.autograd.grad(outputs, wanted, come, create_graph=True, allow_unused=True))
    return [next(gradients) if need else None for _, need in zip(views, needed, strict=False)]
