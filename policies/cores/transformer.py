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
    mapped,
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
    where a sequence was cut. The memory holds the keys and values of all blocks for the last `window - 1`
    steps, oldest first, zero where they are not of this trial; and how many are.
    """

    def __init__(self, config: CoreConfig, in_features: int, generator: torch.Generator) -> None:
        head_size = -(-config.width // config.heads)
        self_size = 2 * config.layers * config.heads * head_size
        super().__init__(in_features, config.width, (config.window - 1) * self_size + 1)
        self.past, self.slot_size = config.window - 1, self_size
        self.slot_shape = (config.layers, 2, config.heads * head_size)
        self.encoder = tanh_linear(in_features, config.width, generator)
        self.blocks = nn.ModuleList(
            _AttentionBlock(config, head_size, generator) for _ in range(config.layers)
        )

    def forward(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.forward`."""
        past, time, batch = self.past, *starts.shape
        slots, count = memory[:, :-1].reshape(batch, past, *self.slot_shape), memory[:, -1]
        trial = torch.cumsum(starts, 0)  # [T, B]: starts so far; what memory holds is of trial 0
        held = torch.arange(past, device=memory.device)[:, None] >= past - count  # [past, B]
        # Trial of each slot of the memory and of each step; -1 fits no step.
        trials = torch.cat((held.to(trial.dtype) - 1.0, trial))  # [past + T, B]
        present = trials[time:] == trial[-1]  # of the last `past` slots, those of the trial that goes on
        stream = torch.tanh(self.encoder(inputs))
        last: list[Tensor] = []
        for layer, block in enumerate(self._blocks()):
            stream, pairs = block(stream, trials, slots[:, :, layer].permute(2, 1, 0, 3))
            last.append(pairs[:, time:] * present[..., None])  # [2, past, B, inner]
        after = torch.stack(last).permute(3, 2, 0, 1, 4).reshape(batch, -1)
        return stream, torch.cat((after, present.sum(0)[:, None].to(memory.dtype)), 1)

    def step(self, inputs: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See `Core.step`."""
        # The memory is large: it is copied once, to move it on by a slot, and again only if a trial starts.
        kept = cleared(memory, starts) if mapped(starts) or starts.any() else memory
        slots, count = kept[:, :-1].view(-1, self.past, *self.slot_shape), kept[:, -1]
        held = torch.arange(self.past + 1, device=memory.device) >= self.past - count[:, None]
        stream = torch.tanh(self.encoder(inputs))
        newest: list[Tensor] = []
        for layer, block in enumerate(self._blocks()):
            stream, pair = block.step(stream, held, slots[:, :, layer])
            newest.append(pair.flatten(1))
        grown = (count + 1.0).clamp(max=self.past)[:, None]
        return stream, torch.cat((kept[:, self.slot_size : -1], *newest, grown), 1)

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
        before: Float[Tensor, "B past 2 inner"],
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B 2 inner"]]:
        """One step of `forward`; and this step's key and value."""
        query, now = self._project(stream)  # [B, inner], [2, B, inner]
        pair = now.movedim(0, 1)
        pairs = torch.cat((before, pair[:, None]), 1).movedim(2, 0)  # [2, B, window, inner]
        read = self._attend(query[:, None], pairs, self.distance_bias[:, None], held[:, None, None])
        return self._mix(stream, read[:, 0]), pair

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
        allowed: Bool[Tensor, "B 1 q k"],
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
