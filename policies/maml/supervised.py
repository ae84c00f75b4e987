"""MAML for data that people already have: a model that fits a new task after a few gradient steps on it.

    model = fit(model, tasks, SupervisedConfig(), generator)      # tasks of (support, query) pairs
    mine = adapt(model, support)                                  # a copy, fitted to one new task

A task's support and query are pairs (inputs, targets) of equal length, such as the sequences [T, B, I] and
[T, B, F] of one system; the model maps inputs to outputs. The loss is the mean squared error unless another
is given. Source: Finn et al. 2017; learned rates: Li et al. 2017 (Meta-SGD); `reptile`: Nichol et al. 2018.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad
from torch.nn import functional

from policies.ranges import check_count, check_number

Pair = tuple[Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class SupervisedConfig:
    """How a model is meta-trained and adapted.

    Attributes:
        algorithm: `maml`, `fomaml` (first order) or `reptile`.
        inner_steps: gradient steps on the support.
        inner_rate: their learning rate.
        learned_rates: a learning rate for each number, learned with the model; not with `reptile`.
        iterations: outer steps.
        tasks: tasks in an outer step.
        learning_rate: of Adam; with `reptile`, the share of the way to the adapted parameters.
    """

    algorithm: Literal["maml", "fomaml", "reptile"] = "maml"
    inner_steps: int = 1
    inner_rate: float = 0.01
    learned_rates: bool = False
    iterations: int = 1000
    tasks: int = 16
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        if self.algorithm not in ("maml", "fomaml", "reptile"):
            raise ValueError(f"algorithm={self.algorithm!r}: 'maml', 'fomaml' or 'reptile' is expected")
        check_count(self, "inner_steps", "tasks", least=1)
        check_count(self, "iterations", least=0)  # with none the model stays as it was made
        check_number(self, "inner_rate", least=0.0)
        check_number(self, "learning_rate", least=0.0, above=True)
        if self.learned_rates and self.algorithm == "reptile":
            raise ValueError("learned_rates with reptile: it has no query loss to learn them from")


@dataclass
class MetaTrained:
    """What `fit` left.

    Attributes:
        model: the prior; the module that was given, trained in place.
        rates: learning rates of its parameters by name.
        config: how it was trained.
        losses: mean query loss after adaptation, of each iteration (support loss before it with `reptile`).
    """

    model: nn.Module
    rates: dict[str, Tensor]
    config: SupervisedConfig
    losses: list[float]


def fit(
    model: nn.Module,
    tasks: Sequence[tuple[Pair, Pair]],
    config: SupervisedConfig,
    generator: torch.Generator,
    loss: Loss = functional.mse_loss,
) -> MetaTrained:
    """Meta-train `model`, in place, on tasks of ((inputs, targets) support, (inputs, targets) query).

    Args:
        model: maps inputs to outputs; second order needs operations that are differentiable twice.
        tasks: at least one; an outer step draws `config.tasks` of them.
        config: how.
        generator: draws the tasks.
        loss: of outputs and targets, a scalar.

    Raises:
        ValueError: no tasks, or a pair whose inputs and targets differ in length.
        FloatingPointError: the loss or a step is not finite; the model is as it was before that step.
    """
    _check(tasks)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    rates = {
        name: torch.full_like(p, config.inner_rate).requires_grad_()
        if config.learned_rates
        else torch.tensor(config.inner_rate)
        for name, p in parameters.items()
    }
    learned = list(rates.values()) if config.learned_rates else []
    optimiser = torch.optim.Adam([*parameters.values(), *learned], lr=config.learning_rate)
    losses = []
    for iteration in range(config.iterations):
        drawn = torch.randint(len(tasks), (config.tasks,), generator=generator).tolist()
        total = 0.0
        optimiser.zero_grad(set_to_none=True)
        moved = {name: torch.zeros_like(p) for name, p in parameters.items()}
        for support, query in (tasks[i] for i in drawn):
            adapted = _adapted(model, parameters, rates, support, config, loss)
            if config.algorithm == "reptile":
                total += float(loss(model(support[0]), support[1]).detach())
                for name, value in adapted.items():
                    moved[name] += (value - parameters[name]).detach() / config.tasks
            else:
                found = loss(functional_call(model, adapted, (query[0],)), query[1]) / config.tasks
                found.backward()  # type: ignore[no-untyped-call]
                total += float(found.detach()) * config.tasks
        if not math.isfinite(total):
            raise FloatingPointError(f"loss is {total / config.tasks} in iteration {iteration}")
        trained = (*parameters.values(), *learned)
        steps = moved.values() if config.algorithm == "reptile" else (p.grad for p in trained)
        if not all(step is None or bool(torch.isfinite(step).all()) for step in steps):
            raise FloatingPointError(f"a step is not finite in iteration {iteration}")
        losses.append(total / config.tasks)
        if config.algorithm == "reptile":
            with torch.no_grad():
                for name, p in parameters.items():
                    p.add_(moved[name], alpha=config.learning_rate)
        else:
            optimiser.step()
    return MetaTrained(model, {name: rate.detach() for name, rate in rates.items()}, config, losses)


def adapt(trained: MetaTrained, support: Pair, loss: Loss = functional.mse_loss) -> nn.Module:
    """A copy of the model, after the inner steps on `support`; the model itself stays as it is."""
    _check([(support, support)])
    model = copy.deepcopy(trained.model)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    adapted = _adapted(model, parameters, trained.rates, support, trained.config, loss)
    with torch.no_grad():
        for name, p in parameters.items():
            p.copy_(adapted[name])
    return model


def _adapted(
    model: nn.Module,
    parameters: dict[str, nn.Parameter],
    rates: dict[str, Tensor],
    support: Pair,
    config: SupervisedConfig,
    loss: Loss,
) -> dict[str, Tensor]:
    def support_loss(inner: dict[str, Tensor]) -> Tensor:
        return loss(functional_call(model, inner, (support[0],)), support[1])

    adapted: dict[str, Tensor] = dict(parameters)
    for _ in range(config.inner_steps):
        gradient = grad(support_loss)(adapted)
        if config.algorithm != "maml":
            gradient = {name: value.detach() for name, value in gradient.items()}
        adapted = {name: value - rates[name] * gradient[name] for name, value in adapted.items()}
    return adapted


def _check(tasks: Sequence[tuple[Pair, Pair]]) -> None:
    if not tasks:
        raise ValueError("no tasks: give at least one ((inputs, targets), (inputs, targets))")
    for number, pairs in enumerate(tasks):
        for name, (inputs, targets) in zip(("support", "query"), pairs, strict=True):
            if len(inputs) != len(targets):
                raise ValueError(
                    f"task {number}: {name} of {len(inputs)} inputs and {len(targets)} targets: as many are "
                    "expected"
                )
