"""Cores: the part of a policy between its inputs and its heads, with or without memory.

A core maps inputs to features. Its memory is one flat real tensor `[B, S]`, so that callers store,
mask and checkpoint it without knowing the core. Sequence mode (`forward`) and step mode (`step`)
compute the same thing: train with one, act with the other.

Axes: `T` time, `B` worlds, `I` input, `D` features, `P` SSM state, `S` memory.

To add a core, write one subclass of `Core` and its line in `CORES`.
"""

# ruff: noqa: F722  (the shapes in annotations are jaxtyping's, not forward references)

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from policies import ssm

__all__ = ["CORES", "GRU", "MLP", "S5", "Core", "CoreConfig", "make_core"]

_GLU_SCALE: Final = 0.1  # a block starts near the identity; the policy's KL spikes otherwise


@dataclass(frozen=True)
class CoreConfig:
    """What a core is made of.

    Attributes:
        kind: a key of `CORES`.
        width: features D, inside and out.
        layers: recurrent layers of "gru" and blocks of "s5"; "mlp" has one tanh layer more.
        state_size: states P of each block ("s5").
        min_step: smallest initial step size, in control steps ("s5").
        max_step: largest initial step size ("s5"). A pole at -1/2 forgets in 2 / step control steps.
            The long-range setting of the literature, [0.001, 0.1], remembers 20 to 2000 steps;
            episodes of 200 steps want 1 to 200, hence [0.01, 2].
        initialisation: "hippo" draws time constants log-uniform, so that each scale from one step to
            an episode has as many states; "ring" draws a^2 uniform, as LRU ("s5").
        differentiable_twice: use the slower scan that supports second derivatives ("s5"; the other
            cores always do).

    Raises:
        ValueError: a field is out of its range.
    """

    kind: str = "s5"
    width: int = 96
    layers: int = 1
    state_size: int = 96
    min_step: float = 0.01
    max_step: float = 2.0
    initialisation: Literal["hippo", "ring"] = "hippo"
    differentiable_twice: bool = False

    def __post_init__(self) -> None:
        if self.kind not in CORES:
            raise ValueError(f"{self.kind!r}: unknown core; valid kinds: {', '.join(sorted(CORES))}")
        if self.initialisation not in ssm.LOG_STEP_DRAWS:
            valid = ", ".join(sorted(ssm.LOG_STEP_DRAWS))
            raise ValueError(f"{self.initialisation!r}: unknown initialisation; valid: {valid}")
        if min(self.width, self.layers, self.state_size) < 1:
            raise ValueError(
                "width, layers and state_size must be at least 1, "
                f"not {self.width}, {self.layers} and {self.state_size}"
            )
        if not 0 < self.min_step <= self.max_step:
            raise ValueError(f"steps must satisfy 0 < min <= max, not {self.min_step}, {self.max_step}")


