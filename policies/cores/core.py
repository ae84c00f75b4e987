"""The interface of every core, its configuration, and what all cores share: encoder, reset, initial weights.

A core maps inputs to features. Its memory is one flat real tensor `[B, S]`, so that callers store,
mask and checkpoint it without knowing the core. Sequence mode (`forward`) and step mode (`step`)
compute the same thing: train with one, act with the other.

Axes: `T` time, `B` worlds, `I` input, `D` features, `P` SSM state, `S` memory.
"""

# ruff: noqa: F722  (the shapes in annotations are jaxtyping's, not forward references)

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from policies import ssm
from policies.ranges import check_count, check_number

__all__ = [
    "BRANCH_SCALE",
    "Core",
    "CoreConfig",
    "Step",
    "cleared",
    "in_turn",
    "layer_norm",
    "mapped",
    "orthogonal",
    "reset_steps",
    "scaled_normal",
    "step_by_step",
    "tanh_linear",
]

Step = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Inputs [B, I], starts [B] and memory [B, S] to features [B, D] and memory: `Core.step`."""

BRANCH_SCALE: Final = 0.1
"""Deviation of what a residual block adds at first: near the identity; the policy's KL spikes otherwise."""


@dataclass(frozen=True)
class CoreConfig:
    """What a core is made of.

    Attributes:
        kind: a key of `CORES`.
        width: features D, inside and out.
        layers: recurrent layers of "gru" and "lstm", blocks of the others; "mlp" has one tanh layer more.
        state_size: real states P of each block ("s5"); even where poles are complex.
        poles: "real", or "complex" in conjugate pairs, which can also turn ("s5").
        min_step: smallest initial step size, in control steps ("s5").
        max_step: largest initial step size ("s5"). A pole at -1/2 forgets in 2 / step control steps.
            The long-range setting of the literature, [0.001, 0.1], remembers 20 to 2000 steps; control
            wants 1 to 50 at the start, hence [0.04, 2], and learns to keep what it needs for longer.
        initialisation: "hippo" draws time constants log-uniform, so that each scale from one step to
            an episode has as many states; "ring" draws |a|^2 uniform, as LRU ("s5").
        gain: of a state's input, a key of `ssm.GAINS`: "peak", a constant drives a state to its own size; or
            "variance", white inputs give it unit variance, as LRU ("s5").
        expansion: channels of a block as a multiple of `width` ("mamba").
        channel_states: states of each channel ("mamba").
        window: steps that attention reaches back, this one included ("transformer"); also each further
            block reaches `window - 1` steps beyond the one below it.
        heads: attention heads ("transformer").

    Raises:
        ValueError: a field is out of its range.
    """

    kind: str = "s5"
    width: int = 96
    layers: int = 1
    state_size: int = 96
    poles: Literal["real", "complex"] = "real"
    min_step: float = 0.04
    max_step: float = 2.0
    initialisation: Literal["hippo", "ring"] = "hippo"
    gain: Literal["peak", "variance"] = "peak"
    expansion: int = 1
    channel_states: int = 16
    window: int = 64
    heads: int = 4

    def __post_init__(self) -> None:
        from policies.cores import CORES  # the table needs this class

        if self.kind not in CORES:
            raise ValueError(f"{self.kind!r}: unknown core; valid kinds: {', '.join(sorted(CORES))}")
        if self.initialisation not in ssm.LOG_STEP_DRAWS:
            valid = ", ".join(sorted(ssm.LOG_STEP_DRAWS))
            raise ValueError(f"{self.initialisation!r}: unknown initialisation; valid: {valid}")
        if self.gain not in ssm.GAINS:
            raise ValueError(f"gain={self.gain!r}: one of {', '.join(ssm.GAINS)} is expected")
        if self.poles not in ("real", "complex"):
            raise ValueError(f"{self.poles!r}: unknown poles; valid: complex, real")
        check_count(self, "width", "layers", "state_size", "expansion", "channel_states", "heads", least=1)
        check_count(self, "window", least=2)
        check_number(self, "min_step", "max_step", least=0.0, above=True)
        if self.kind == "s5" and self.poles == "complex" and self.state_size % 2:
            raise ValueError(
                f"state_size={self.state_size}: complex poles come in pairs; give an even number"
            )
        if self.min_step > self.max_step:
            raise ValueError(f"steps must satisfy min <= max, not {self.min_step}, {self.max_step}")


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

    def stepper(self) -> Step:
        """`step` for many steps with the same parameters: what depends on them alone is computed now."""
        return self.step

    def memory_parameters(self) -> list[nn.Parameter]:
        """Parameters of the memory's dynamics, which want a smaller learning rate."""
        return []


