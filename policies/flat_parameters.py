"""The parameters of several networks as two vectors: clipping and Adam are then a few operations.

A minibatch of reinforcement learning is small, so that an optimiser which visits thirty tensors one by one
spends much of its time on the visits. Here every parameter becomes a view into one of two vectors, fast and
slow (the memory's dynamics, which learn at a lower rate), laid out network by network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


class FlatParameters:
    """Views of networks' parameters, and their gradients as vectors.

    Attributes:
        vectors: what an optimiser is given: the fast parameters and, where there are any, the slow ones.
    """

    def __init__(self, networks: Sequence[nn.Module], slow: Iterable[nn.Parameter]) -> None:
        """Move the parameters of `networks` into vectors; those of `slow` into one of their own.

        Raises:
            ValueError: two networks share a parameter, or `slow` names one that no network has.
        """
        chosen = {id(p) for p in slow}
        known = [id(p) for network in networks for p in network.parameters()]
        if len(set(known)) != len(known):
            raise ValueError("two networks share a parameter: each is clipped by one network's norm")
        if not chosen <= set(known):
            raise ValueError("slow: a parameter belongs to none of the networks")
        self._parameters: list[list[nn.Parameter]] = []  # of each vector, in its order
        self._extents: list[list[slice]] = []  # of each network in each vector
        self.vectors: list[nn.Parameter] = []
        for is_slow in (False, True):
            parameters: list[nn.Parameter] = []
            extents, size = [], 0
            for network in networks:
                mine = [p for p in network.parameters() if (id(p) in chosen) == is_slow]
                parameters += mine
                extents.append(slice(size, size + sum(p.numel() for p in mine)))
                size = extents[-1].stop
            if parameters:
                self._parameters.append(parameters)
                self._extents.append(extents)
                self.vectors.append(_moved(parameters))

    def differentiate(self, loss: Tensor) -> None:
        """Put the gradient of `loss` into the vectors' `.grad`; parameters it does not depend on get 0.

        Args:
            loss: a scalar.

        Raises:
            RuntimeError: a network was moved or converted since: its parameters are no views any more.
        """
        self._check()
        everything = [p for parameters in self._parameters for p in parameters]
        gradients = torch.autograd.grad(loss, everything, allow_unused=True, materialize_grads=True)
        start = 0
        for vector, parameters in zip(self.vectors, self._parameters, strict=True):
            mine = gradients[start : start + len(parameters)]
            vector.grad = torch.cat([g.flatten() for g in mine])
            start += len(parameters)

    @torch.no_grad()
    def collect(self) -> None:
        """Move the gradients that `backward` left on the networks' parameters into the vectors' `.grad`.

        For losses that are added up over several calls of `backward`; what got no gradient gets 0.

        Raises:
            RuntimeError: as `differentiate`.
        """
        self._check()
        for vector, parameters in zip(self.vectors, self._parameters, strict=True):
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
            vector.grad = torch.cat([gradient.flatten() for gradient in gradients])
            for parameter in parameters:
                parameter.grad = None

    def _check(self) -> None:
        for vector, parameters in zip(self.vectors, self._parameters, strict=True):
            if parameters[0].data_ptr() != vector.data_ptr():
                raise RuntimeError(
                    "the networks' parameters are no longer views of these vectors; move or convert the "
                    "networks before the learner is made"
                )

    @torch.no_grad()
    def clip(self, largest: float) -> list[float]:
        """Scale each network's gradient to a norm of at most `largest`; the norms before that."""
        gradients = [vector.grad for vector in self.vectors if vector.grad is not None]
        norms = []
        for extents in zip(*self._extents, strict=True):
            parts = [gradient[where] for gradient, where in zip(gradients, extents, strict=True)]
            squares = sum(float(part.dot(part)) for part in parts)
            norms.append(squares**0.5)
            if norms[-1] > largest:
                for part in parts:
                    part.mul_(largest / norms[-1])
        return norms


@torch.no_grad()
def _moved(parameters: Sequence[nn.Parameter]) -> nn.Parameter:
    """One vector that holds `parameters`, which become views of it."""
    vector = nn.Parameter(torch.cat([p.detach().flatten() for p in parameters]))
    start = 0
    for parameter in parameters:
        size = parameter.numel()
        parameter.data = vector.data[start : start + size].view_as(parameter)
        start += size
    return vector
