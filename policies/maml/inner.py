"""The inner step: one step of policy gradient on the trials of one task, batched over tasks.

Parameters are dictionaries name -> tensor, with the names of `TeamNetwork.named_parameters()`. Those of all
tasks together have a leading axis N. What adapts is a setting: all of a role's network or its head alone
(ANIL), all roles or some; the critic never does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from policies.maml.estimators import ESTIMATORS, Estimator, divergence, surrogate
from policies.ranges import check_count, check_number
from policies.team import TeamNetwork

Parameters = dict[str, Tensor]
Trials = dict[str, Any]  # "observations", "actions": by role; "sampled", "advantages", "starts"
InnerFeedback = Literal["observed", "step", "episode"]
VMAPPED_CORES = ("mlp", "s5")  # mapped, gru and lstm fall back to plain cells; the others are untried here


@dataclass(frozen=True)
class InnerConfig:
    """What adaptation does.

    Attributes:
        steps: inner steps, each on fresh trials; 0 is plain multi-task PPO.
        rate: learning rate of a step, of plain gradient ascent; where rates are learned, at the start.
        learned_rates: a rate for each number that adapts, learned with the prior (Meta-SGD, Li et al. 2017).
        estimator: whose second derivative is used.
        adapts: `all` of a role's network, or its `head` alone (ANIL, Raghu et al. 2020).
        roles: roles that adapt; none named means all.
        feedback: the rewards that adaptation learns from: those that are `observed` under the environment's
            option `feedback`; or it is told the reward of every `step`, or at the end of each inner episode
            its return / horizon (`episode`), the mean reward unless the body fell early, whatever the roles
            see.
        gamma, lam: discount and trace decay of the inner advantages.
    """

    steps: int = 1
    rate: float = 0.1
    learned_rates: bool = False
    estimator: Estimator = "lvc"
    adapts: Literal["all", "head"] = "all"
    roles: tuple[str, ...] = ()
    feedback: InnerFeedback = "observed"
    gamma: float = 0.99
    lam: float = 1.0

    def __post_init__(self) -> None:
        check_count(self, "steps", least=0)
        check_number(self, "rate", least=0.0)
        check_number(self, "gamma", "lam", least=0.0, most=1.0)
        if self.estimator not in ESTIMATORS:
            raise ValueError(f"estimator={self.estimator!r}: one of {', '.join(ESTIMATORS)} is expected")
        if self.adapts not in ("all", "head"):
            raise ValueError(f"adapts={self.adapts!r}: 'all' or 'head' is expected")
        if self.feedback not in get_args(InnerFeedback):
            raise ValueError(f"feedback={self.feedback!r}: one of {get_args(InnerFeedback)} is expected")


class Adaptation:
    """The inner step of a network.

    Attributes:
        roles: roles that adapt.
        names: names of the parameters that adapt.
        rates: their learning rates: one number for all of a tensor, or one for each of its numbers.
    """

    def __init__(self, network: TeamNetwork, config: InnerConfig) -> None:
        unknown = [role for role in config.roles if role not in network.roles]
        if unknown:
            raise ValueError(f"role {unknown[0]!r} adapts: one of {', '.join(network.roles)} is expected")
        self.network, self.config = network, config
        self.roles = tuple(role for role in network.roles if not config.roles or role in config.roles)
        parts = ("head.", "log_std") if config.adapts == "head" else ("",)
        prefixes = tuple(f"actors.{role}.{part}" for role in self.roles for part in parts)
        self.names = tuple(name for name, _ in network.named_parameters() if name.startswith(prefixes))
        common = Counter(id(p) for actor in network.actors.values() for p in actor.parameters())
        tied = [name for name in self.names if common[id(network.get_parameter(name))] > 1]
        if tied and config.steps:
            raise ValueError(
                f"shared=True with {config.steps} inner steps on {tied[0]}: it is a parameter of other roles "
                "too, which cannot adapt each for itself; set shared=False, or 0 inner steps"
            )
        self.batched = network.config.core.kind in VMAPPED_CORES
        self._log_probs = _LogProbs(network, self.roles)
        named = dict(network.named_parameters())
        self.rates: Parameters = {
            name: torch.full_like(named[name], config.rate).requires_grad_()
            if config.learned_rates
            else torch.tensor(config.rate)
            for name in self.names
        }

    def with_steps(self, steps: int) -> Adaptation:
        """The same adaptation, with the same rates, by another number of inner steps."""
        other = Adaptation(self.network, replace(self.config, steps=steps))
        other.rates = self.rates
        return other

    def prior(self) -> Parameters:
        """The network's own parameters, of those that adapt."""
        named = dict(self.network.named_parameters())
        return {name: named[name] for name in self.names}

    def log_probs(self, parameters: Parameters, trials: Trials) -> Tensor:
        """Joint log density of the adapting roles' actions in trials of one task [T, M]."""
        inner = {f"network.{name}": value for name, value in parameters.items()}
        given = (trials["observations"], trials["actions"], trials["starts"])
        result: Tensor = functional_call(self._log_probs, inner, given)
        return result

    def step(
        self,
        parameters: Parameters,
        trials: Trials,
        rates: Mapping[str, Tensor] | None = None,
        first_order: bool = False,
    ) -> tuple[Parameters, Tensor]:
        """Parameters after one step on trials of one task, differentiable to any order, and the KL before it.

        The KL, a scalar, is that of the present policy from the one that sampled the trials; 0 when it is
        that policy. Under `first_order` the step's gradient counts as a constant.
        """
        rates = self.rates if rates is None else rates

        def loss(inner: Parameters) -> tuple[Tensor, Tensor]:
            log_probs = self.log_probs(inner, trials)
            advantages, starts = trials["advantages"], trials["starts"]
            sampled, estimator = trials["sampled"], self.config.estimator
            objective = surrogate(log_probs, sampled, advantages, starts, estimator)
            return -objective, divergence(log_probs, sampled)

        gradient, kl = grad(loss, has_aux=True)(parameters)
        if first_order:
            gradient = {name: value.detach() for name, value in gradient.items()}
        return {name: value - rates[name] * gradient[name] for name, value in parameters.items()}, kl

    @torch.no_grad()
    def adapt_all(self, parameters: Parameters | None, trials: Trials, tasks: int) -> Parameters:
        """One step on every task, without a graph: parameters with a leading axis N.

        Args:
            parameters: with a leading axis N; None is the network's own for every task.
            trials: of all tasks, worlds grouped by task [T, N * M, ...].
            tasks: N.
        """
        grouped = by_task(trials, tasks)
        start = self.prior() if parameters is None else parameters
        rates = {name: rate.detach() for name, rate in self.rates.items()}
        axis = None if parameters is None else 0
        if self.batched:

            def one(inner: Parameters, data: Trials) -> Parameters:
                return self.step(inner, data, rates)[0]

            stacked: Parameters = vmap(one, in_dims=(axis, 1), randomness="error")(start, grouped)
            return stacked
        rows = [
            self.step(start if axis is None else task_of(start, i), one_task(grouped, i), rates)[0]
            for i in range(tasks)
        ]
        return {name: torch.stack([row[name] for row in rows]) for name in self.names}


