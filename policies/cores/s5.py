"""Diagonal state-space layers after S5, with real or complex poles."""

# ruff: noqa: F722  (the shapes in annotations are jaxtyping's, not forward references)

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from policies import ssm
from policies.cores.core import (
    BRANCH_SCALE,
    Core,
    CoreConfig,
    Step,
    cleared,
    layer_norm,
    scaled_normal,
    tanh_linear,
)
from policies.cores.hold import held
from policies.cores.s5_block import BlockWeights, composed_block, mix, s5_block

__all__ = ["S5", "S5Block", "StackedStep", "stacked_s5", "stacked_s5_stepper"]

StackedStep = Callable[[Sequence[Tensor], Tensor, Sequence[Tensor]], tuple[Tensor, Tensor]]
"""Inputs of each core, starts, memories of each -> features and memories of all; see `stacked_s5_stepper`."""


@final
class S5(Core):
    """A linear layer with a tanh, then residual blocks with a diagonal state-space model.

    After S5 (Smith et al. 2023). The memory holds the blocks' states side by side; complex ones as
    (re, im, re, im, ...), one of each conjugate pair.
    """

    def __init__(self, config: CoreConfig, in_features: int, generator: torch.Generator) -> None:
        super().__init__(in_features, config.width, config.layers * config.state_size)
        self.state_size = config.state_size
        self.encoder = tanh_linear(in_features, config.width, generator)
        self.blocks = nn.ModuleList(S5Block(config, generator) for _ in range(config.layers))

    def forward(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.forward`."""
        keep = (1.0 - starts)[..., None]  # [T, B, 1]
        stream = torch.tanh(self.encoder(inputs.flatten(0, 1)))  # [T * B, D]
        last = []
        for block, before in zip(self._blocks(), torch.split(memory, self.state_size, 1), strict=True):
            stream, after = block(stream, keep, before)
            last.append(after)
        return stream.view(*starts.shape, -1), last[0] if len(last) == 1 else torch.cat(last, 1)

    def step(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.step`."""
        return self.stepper()(inputs, starts, memory)

    def stepper(self) -> Step:
        """See `Core.stepper`."""
        return partial(self._step, [(block, *block.discretised()) for block in self._blocks()])

    def _step(
        self,
        blocks: list[tuple["S5Block", Tensor, BlockWeights]],
        inputs: Tensor,
        starts: Tensor,
        memory: Tensor,
    ) -> tuple[Tensor, Tensor]:
        parts = torch.split(cleared(memory, starts), self.state_size, 1)
        stream = torch.tanh(self.encoder(inputs))
        last = []
        for (block, decay, weights), before in zip(blocks, parts, strict=True):
            stream, state = block.step(stream, block.normed(stream), before, decay, weights)
            last.append(state)
        return stream, torch.cat(last, 1)

    def memory_parameters(self) -> list[nn.Parameter]:
        """Poles and step sizes of every block."""
        return [parameter for block in self._blocks() for parameter in block.memory_parameters()]

    def make(self) -> tuple[int | str, ...] | None:
        """What `stacked_s5` wants to be the same in all cores; None where it cannot take this one."""
        blocks = self._blocks()
        # `torch.func` wants operations that it can transform, core by core.
        if any(block.complex for block in blocks) or torch._C._are_functorch_transforms_active():
            return None
        return self.out_features, self.state_size, len(blocks), blocks[0].gain

    def _blocks(self) -> list["S5Block"]:
        return list(self.blocks)  # type: ignore[arg-type]


def stacked_s5(
    cores: Sequence[S5],
    inputs: Sequence[Float[Tensor, "T B I"]],
    starts: Float[Tensor, "T B"],
    memories: Sequence[Float[Tensor, "B S"]],
) -> Float[Tensor, "R T B D"]:
    """Features of several cores of one make, each for inputs of its own, at once.

    A minibatch of learning costs calls more than arithmetic; here a call does the work of R. The cores' real
    poles, widths, states, layers and gains are the same (`S5.make`); the sizes of their inputs may differ.

    Args:
        cores: R of them.
        inputs: of each core.
        starts: 1.0 where the memories are cleared before that step reads them.
        memories: of each core before the first step.
    """
    keep = (1.0 - starts)[..., None]
    streams = [
        functional.linear(x.flatten(0, 1), core.encoder.weight, core.encoder.bias)
        for core, x in zip(cores, inputs, strict=True)
    ]
    stream = torch.tanh(torch.stack(streams))  # [R, T * B, D]
    before = torch.split(torch.stack(list(memories)), cores[0].state_size, 2)
    for layer, state in enumerate(before):
        decay, weights, eps = _stacked_weights(cores, layer)
        stream, _ = s5_block(stream, keep, state, decay, weights, eps=eps, complex_poles=False)
    return stream.view(len(cores), *starts.shape, -1)


def stacked_s5_stepper(
    cores: Sequence[S5],
) -> StackedStep:
    """`Core.stepper` of cores of one make, for acting: no gradient reaches what depends on parameters alone.

    Args:
        cores: R of them.

    Returns:
        A function of inputs [B, I] and memories [B, S] of each core, and starts [B]; it gives the features
        [R, B, D] and the memories [R, B, S] of all.
    """
    with torch.no_grad():
        layers = []
        for layer in range(len(cores[0].blocks)):
            decay, w, eps = _stacked_weights(cores, layer)
            norm = (w.norm_weight[:, None], w.norm_bias[:, None])
            gate = (w.gate_weight.mT, w.gate_bias[:, None])
            matrices = (w.input_matrix.mT, w.output_matrix.mT)
            layers.append((decay[:, None], norm, matrices, w.skip[:, None], gate, eps))
    encoders = [(core.encoder.weight, core.encoder.bias) for core in cores]
    size, width = cores[0].state_size, cores[0].out_features

    def step(inputs: Sequence[Tensor], starts: Tensor, memories: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        streams = [functional.linear(x, *encoder) for x, encoder in zip(inputs, encoders, strict=True)]
        stream = torch.stack(streams).tanh_()  # [R, B, D]
        parts = torch.split(cleared(torch.stack(list(memories)), starts), size, 2)
        states = []
        for (decay, norm, matrices, skip, gate, eps), before in zip(layers, parts, strict=True):
            normed = torch.addcmul(norm[1], functional.layer_norm(stream, (width,), eps=eps), norm[0])
            state = torch.bmm(normed, matrices[0]).addcmul_(decay, before)
            states.append(state)
            mixed = functional.gelu(torch.baddbmm(normed * skip, state, matrices[1]), approximate="tanh")
            stream = stream + functional.glu(torch.baddbmm(gate[1], mixed, gate[0]), 2)
        return stream, states[0] if len(states) == 1 else torch.cat(states, 2)

    return step


def _stacked_weights(cores: Sequence[S5], layer: int) -> tuple[Tensor, BlockWeights, float]:
    """Decays [R, P] and weights [R, ...] of the cores' blocks at a layer, and the eps of their norms."""
    blocks = [core._blocks()[layer] for core in cores]
    parts = zip(*(block.weights() for block in blocks), strict=True)
    rates, steps, matrices, norm_weight, norm_bias, *rest = (torch.stack(part) for part in parts)
    decay, matrix = held(rates, steps, matrices, blocks[0].gain)
    return decay, BlockWeights(norm_weight, norm_bias, matrix, *rest), blocks[0].norm.eps


@final
class S5Block(nn.Module):
    """x + GLU(gelu(C h + D z)), z = LayerNorm(x), h_t = a h_{t-1} + gain(|a|) B z_t (Smith et al. 2023).

    With complex poles C h stands for 2 Re(C h), the sum over conjugate pairs: B and C are real matrices that
    hold the parts, and the factor 2 is in C's initial size.
    """

    def __init__(self, config: CoreConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.complex, self.gain = config.poles == "complex", config.gain
        width, states = config.width, config.state_size
        poles = states // 2 if self.complex else states
        draw_log_steps = ssm.LOG_STEP_DRAWS[config.initialisation]
        self.norm = nn.LayerNorm(width)
        self.log_rate = nn.Parameter(torch.full((poles,), math.log(ssm.HIPPO_RATE)))
        self.log_step = nn.Parameter(draw_log_steps(poles, config.min_step, config.max_step, generator))
        if self.complex:
            draw_frequencies = ssm.FREQUENCY_DRAWS[config.initialisation]
            self.frequency = nn.Parameter(draw_frequencies(self.log_step.detach(), generator))
        # Deviations that keep unit variance from z through h to C h.
        self.input_matrix = scaled_normal(states, width, 1.0, generator)  # B
        self.output_matrix = scaled_normal(width, states, 1.0, generator)  # C
        self.skip = nn.Parameter(torch.randn(width, generator=generator))  # D
        self.gate_weight = scaled_normal(2 * width, width, BRANCH_SCALE, generator)
        self.gate_bias = nn.Parameter(torch.zeros(2 * width))

    def memory_parameters(self) -> list[nn.Parameter]:
        """Poles and step sizes."""
        turning = [self.frequency] if self.complex else []
        return [self.log_rate, *turning, self.log_step]

    def weights(self) -> tuple[Tensor, ...]:
        """Rates and steps of real poles [P], B [P, D] without gain, then the norm's and the others' weights.

        After B: the norm's weight and bias [D], C [D, P], the skip [D], the gate's weight [2 D, D] and bias.
        """
        norm = self.norm
        mixing = (self.output_matrix, self.skip, self.gate_weight, self.gate_bias)
        return (self.log_rate, self.log_step, self.input_matrix, norm.weight, norm.bias, *mixing)

    def discretised(self) -> tuple[Tensor, BlockWeights]:
        """Decay a [P], and what the block multiplies with, the states' gains in its input matrix."""
        # The gain scales the matrix and not its product, which is T * B / D times as large.
        if self.complex:
            decay = ssm.complex_zero_order_hold(self.log_rate, self.frequency, self.log_step)
            gain = ssm.complex_gain(self.gain, self.log_rate, self.log_step)
            matrix = self.input_matrix * gain[:, None]
        else:
            decay, matrix = held(self.log_rate, self.log_step, self.input_matrix, self.gain)
        norm = self.norm
        gate = (self.gate_weight, self.gate_bias)
        return decay, BlockWeights(norm.weight, norm.bias, matrix, self.output_matrix, self.skip, *gate)

    def normed(self, stream: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        """The normed stream, z = LayerNorm(x)."""
        return layer_norm(self.norm, stream)

    def step(
        self,
        stream: Float[Tensor, "B D"],
        normed: Float[Tensor, "B D"],
        before: Float[Tensor, "B P"],
        decay: Float[Tensor, " P"],
        weights: BlockWeights,
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B P"]]:
        """One step of `forward`, of what `discretised` gave; the states read `normed`, z."""
        drive = functional.linear(normed, weights.input_matrix)
        state = _turned(drive, decay, before) if self.complex else torch.addcmul(drive, decay, before)
        return mix(stream, normed, state, weights), state

    def forward(
        self, stream: Float[Tensor, "N D"], keep: Float[Tensor, "T B 1"], before: Float[Tensor, "B P"]
    ) -> tuple[Float[Tensor, "N D"], Float[Tensor, "B P"]]:
        """The block's output for a sequence, and the state after it."""
        decay, weights = self.discretised()
        if torch._C._are_functorch_transforms_active():  # torch.func wants operations that it can transform
            return composed_block(
                stream, keep, before, decay, weights, self.normed(stream), complex_poles=self.complex
            )
        return s5_block(stream, keep, before, decay, weights, eps=self.norm.eps, complex_poles=self.complex)


def _turned(drive: Tensor, decay: Tensor, before: Tensor) -> Tensor:
    """Drive + decay * before, all as (re, im, re, im, ...)."""
    re, im = torch.unflatten(before, -1, (-1, 2)).unbind(-1)
    a, b = torch.unflatten(decay, -1, (-1, 2)).unbind(-1)
    return drive + torch.stack((a * re - b * im, a * im + b * re), -1).flatten(-2)
