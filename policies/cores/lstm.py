"""Long short-term memory."""

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

__all__ = ["LSTM"]


@final
class LSTM(Core):
    """A linear layer with a tanh, then LSTM layers (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

    The memory holds the hidden states of all layers side by side, then their cells. The forget gate's
    bias starts at 1 (Jozefowicz et al. 2015), so that a cell remembers before it has learned to.
    """

    def __init__(self, config: CoreConfig, in_features: int, generator: torch.Generator) -> None:
        super().__init__(in_features, config.width, 2 * config.layers * config.width)
        self.layers = config.layers
        width = config.width
        self.encoder = tanh_linear(in_features, width, generator)
        # Each layer: input weight, recurrent weight, input bias, recurrent bias; gates i, f, g, o stacked.
        self.weights = nn.ParameterList()
        for _ in range(config.layers):
            for _ in range(2):
                gates = [orthogonal(width, width, 1.0, generator) for _ in range(4)]
                self.weights.append(nn.Parameter(torch.cat(gates)))
            bias = torch.zeros(4 * width)
            bias[width : 2 * width] = 1.0
            self.weights.append(nn.Parameter(bias))
            self.weights.append(nn.Parameter(torch.zeros(4 * width)))

    def forward(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.forward`."""
        if mapped(inputs, starts, memory, self.weights[0]):
            return step_by_step(self, inputs, starts, memory)
        encoded = torch.tanh(self.encoder(inputs))  # [T, B, D]
        state = memory.reshape(-1, 2 * self.layers, self.out_features).transpose(0, 1)  # [2 L, B, D]
        # A reset is rare and mostly common to all worlds: one fused call for each stretch without any.
        bounds = sorted({0, len(starts), *reset_steps(starts)})
        weights = list(self.weights)
        train = torch.is_grad_enabled()  # cuDNN keeps for backward what it is told will be trained
        features = []
        for begin, end in itertools.pairwise(bounds):
            hidden, cells = cleared(state, starts[begin]).contiguous().chunk(2)
            part, hidden, cells = torch.lstm(
                encoded[begin:end], (hidden, cells), weights, True, self.layers, 0.0, train, False, False
            )
            state = torch.cat((hidden, cells))
            features.append(part)
        whole = features[0] if len(features) == 1 else torch.cat(features)
        return whole, state.transpose(0, 1).flatten(1)

    def step(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.step`."""
        features = torch.tanh(self.encoder(inputs))
        before = torch.split(cleared(memory, starts), self.out_features, 1)
        weights = list(self.weights)
        cell = _cell if mapped(inputs, memory, weights[0]) else torch.lstm_cell
        hidden, cells = [], []
        for layer in range(self.layers):
            of_layer = weights[4 * layer : 4 * layer + 4]
            features, inner = cell(features, (before[layer], before[self.layers + layer]), *of_layer)
            hidden.append(features)
            cells.append(inner)
        return features, torch.cat([*hidden, *cells], 1)


def _cell(
    inputs: Tensor,
    before: tuple[Tensor, Tensor],
    weight: Tensor,
    recurrent: Tensor,
    bias: Tensor,
    recurrent_bias: Tensor,
) -> tuple[Tensor, Tensor]:
    """`torch.lstm_cell` in operations that `torch.func.vmap` knows."""
    hidden, inner = before
    gates = functional.linear(inputs, weight, bias) + functional.linear(hidden, recurrent, recurrent_bias)
    i, f, g, o = gates.chunk(4, -1)
    inner = torch.sigmoid(f) * inner + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(inner), inner
