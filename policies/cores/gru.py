"""Gated recurrent units."""

import itertools
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from policies.cores.core import (
    Core,
    CoreConfig,
    cleared,
    mapped,
    orthogonal,
    reset_steps,
    step_by_step,
    tanh_linear,
)

__all__ = ["GRU"]


@final
class GRU(Core):
    """A linear layer with a tanh, then gated recurrent units (Cho et al. 2014).

    The memory holds the hidden states of the layers side by side. The weights are held here and not
    in an `nn.GRU`, which keeps a list of its own that `torch.func.functional_call` does not replace.
    """

    def __init__(self, config: CoreConfig, in_features: int, generator: torch.Generator) -> None:
        super().__init__(in_features, config.width, config.layers * config.width)
        self.layers = config.layers
        self.encoder = tanh_linear(in_features, config.width, generator)
        # Each layer: input weight, recurrent weight, input bias, recurrent bias; gates r, z, n stacked.
        self.weights = nn.ParameterList()
        for _ in range(config.layers):
            for _ in range(2):
                gates = [orthogonal(config.width, config.width, 1.0, generator) for _ in range(3)]
                self.weights.append(nn.Parameter(torch.cat(gates)))
            for _ in range(2):
                self.weights.append(nn.Parameter(torch.zeros(3 * config.width)))

    def forward(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.forward`."""
        if mapped(inputs, starts, memory, self.weights[0]):
            return step_by_step(self, inputs, starts, memory)
        encoded = torch.tanh(self.encoder(inputs))  # [T, B, D]
        hidden = memory.reshape(-1, self.layers, self.out_features).transpose(0, 1)  # [L, B, D]
        # A reset is rare and mostly common to all worlds: one fused call for each stretch without any.
        bounds = sorted({0, len(starts), *reset_steps(starts)})
        weights = list(self.weights)
        train = torch.is_grad_enabled()  # cuDNN keeps for backward what it is told will be trained
        features = []
        for begin, end in itertools.pairwise(bounds):
            hidden = cleared(hidden, starts[begin]).contiguous()
            part, hidden = torch.gru(
                encoded[begin:end], hidden, weights, True, self.layers, 0.0, train, False, False
            )
            features.append(part)
        whole = features[0] if len(features) == 1 else torch.cat(features)
        return whole, hidden.transpose(0, 1).flatten(1)

    def step(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.step`."""
        features = torch.tanh(self.encoder(inputs))
        kept = cleared(memory, starts)
        weights = list(self.weights)
        cell = _cell if mapped(inputs, memory, weights[0]) else torch.gru_cell
        hidden = []
        for layer, before in enumerate(torch.split(kept, self.out_features, 1)):
            features = cell(features, before, *weights[4 * layer : 4 * layer + 4])
            hidden.append(features)
        return features, torch.cat(hidden, 1)


def _cell(
    inputs: Tensor, before: Tensor, weight: Tensor, recurrent: Tensor, bias: Tensor, recurrent_bias: Tensor
) -> Tensor:
    """`torch.gru_cell` in operations that `torch.func.vmap` knows."""
    r, z, n = functional.linear(inputs, weight, bias).chunk(3, -1)
    r_h, z_h, n_h = functional.linear(before, recurrent, recurrent_bias).chunk(3, -1)
    update = torch.sigmoid(z + z_h)
    new = torch.tanh(n + torch.sigmoid(r + r_h) * n_h)
    return new + update * (before - new)