class _LogProbs(nn.Module):
    """The roles' joint log density as a module, for `functional_call`."""

    def __init__(self, network: TeamNetwork, roles: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self.acting = network, roles

    def forward(self, observations: dict[str, Tensor], actions: dict[str, Tensor], starts: Tensor) -> Tensor:
        total = torch.zeros(())
        for role in self.acting:
            actor = self.network.actor(role)
            memory = actor.initial_memory(starts.shape[1])
            means, _ = actor.sequence(observations[role], starts, memory)
            total = total + actor.log_prob(means, actions[role])
        return total


def by_task(trials: Any, tasks: int) -> Any:
    """[T, N * M, ...] -> [T, N, M, ...] in every tensor."""
    if isinstance(trials, dict):
        return {name: by_task(value, tasks) for name, value in trials.items()}
    return trials.view(trials.shape[0], tasks, -1, *trials.shape[2:])


def one_task(grouped: Any, task: int) -> Any:
    """Task `task` of trials that are grouped by task: [T, M, ...]."""
    if isinstance(grouped, dict):
        return {name: one_task(value, task) for name, value in grouped.items()}
    return grouped[:, task]


def task_of(parameters: Parameters, task: int) -> Parameters:
    """Row `task` of parameters with a leading axis N."""
    return {name: value[task] for name, value in parameters.items()}
