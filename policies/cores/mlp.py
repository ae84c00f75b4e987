"""Feed-forward core: what a policy without memory is."""

import itertools
from typing import final

import torch
from torch import Tensor, nn

from policies.cores.core import Core, CoreConfig, tanh_linear

__all__ = ["MLP"]


@final
class MLP(Core):
    """`layers + 1` linear layers, each with a tanh; no memory."""

    def __init__(self, config: CoreConfig, in_features: int, generator: torch.Generator) -> None:
        super().__init__(in_features, config.width, 0)
        sizes = [in_features] + [config.width] * (config.layers + 1)
        self.linears = nn.ModuleList(
            tanh_linear(before, after, generator) for before, after in itertools.pairwise(sizes)
        )

    def forward(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.forward`."""
        return self.step(inputs, starts, memory)

    def step(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.step`."""
        features = inputs
        for linear in self.linears:
            features = torch.tanh(linear(features))
        return features, memory
