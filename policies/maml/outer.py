"""The outer step: better parameters to adapt from, or, with zero inner steps, plain multi-task PPO.

    minimise  mean over tasks of  L_PPO(theta'_i; D'_i) + b L_PPO(theta; D_i)
                                  + c sum over inner steps of KL(sampled || present),
    theta'_i = theta + rate * grad J(theta; D_i),

for some epochs on the same data. L_PPO is `Ppo.loss`, the very code that trains everything else, evaluated at
each task's adapted parameters, which are computed anew from the present theta, so that its gradient passes
through the inner steps (Rothfuss et al. 2019, ProMP; Finn et al. 2017, MAML). First-order MAML counts an
inner gradient as a constant; Reptile (Nichol et al. 2018) needs no outer data: theta moves towards the mean
of the adapted parameters. The term b counts what the prior earns before it adapts; without it nothing keeps a
prior from giving its own return away for what its trials teach, the use of its memory included. With zero
inner steps the update *is* `Ppo.learn`, critic included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.func import functional_call

from policies.maml.inner import Adaptation, Parameters, Trials, by_task, one_task
from policies.ppo import Ppo
from policies.ranges import check_number
from policies.segments import Segments

Algorithm = Literal["maml", "fomaml", "reptile"]


@dataclass(frozen=True)
class OuterConfig:
    """How the prior is learned; what it shares with PPO is in `PpoConfig`.

    Attributes:
        algorithm: `maml`, with second derivatives; `fomaml`, without; `reptile`.
        kl: weight of the inner KL.
        before: weight of PPO's loss on the prior's own trials; 0 is MAML as published.
        reptile_rate: share of the way to the mean of the adapted parameters.
    """

    algorithm: Algorithm = "maml"
    kl: float = 5e-4
    before: float = 0.0
    reptile_rate: float = 0.3

    def __post_init__(self) -> None:
        if self.algorithm not in get_args(Algorithm):
            raise ValueError(f"algorithm={self.algorithm!r}: one of {get_args(Algorithm)} is expected")
        check_number(self, "kl", "before", least=0.0)
        check_number(self, "reptile_rate", least=0.0, most=1.0, above=True)
        if self.before and self.algorithm == "reptile":
            raise ValueError(f"before={self.before} with reptile: it has no outer loss; set before=0")


class Outer:
    """Learner of the prior, around PPO's optimiser."""

    def __init__(self, ppo: Ppo, adaptation: Adaptation, config: OuterConfig) -> None:
        self.ppo, self.adaptation, self.config = ppo, adaptation, config
        self._loss = _Loss(ppo)
        learned = [rate for rate in adaptation.rates.values() if rate.requires_grad]
        if learned:
            ppo.optimiser.add_param_group({"params": learned, "share": 1.0})

    def learn(
        self,
        inner: Sequence[Trials],
        outer: Segments,
        tasks: int,
        progress: float,
        own: Segments | None = None,
    ) -> dict[str, float]:
        """Some epochs on the trials of N tasks.

        Args:
            inner: of each inner step, worlds grouped by task [T, N * M, ...].
            outer: trials that were played with the adapted parameters, grouped in the same way.
            tasks: N.
            progress: share of the budget that is spent, in [0, 1].
            own: the prior's trials, grouped in the same way; needed where `before` is not 0.

        Returns:
            Metrics by name, means over tasks and epochs.

        Raises:
            FloatingPointError: the loss is not finite; the parameters are those before the bad step.
        """
        settings, optimiser = self.ppo.config, self.ppo.optimiser
        rate = settings.learning_rate * (1.0 - (1.0 - settings.final_learning_rate) * progress)
        for group in optimiser.param_groups:
            group["lr"] = rate * group["share"]
        grouped = [by_task(data, tasks) for data in inner]
        in_order = torch.arange(outer.starts.shape[1])
        before = [None] * tasks if own is None else list(own.shuffled(in_order, tasks))
        data = [
            ([one_task(part, i) for part in grouped], segments, before[i])
            for i, segments in enumerate(outer.shuffled(in_order, tasks))
        ]
        totals: dict[str, float] = {}
        epochs = 0
        for _ in range(settings.epochs):
            optimiser.zero_grad(set_to_none=True)
            means: dict[str, float] = {}
            for task in data:
                loss, metrics = self.objective(*task)
                (loss / tasks).backward()  # type: ignore[no-untyped-call]
                for name, value in metrics.items():
                    means[name] = means.get(name, 0.0) + value / tasks
            if not math.isfinite(means["loss"]):
                raise FloatingPointError(f"loss is {means['loss']} after {epochs} outer steps")
            self.ppo.parameters.collect()
            for norm in self.ppo.parameters.clip(settings.gradient_norm):
                if not math.isfinite(norm):
                    raise FloatingPointError(f"a gradient is {norm} after {epochs} outer steps")
            optimiser.step()
            epochs += 1
            for name, value in means.items():
                totals[name] = totals.get(name, 0.0) + value
            if means["kl"] > settings.target_kl:
                break
        averages = {name: value / epochs for name, value in totals.items()}
        return {**averages, "epochs": float(epochs), "learning_rate": rate}

    def objective(
        self, trials: Sequence[Trials], segments: Segments, own: Segments | None = None
    ) -> tuple[Tensor, dict[str, float]]:
        """Loss of one task, a scalar, differentiable in the network's parameters and the learned rates.

        Args:
            trials: of each inner step.
            segments: trials that were played with the adapted parameters.
            own: trials that were played with the prior, where they count (`before`).
        """
        parameters: Parameters = self.adaptation.prior()
        inner_kl = torch.zeros(())
        for data in trials:
            first_order = self.config.algorithm == "fomaml"
            parameters, kl = self.adaptation.step(parameters, data, first_order=first_order)
            inner_kl = inner_kl + kl
        inner = {f"network.{name}": value for name, value in parameters.items()}
        loss, metrics = functional_call(self._loss, inner, (segments,))
        total = loss + self.config.kl * inner_kl
        if own is not None:
            total = total + self.config.before * self.ppo.loss(own)[0]
        found = {name: metrics[name] for name in ("policy_loss", "kl", "clip_fraction")}
        return total, {"loss": float(total.detach()), "inner_kl": float(inner_kl.detach()), **found}

    @torch.no_grad()
    def towards(self, adapted: Parameters) -> dict[str, float]:
        """Reptile: move towards the mean of the adapted parameters [N, ...].

        Raises:
            FloatingPointError: adapted parameters that are not finite.
        """
        moved = 0.0
        for name, value in self.adaptation.prior().items():
            change = adapted[name].mean(0) - value
            if not bool(torch.isfinite(change).all()):
                raise FloatingPointError(f"{name}: the adapted parameters are not finite")
            moved += float(change.square().sum())
            value.add_(change, alpha=self.config.reptile_rate)
        return {"distance": math.sqrt(moved)}


class _Loss(nn.Module):
    """PPO's loss as a module, for `functional_call`: `ppo.network` is its submodule."""

    def __init__(self, ppo: Ppo) -> None:
        super().__init__()
        self.network = ppo.network
        self._ppo = ppo

    def forward(self, segments: Segments) -> tuple[Tensor, dict[str, Any]]:
        return self._ppo.loss(segments)
