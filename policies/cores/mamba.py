"""Selective state-space layers after Mamba."""

# ruff: noqa: F722  (the shapes in annotations are jaxtyping's, not forward references)

import math
from functools import partial
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from policies.cores.convolution import TAPS, convolution, convolution_step
from policies.cores.core import (
    BRANCH_SCALE,
    Core,
    CoreConfig,
    cleared,
    in_turn,
    layer_norm,
    scaled_normal,
    tanh_linear,
)
from policies.scan import selective_scan

__all__ = ["Mamba"]

_STEP_RANGE: Final = (
    1e-3,
    1e-1,
)  # initial step sizes: with rates 1 to 16, time constants of 0.6 to 1000 steps


@final
class Mamba(Core):
    """A linear layer with a tanh, then residual blocks with a selective state-space model.

    After Mamba (Gu and Dao 2023). Step sizes, input and output maps depend on the input, so a block can
    choose what it keeps. The memory holds for each block the last 3 inputs of its convolution and its
    states; a start clears both.
    """

    def __init__(self, config: CoreConfig, in_features: int, generator: torch.Generator) -> None:
        channels = config.expansion * config.width
        part_sizes = [(TAPS - 1) * channels, config.channel_states * channels]
        super().__init__(in_features, config.width, config.layers * sum(part_sizes))
        self.part_sizes = part_sizes  # window, states
        self.encoder = tanh_linear(in_features, config.width, generator)
        self.blocks = nn.ModuleList(MambaBlock(config, generator) for _ in range(config.layers))

    def forward(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.forward`."""
        keep = (1.0 - starts)[..., None]  # [T, B, 1]
        stream = torch.tanh(self.encoder(inputs))  # [T, B, D]
        return in_turn(
            [partial(block, keep=keep) for block in self._blocks()], stream, memory, self.part_sizes
        )

    def step(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.step`."""
        stream = torch.tanh(self.encoder(inputs))
        blocks = [block.step for block in self._blocks()]
        return in_turn(blocks, stream, cleared(memory, starts), self.part_sizes)

    def memory_parameters(self) -> list[nn.Parameter]:
        """Rates and step biases of every block."""
        return [parameter for block in self._blocks() for parameter in (block.log_rate, block.step_bias)]

    def _blocks(self) -> list["MambaBlock"]:
        return list(self.blocks)  # type: ignore[arg-type]


@final
class MambaBlock(nn.Module):
    """x + W_out (y * silu(z)) with a selective scan, N states in each channel.

    (u, z) = W_in LayerNorm(x),   c = silu(conv(u)),   (d, B, C) = W_x c,   dt = softplus(W_dt d + b)
    h_t = exp(-dt_t exp(log_rate)) h_{t-1} + dt_t B_t c_t,   y_t = C_t . h_t + D c_t.
    """

    def __init__(self, config: CoreConfig, generator: torch.Generator) -> None:
        super().__init__()
        width, states = config.width, config.channel_states
        channels, rank = config.expansion * width, math.ceil(width / 16)
        self.channels, self.states, self.rank = channels, states, rank
        self.norm = nn.LayerNorm(width)
        self.input_matrix = scaled_normal(2 * channels, width, 1.0, generator)
        self.taps = nn.Parameter(torch.randn(TAPS, channels, generator=generator) / math.sqrt(TAPS))
        self.taps_bias = nn.Parameter(torch.zeros(channels))
        self.selection = scaled_normal(rank + 2 * states, channels, 1.0, generator)  # W_x
        self.step_matrix = scaled_normal(channels, rank, 1.0, generator)  # W_dt
        low, high = (math.log(size) for size in _STEP_RANGE)
        step = torch.exp(low + (high - low) * torch.rand(channels, generator=generator))
        self.step_bias = nn.Parameter(step + torch.log(-torch.expm1(-step)))  # softplus gives the step again
        # Time-major scans want the channels last: [N, E].
        self.log_rate = nn.Parameter(torch.log(torch.arange(1.0, states + 1))[:, None].repeat(1, channels))
        self.skip = nn.Parameter(torch.ones(channels))
        self.output_matrix = scaled_normal(width, channels, BRANCH_SCALE, generator)

    def forward(
        self,
        stream: Float[Tensor, "T B D"],
        window: Float[Tensor, "B W"],
        state: Float[Tensor, "B N*E"],
        keep: Float[Tensor, "T B 1"],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Output [T, B, D], window [B, 3 E] and states [B, N E] after the sequence."""
        u, gate = functional.linear(layer_norm(self.norm, stream), self.input_matrix).chunk(
            2, -1
        )  # [T, B, E]
        mixed, window = convolution(u, keep, window, self.taps, self.taps_bias)
        selected = functional.silu(mixed)
        step, entering, leaving = self._select(selected)
        decay, drive = self._discretise(step, entering, selected)
        states = selective_scan(decay, drive, keep[..., None], torch.unflatten(state, 1, (self.states, -1)))
        return (
            self._read(stream, selected, gate, leaving, states),
            window,
            states[-1].flatten(1),
        )

    def step(
        self, stream: Float[Tensor, "B D"], window: Float[Tensor, "B W"], state: Float[Tensor, "B N*E"]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One step of `forward`."""
        u, gate = functional.linear(layer_norm(self.norm, stream), self.input_matrix).chunk(2, -1)
        mixed, window = convolution_step(u, window, self.taps, self.taps_bias)
        selected = functional.silu(mixed)
        step, entering, leaving = self._select(selected)
        decay, drive = self._discretise(step, entering, selected)
        states = torch.addcmul(drive, decay, torch.unflatten(state, 1, (self.states, -1)))
        return (
            self._read(stream, selected, gate, leaving, states),
            window,
            states.flatten(1),
        )

    def _select(self, selected: Float[Tensor, "... E"]) -> tuple[Tensor, Tensor, Tensor]:
        """Step sizes [..., E], B [..., N] and C [..., N] of the inputs."""
        parts = functional.linear(selected, self.selection)
        raw, entering, leaving = torch.split(parts, [self.rank, self.states, self.states], -1)
        return (
            functional.softplus(functional.linear(raw, self.step_matrix, self.step_bias)),
            entering,
            leaving,
        )

    def _discretise(
        self, step: Float[Tensor, "... E"], entering: Float[Tensor, "... N"], selected: Float[Tensor, "... E"]
    ) -> tuple[Tensor, Tensor]:
        """Decay and input of the states [..., N, E]."""
        decay = torch.exp(step[..., None, :] * -torch.exp(self.log_rate))
        # An outer product as a matrix product: its backward is then two more, and no sums over the states.
        return decay, entering[..., None] @ (step * selected)[..., None, :]

    def _read(
        self,
        stream: Float[Tensor, "... D"],
        selected: Float[Tensor, "... E"],
        gate: Float[Tensor, "... E"],
        leaving: Float[Tensor, "... N"],
        states: Float[Tensor, "... N E"],
    ) -> Float[Tensor, "... D"]:
        read = (leaving[..., None, :] @ states).squeeze(-2) + self.skip * selected
        return stream + functional.linear(read * functional.silu(gate), self.output_matrix)
