"""A rollout as learning reads it: sequences of equal length, in minibatches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Segments:
    """A rollout cut into sequences [L, N, ...] of L = `segment` steps, N = worlds x segments.

    Attributes:
        observations: role -> [L, N, O], normalised: the statistics stand still inside an iteration.
        actions: role -> [L, N, A], as drawn, before the environment clips them.
        noise: role -> the standard normal numbers behind them [L, N, A].
        log_probs: role -> log density of the action when it was drawn [L, N].
        memories: role (or "critic") -> memory before the first step [N, S].
        starts: 1 where a step is the first of a trial [L, N].
        states: what the critic reads beside features, normalised [L, N, S].
        advantages, returns, values: of each step, in scaled rewards [L, N].
        snr, channel_noise: of the belief channel at each step; None without differentiable messages.
        active: 1 where the acting roles' actions count [L, N]; None where they always do.
    """

    observations: dict[str, Tensor]
    actions: dict[str, Tensor]
    noise: dict[str, Tensor]
    log_probs: dict[str, Tensor]
    memories: dict[str, Tensor]
    starts: Tensor
    states: Tensor
    advantages: Tensor
    returns: Tensor
    values: Tensor
    snr: Tensor | None
    channel_noise: Tensor | None
    active: Tensor | None

    def shuffled(self, order: Tensor, minibatches: int) -> Iterator[Segments]:
        """The sequences in `order` [N], cut into `minibatches` [L, N / minibatches, ...].

        Each field is gathered once for all minibatches, which lie one after the other in memory.
        """
        length, count = self.starts.shape
        rows = order.view(minibatches, 1, -1) + count * torch.arange(length, device=order.device)[:, None]

        def gather(x: Tensor) -> list[Tensor]:  # [L, N, ...] -> minibatches of [L, n, ...]
            picked = x.flatten(0, 1).index_select(0, rows.flatten())
            return list(picked.view(minibatches, length, -1, *x.shape[2:]).unbind(0))

        def gather_all(fields: dict[str, Tensor]) -> dict[str, list[Tensor]]:
            return {name: gather(x) for name, x in fields.items()}

        observations, actions = gather_all(self.observations), gather_all(self.actions)
        noise, log_probs = gather_all(self.noise), gather_all(self.log_probs)
        memories = {k: v.index_select(0, order).chunk(minibatches) for k, v in self.memories.items()}
        starts, states, values = gather(self.starts), gather(self.states), gather(self.values)
        advantages, returns = gather(self.advantages), gather(self.returns)
        snr = None if self.snr is None else gather(self.snr)
        active = None if self.active is None else gather(self.active)
        channel_noise = None if self.channel_noise is None else gather(self.channel_noise)
        for i in range(minibatches):
            yield Segments(
                observations={k: v[i] for k, v in observations.items()},
                actions={k: v[i] for k, v in actions.items()},
                noise={k: v[i] for k, v in noise.items()},
                log_probs={k: v[i] for k, v in log_probs.items()},
                memories={k: v[i] for k, v in memories.items()},
                starts=starts[i],
                states=states[i],
                advantages=advantages[i],
                returns=returns[i],
                values=values[i],
                snr=None if snr is None else snr[i],
                channel_noise=None if channel_noise is None else channel_noise[i],
                active=None if active is None else active[i],
            )


def mean_over_active(x: Tensor, active: Tensor | None) -> Tensor:
    """Mean of x [...] over the steps that count, `active` [...], or all of them; 0 if there are none."""
    return x.mean() if active is None else torch.where(active, x, 0.0).sum() / active.sum().clamp(min=1)
