"""Attention over a sliding window: the reference for memory that is not recurrent."""

# ruff: noqa: F722  (the shapes in annotations are jaxtyping's, not forward references)

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from policies.cores.core import (
    BRANCH_SCALE,
    Core,
    CoreConfig,
    cleared,
    layer_norm,
    scaled_normal,
    tanh_linear,
)

__all__ = ["Transformer"]


@final
class Transformer(Core):
    """A linear layer with a tanh, then pre-norm blocks of attention over the last steps of the trial.

    After Vaswani et al. (2017), with the window and the cached keys of Transformer-XL (Dai et al. 2019) and
    normalisation before each branch (GTrXL, Parisotto et al. 2020). Positions enter only as a bias for each
    distance, which starts as in ALiBi (Press et al. 2022) and is learned: what a step sees does not depend on
    where a sequence was cut. The memory holds each block's keys and values of the last `window - 1` steps,
    oldest first, and how many of them are of this trial.
    """

    def __init__(self, config: CoreConfig, in_features: int, generator: torch.Generator) -> None:
        self.past = config.window - 1
        head_size = -(-config.width // config.heads)
        self_size = 2 * self.past * config.heads * head_size
        super().__init__(in_features, config.width, config.layers * self_size + 1)
        self.block_size, self.inner = self_size, config.heads * head_size
        self.encoder = tanh_linear(in_features, config.width, generator)
        self.blocks = nn.ModuleList(
            _AttentionBlock(config, head_size, generator) for _ in range(config.layers)
        )

    def forward(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.forward`."""
        past, time = self.past, len(inputs)
        count = memory[:, -1]
        trial = torch.cumsum(starts, 0)  # [T, B]: starts so far; what memory holds is of trial 0
        slots = torch.arange(past, device=memory.device)
        held = slots[:, None] >= past - count  # [past, B]
        # Trial of each slot of the memory and of each step; -1 fits no step.
        trials = torch.cat((held.to(trial.dtype) - 1.0, trial))  # [past + T, B]
        present = trials[time:] == trial[-1]  # of the last `past` slots, those of the trial that goes on
        stream = torch.tanh(self.encoder(inputs))
        after: list[Tensor] = []
        for block, part in zip(self._blocks(), torch.split(memory[:, :-1], self.block_size, 1), strict=True):
            before = torch.unflatten(part, 1, (2, past, self.inner)).permute(
                1, 2, 0, 3
            )  # [2, past, B, inner]
            stream, pairs = block(stream, trials, before)
            after.append((pairs[:, time:] * present[..., None]).permute(2, 0, 1, 3).flatten(1))
        return stream, torch.cat((*after, present.sum(0)[:, None].to(memory.dtype)), 1)

    def step(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.step`."""
        kept = cleared(memory, starts)
        count = kept[:, -1]
        slots = torch.arange(self.past + 1, device=memory.device)
        held = slots >= self.past - count[:, None]  # [B, window], this step included
        stream = torch.tanh(self.encoder(inputs))
        after: list[Tensor] = []
        for block, part in zip(self._blocks(), torch.split(kept[:, :-1], self.block_size, 1), strict=True):
            stream, pairs = block.step(stream, held, torch.unflatten(part, 1, (2, self.past, self.inner)))
            after.append(pairs[:, :, 1:].flatten(1))
        return stream, torch.cat((*after, (count + 1.0).clamp(max=self.past)[:, None]), 1)

    def _blocks(self) -> list["_AttentionBlock"]:
        return list(self.blocks)  # type: ignore[arg-type]


@final
class _AttentionBlock(nn.Module):
    """y = x + W_o attend(LayerNorm(x)), then y + W_2 gelu(W_1 LayerNorm(y)).

    Head i weighs the step that lies d back by softmax(q . k / sqrt(size) + bias_i(d)).
    """

    def __init__(self, config: CoreConfig, head_size: int, generator: torch.Generator) -> None:
        super().__init__()
        width, self.heads, self.window = config.width, config.heads, config.window
        inner = config.heads * head_size
        self.scale = head_size**-0.5
        self.norm = nn.LayerNorm(width)
        self.queries_keys_values = scaled_normal(3 * inner, width, 1.0, generator)
        slopes = 2.0 ** (-8.0 * torch.arange(1.0, config.heads + 1) / config.heads)
        distances = torch.arange(config.window - 1.0, -1.0, -1.0)
        self.distance_bias = nn.Parameter(-slopes[:, None] * distances)  # [heads, window], oldest first
        self.output = scaled_normal(width, inner, BRANCH_SCALE, generator)
        self.mixing_norm = nn.LayerNorm(width)
        self.widening = scaled_normal(2 * width, width, 1.0, generator)
        self.widening_bias = nn.Parameter(torch.zeros(2 * width))
        self.narrowing = scaled_normal(width, 2 * width, BRANCH_SCALE, generator)

    def forward(
        self,
        stream: Float[Tensor, "T B D"],
        trials: Float[Tensor, "past+T B"],
        before: Float[Tensor, "2 past B inner"],
    ) -> tuple[Float[Tensor, "T B D"], Float[Tensor, "2 past+T B inner"]]:
        """Outputs, and keys and values of the memory and of the sequence."""
        queries, now = self._project(stream)  # [T, B, inner], [2, T, B, inner]
        pairs = torch.cat((before, now), 1)
        past, time = before.shape[1], len(stream)
        read = []
        # A block of `window` queries sees at most twice as many keys: cost grows as T * window, not as T^2.
        for begin in range(0, time, self.window):
            end = min(begin + self.window, time)
            seen = slice(begin, past + end)
            query_at = torch.arange(past + begin, past + end, device=stream.device)
            back = query_at[:, None] - torch.arange(begin, past + end, device=stream.device)  # [q, k]
            near = (back >= 0) & (back < self.window)
            bias = self.distance_bias[:, (past - back).clamp(0, past)]  # [heads, q, k]
            same = trials[past + begin : past + end, None] == trials[None, seen]  # [q, k, B]
            allowed = (same & near[..., None]).movedim(-1, 0)[:, None]  # [B, 1, q, k]
            read.append(
                self._attend(queries[begin:end].movedim(0, 1), pairs[:, seen].movedim(1, 2), bias, allowed)
            )
        whole = read[0] if len(read) == 1 else torch.cat(read, 1)  # [B, T, inner]
        return self._mix(stream, whole.movedim(0, 1)), pairs

    def step(
        self,
        stream: Float[Tensor, "B D"],
        held: Bool[Tensor, "B window"],
        before: Float[Tensor, "B 2 past inner"],
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B 2 window inner"]]:
        """One step of `forward`."""
        query, now = self._project(stream)  # [B, inner], [2, B, inner]
        pairs = torch.cat((before, now.movedim(0, 1)[:, :, None]), 2)
        read = self._attend(
            query[:, None], pairs.movedim(1, 0), self.distance_bias[:, None], held[:, None, None]
        )
        return self._mix(stream, read[:, 0]), pairs

    def _project(self, stream: Float[Tensor, "... D"]) -> tuple[Tensor, Tensor]:
        """Queries [..., inner], keys and values [2, ..., inner]."""
        all_three = functional.linear(layer_norm(self.norm, stream), self.queries_keys_values)
        query, key, value = all_three.chunk(3, -1)
        return query, torch.stack((key, value))

    def _attend(
        self,
        queries: Float[Tensor, "B q inner"],
        pairs: Float[Tensor, "2 B k inner"],
        bias: Float[Tensor, "heads q k"],
        allowed: Bool[Tensor, "B #1 q k"],
    ) -> Float[Tensor, "B q inner"]:
        # Written out: the fused kernel has no second derivative.
        by_head = torch.unflatten(queries, -1, (self.heads, -1)).transpose(1, 2)  # [B, heads, q, size]
        keys, values = torch.unflatten(pairs, -1, (self.heads, -1)).transpose(2, 3)  # [B, heads, k, size]
        logits = (by_head * self.scale) @ keys.transpose(-1, -2) + bias
        weights = torch.softmax(logits.masked_fill(~allowed, -torch.inf), -1)
        read: Tensor = (weights @ values).transpose(1, 2).flatten(2)
        return read

    def _mix(
        self, stream: Float[Tensor, "... D"], read: Float[Tensor, "... inner"]
    ) -> Float[Tensor, "... D"]:
        attended = stream + functional.linear(read, self.output)
        wide = functional.linear(layer_norm(self.mixing_norm, attended), self.widening, self.widening_bias)
        return attended + functional.linear(functional.gelu(wide, approximate="tanh"), self.narrowing)