class Core(nn.Module, ABC):
    """What every core offers.

    Attributes:
        in_features: size I of the inputs.
        out_features: size D of the features.
        memory_size: size S of the memory; 0 if there is none.
    """

    def __init__(self, in_features: int, out_features: int, memory_size: int) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.memory_size = memory_size

    @final
    def initial_memory(self, batch: int) -> Float[Tensor, "B S"]:
        """Empty memory (float32 zeros) for `batch` worlds, on the parameters' device."""
        return torch.zeros(batch, self.memory_size, device=next(self.parameters()).device)

    @abstractmethod
    def forward(
        self, inputs: Float[Tensor, "T B I"], starts: Float[Tensor, "T B"], memory: Float[Tensor, "B S"]
    ) -> tuple[Float[Tensor, "T B D"], Float[Tensor, "B S"]]:
        """Run a sequence.

        Args:
            inputs: inputs, T >= 1.
            starts: 1.0 where the memory is cleared before that step reads it, else 0.0.
            memory: memory before the first step.

        Returns:
            Features of each step, and the memory after the last.
        """

    @abstractmethod
    def step(
        self, inputs: Float[Tensor, "B I"], starts: Float[Tensor, " B"], memory: Float[Tensor, "B S"]
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B S"]]:
        """Run one step: `forward` with T = 1, faster."""

    def memory_parameters(self) -> list[nn.Parameter]:
        """Parameters of the memory's dynamics, which want a smaller learning rate."""
        return []


@final
class MLP(Core):
    """`layers + 1` linear layers, each with a tanh; no memory."""

    def __init__(self, config: CoreConfig, in_features: int, generator: torch.Generator) -> None:
        super().__init__(in_features, config.width, 0)
        sizes = [in_features] + [config.width] * (config.layers + 1)
        self.linears = nn.ModuleList(
            _orthogonal_linear(before, after, generator) for before, after in itertools.pairwise(sizes)
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


@final
class GRU(Core):
    """A linear layer with a tanh, then gated recurrent units (Cho et al. 2014).

    The memory holds the hidden states of the layers side by side. The weights are held here and not
    in an `nn.GRU`, which keeps a list of its own that `torch.func.functional_call` does not replace.
    """

    def __init__(self, config: CoreConfig, in_features: int, generator: torch.Generator) -> None:
        super().__init__(in_features, config.width, config.layers * config.width)
        self.layers = config.layers
        self.encoder = _orthogonal_linear(in_features, config.width, generator)
        # Each layer: input weight, recurrent weight, input bias, recurrent bias; gates r, z, n stacked.
        self.weights = nn.ParameterList()
        for _ in range(config.layers):
            for _ in range(2):
                gates = [_orthogonal(config.width, config.width, 1.0, generator) for _ in range(3)]
                self.weights.append(nn.Parameter(torch.cat(gates)))
            for _ in range(2):
                self.weights.append(nn.Parameter(torch.zeros(3 * config.width)))

    def forward(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.forward`."""
        encoded = torch.tanh(self.encoder(inputs))  # [T, B, D]
        hidden = memory.reshape(-1, self.layers, self.out_features).transpose(0, 1)  # [L, B, D]
        # A reset is rare and mostly common to all worlds: one fused call for each stretch without any.
        resets = starts.any(1).nonzero().flatten().tolist()
        bounds = sorted({0, len(starts), *resets})
        weights = list(self.weights)
        features = []
        for begin, end in itertools.pairwise(bounds):
            hidden = _cleared(hidden, starts[begin]).contiguous()
            part, hidden = torch.gru(
                encoded[begin:end], hidden, weights, True, self.layers, 0.0, False, False, False
            )
            features.append(part)
        whole = features[0] if len(features) == 1 else torch.cat(features)
        return whole, hidden.transpose(0, 1).flatten(1)

    def step(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.step`."""
        features = torch.tanh(self.encoder(inputs))
        kept = _cleared(memory, starts)
        weights = list(self.weights)
        hidden = []
        for layer, before in enumerate(torch.split(kept, self.out_features, 1)):
            features = torch.gru_cell(features, before, *weights[4 * layer : 4 * layer + 4])
            hidden.append(features)
        return features, torch.cat(hidden, 1)


@final
class S5(Core):
    """A linear layer with a tanh, then residual blocks with a diagonal real state-space model.

    After S5 (Smith et al. 2023), with real poles. The memory holds the blocks' states side by side.
    """

    def __init__(self, config: CoreConfig, in_features: int, generator: torch.Generator) -> None:
        super().__init__(in_features, config.width, config.layers * config.state_size)
        self.state_size = config.state_size
        self.differentiable_twice = config.differentiable_twice
        self.encoder = _orthogonal_linear(in_features, config.width, generator)
        self.blocks = nn.ModuleList(_S5Block(config, generator) for _ in range(config.layers))

    def forward(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.forward`."""
        time, batch = starts.shape
        keep = (1.0 - starts)[..., None]  # [T, B, 1]
        scan = ssm.diagonal_scan_reference if self.differentiable_twice else ssm.diagonal_scan
        stream = torch.tanh(self.encoder(inputs.flatten(0, 1)))  # [T * B, D]
        last = []
        for block, before in zip(self._blocks(), torch.split(memory, self.state_size, 1), strict=True):
            decay, normed, drive = block.drive(stream)
            states = scan(decay, drive.view(time, batch, -1), keep, before)  # [T, B, P]
            last.append(states[-1])
            stream = block.read(stream, normed, states.flatten(0, 1))
        return stream.view(time, batch, -1), torch.cat(last, 1)

    def step(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.step`."""
        kept = _cleared(memory, starts)
        stream = torch.tanh(self.encoder(inputs))
        last = []
        for block, before in zip(self._blocks(), torch.split(kept, self.state_size, 1), strict=True):
            decay, normed, drive = block.drive(stream)
            state = torch.addcmul(drive, decay, before)
            last.append(state)
            stream = block.read(stream, normed, state)
        return stream, torch.cat(last, 1)

    def memory_parameters(self) -> list[nn.Parameter]:
        """Poles and step sizes of every block."""
        return [parameter for block in self._blocks() for parameter in (block.log_rate, block.log_step)]

    def _blocks(self) -> list["_S5Block"]:
        return list(self.blocks)  # type: ignore[arg-type]


@final
class _S5Block(nn.Module):
    """x + GLU(gelu(C h + D z)), z = LayerNorm(x), h_t = a h_{t-1} + sqrt(1 - a^2) B z_t."""

    def __init__(self, config: CoreConfig, generator: torch.Generator) -> None:
        super().__init__()
        width, states = config.width, config.state_size
        draw_log_steps = ssm.LOG_STEP_DRAWS[config.initialisation]
        self.norm = nn.LayerNorm(width)
        self.log_rate = nn.Parameter(torch.full((states,), math.log(ssm.HIPPO_RATE)))
        self.log_step = nn.Parameter(draw_log_steps(states, config.min_step, config.max_step, generator))
        # Deviations that keep unit variance from z through h to C h.
        self.input_matrix = _scaled_normal(states, width, 1.0, generator)  # B
        self.output_matrix = _scaled_normal(width, states, 1.0, generator)  # C
        self.skip = nn.Parameter(torch.randn(width, generator=generator))  # D
        self.gate_weight = _scaled_normal(2 * width, width, _GLU_SCALE, generator)
        self.gate_bias = nn.Parameter(torch.zeros(2 * width))

    def drive(self, stream: Float[Tensor, "N D"]) -> tuple[Tensor, Tensor, Tensor]:
        """Decay a [P], normed stream z [N, D] and the states' inputs sqrt(1 - a^2) B z [N, P]."""
        decay = ssm.zero_order_hold(self.log_rate, self.log_step)
        gain = ssm.unit_variance_gain(decay)
        normed = self.norm(stream)
        # The gain scales the matrix and not its product, which is T * B / D times as large.
        return decay, normed, functional.linear(normed, self.input_matrix * gain[:, None])

    def read(
        self, stream: Float[Tensor, "N D"], normed: Float[Tensor, "N D"], states: Float[Tensor, "N P"]
    ) -> Float[Tensor, "N D"]:
        """The block's output from its states."""
        mixed = functional.gelu(
            torch.addmm(normed * self.skip, states, self.output_matrix.t()), approximate="tanh"
        )
        return stream + functional.glu(functional.linear(mixed, self.gate_weight, self.gate_bias), 1)


CORES: Final[dict[str, Callable[[CoreConfig, int, torch.Generator], Core]]] = {
    "mlp": MLP,
    "gru": GRU,
    "s5": S5,
}
"""Cores by kind."""


def make_core(config: CoreConfig, in_features: int, generator: torch.Generator) -> Core:
    """Build a core.

    Args:
        config: kind and sizes.
        in_features: size I of the inputs, at least 1.
        generator: the only source of the initial parameters.

    Returns:
        A new core with float32 parameters.
    """
    return CORES[config.kind](config, in_features, generator)


def _cleared(memory: Tensor, starts: Float[Tensor, " B"]) -> Tensor:
    """Memory `[..., B, S]` without that of the worlds that start: m - start * m, in one operation."""
    return torch.addcmul(memory, memory, starts[:, None], value=-1)


def _orthogonal(rows: int, columns: int, gain: float, generator: torch.Generator) -> Tensor:
    return nn.init.orthogonal_(torch.empty(rows, columns), gain, generator=generator)


def _orthogonal_linear(before: int, after: int, generator: torch.Generator) -> nn.Linear:
    """Linear layer for a tanh: orthogonal weight of gain sqrt(2), zero bias."""
    linear = nn.Linear(before, after, device="meta")  # draws nothing from the global generator
    linear.weight = nn.Parameter(_orthogonal(after, before, math.sqrt(2), generator))
    linear.bias = nn.Parameter(torch.zeros(after))
    return linear


def _scaled_normal(rows: int, columns: int, scale: float, generator: torch.Generator) -> nn.Parameter:
    """Weight that maps inputs of unit variance to outputs of deviation `scale`."""
    return nn.Parameter(torch.randn(rows, columns, generator=generator) * (scale / math.sqrt(columns)))
