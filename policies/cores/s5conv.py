"""S5 behind a short convolution."""

# ruff: noqa: F722  (the shapes in annotations are jaxtyping's, not forward references)

import math
from functools import partial
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from policies.cores.convolution import TAPS, convolution, convolution_step
from policies.cores.core import Core, CoreConfig, Step, cleared, in_turn, tanh_linear
from policies.cores.s5 import S5Block
from policies.cores.s5_block import BlockWeights, composed_block

__all__ = ["S5Conv"]


@final
class S5Conv(Core):
    """A linear layer with a tanh, then S5's blocks, each behind a causal convolution.

    z' = silu(convolution(LayerNorm(x))) takes the place of z in the block of `S5`. A short convolution
    before the states is what H3 (Fu et al. 2023) and Mamba (Gu and Dao 2023) have and S5 has not: differences
    between steps reach the states at once. The memory holds for each block the last 3 inputs of its
    convolution and its states; a start clears both.
    """

    def __init__(self, config: CoreConfig, in_features: int, generator: torch.Generator) -> None:
        part_sizes = [(TAPS - 1) * config.width, config.state_size]  # window, states
        super().__init__(in_features, config.width, config.layers * sum(part_sizes))
        self.part_sizes = part_sizes
        self.encoder = tanh_linear(in_features, config.width, generator)
        self.blocks = nn.ModuleList(_Block(config, generator) for _ in range(config.layers))

    def forward(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.forward`."""
        keep = (1.0 - starts)[..., None]  # [T, B, 1]
        stream = torch.tanh(self.encoder(inputs))  # [T, B, D]
        return in_turn(
            [partial(block, keep=keep) for block in self._blocks()], stream, memory, self.part_sizes
        )

    def step(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.step`."""
        return self.stepper()(inputs, starts, memory)

    def stepper(self) -> Step:
        """See `Core.stepper`."""
        blocks = [partial(block.step, *block.states.discretised()) for block in self._blocks()]

        def step(inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
            stream = torch.tanh(self.encoder(inputs))
            return in_turn(blocks, stream, cleared(memory, starts), self.part_sizes)

        return step

    def memory_parameters(self) -> list[nn.Parameter]:
        """Poles and step sizes of every block."""
        return [parameter for block in self._blocks() for parameter in block.states.memory_parameters()]

    def _blocks(self) -> list["_Block"]:
        return list(self.blocks)  # type: ignore[arg-type]


@final
class _Block(nn.Module):
    """S5's block, whose states and skip read the convolution of the normed stream."""

    def __init__(self, config: CoreConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.states = S5Block(config, generator)
        self.taps = nn.Parameter(torch.randn(TAPS, config.width, generator=generator) / math.sqrt(TAPS))
        self.taps_bias = nn.Parameter(torch.zeros(config.width))

    def forward(
        self,
        stream: Float[Tensor, "T B D"],
        window: Float[Tensor, "B W"],
        before: Float[Tensor, "B P"],
        keep: Float[Tensor, "T B 1"],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Output [T, B, D], window [B, 3 D] and states [B, P] after the sequence."""
        mixed, window = convolution(self.states.normed(stream), keep, window, self.taps, self.taps_bias)
        selected = functional.silu(mixed).flatten(0, 1)
        decay, weights = self.states.discretised()
        complex_poles = self.states.complex
        found, after = composed_block(
            stream.flatten(0, 1), keep, before, decay, weights, selected, complex_poles=complex_poles
        )
        return found.view_as(stream), window, after

    def step(
        self,
        decay: Float[Tensor, " P"],
        weights: BlockWeights,
        stream: Float[Tensor, "B D"],
        window: Float[Tensor, "B W"],
        before: Float[Tensor, "B P"],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One step of `forward`, of what the states' `discretised` gave."""
        mixed, window = convolution_step(self.states.normed(stream), window, self.taps, self.taps_bias)
        stream, after = self.states.step(stream, functional.silu(mixed), before, decay, weights)
        return stream, window, after