def cleared(memory: Tensor, starts: Float[Tensor, " B"]) -> Tensor:
    """Memory `[..., B, S]` without that of the worlds that start: m - start * m, in one operation."""
    return torch.addcmul(memory, memory, starts[:, None], value=-1)


def in_turn(
    blocks: Iterable[Callable[..., tuple[Tensor, ...]]],
    stream: Float[Tensor, "... D"],
    memory: Float[Tensor, "B S"],
    part_sizes: Sequence[int],
) -> tuple[Float[Tensor, "... D"], Float[Tensor, "B S"]]:
    """Run a stream through blocks, each of which has the same parts of the memory as its own.

    Args:
        blocks: each takes the stream and its parts [B, part], and gives the stream and the parts after it.
        stream: what the first block takes.
        memory: the parts of all blocks side by side.
        part_sizes: of one block's parts, in order.

    Returns:
        What the last block gives, and the memory after it.
    """
    after: list[Tensor] = []
    for block, own in zip(blocks, torch.split(memory, sum(part_sizes), 1), strict=True):
        stream, *parts = block(stream, *torch.split(own, list(part_sizes), 1))
        after += parts
    return stream, torch.cat(after, 1)


def reset_steps(starts: Float[Tensor, "T B"]) -> list[int]:
    """Steps at which any world starts."""
    steps: list[int] = starts.any(1).nonzero().flatten().tolist()
    return steps


def mapped(*tensors: Tensor) -> bool:
    """Whether a `torch.func.vmap` hides the values of any tensor [...]: no code may depend on them."""
    if (
        not torch._C._are_functorch_transforms_active()
    ):  # what torch itself asks; a read costs more than a step
        return False
    try:
        for tensor in tensors:
            if tensor.numel():
                tensor.detach().flatten()[0].item()
    except RuntimeError:
        return True
    return False


def step_by_step(
    core: Core, inputs: Float[Tensor, "T B I"], starts: Float[Tensor, "T B"], memory: Float[Tensor, "B S"]
) -> tuple[Float[Tensor, "T B D"], Float[Tensor, "B S"]]:
    """`Core.forward` by `Core.step`: slow, and without a decision that depends on values."""
    features = []
    for now, start in zip(inputs.unbind(0), starts.unbind(0), strict=True):
        feature, memory = core.step(now, start, memory)
        features.append(feature)
    return torch.stack(features), memory


def layer_norm(norm: nn.LayerNorm, stream: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
    """`norm(stream)`, with correct derivatives of second order under `torch.func.vmap` too.

    The fused kernel's are silently wrong there where the stream is mapped and the weight is not (torch 2.13).
    """
    if not mapped(stream, norm.weight):
        normed: Tensor = norm(stream)
        return normed
    centred = stream - stream.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    return centred * torch.rsqrt(variance + norm.eps) * norm.weight + norm.bias


def orthogonal(rows: int, columns: int, gain: float, generator: torch.Generator) -> Tensor:
    """Orthogonal matrix times `gain` [rows, columns]."""
    return nn.init.orthogonal_(torch.empty(rows, columns), gain, generator=generator)


def tanh_linear(before: int, after: int, generator: torch.Generator) -> nn.Linear:
    """Linear layer for a tanh: orthogonal weight of gain sqrt(2), zero bias."""
    linear = nn.Linear(before, after, device="meta")  # draws nothing from the global generator
    linear.weight = nn.Parameter(orthogonal(after, before, math.sqrt(2), generator))
    linear.bias = nn.Parameter(torch.zeros(after))
    return linear


def scaled_normal(rows: int, columns: int, scale: float, generator: torch.Generator) -> nn.Parameter:
    """Weight that maps inputs of unit variance to outputs of deviation `scale`."""
    return nn.Parameter(torch.randn(rows, columns, generator=generator) * (scale / math.sqrt(columns)))
