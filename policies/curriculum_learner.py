"""The environment role as a learner: a contextual bandit that chooses the task of each trial.

Its context is the ledger, its one decision a trial the proposal in the setup step, its payment the absolute
learning progress when the trial ends (`ma_ssm_env.ledger`). No other step of a trial is a decision, so none
enters its loss, its entropy, its KL or its statistics. Decisions are collected over rollouts, as trials end;
once there are enough, they are learned from by a clipped policy gradient against a baseline of its own,
V(ledger), the payment that is expected. There is no discount: each payment belongs to one decision.

Sources: Williams 1992 (policy gradient with a baseline); Schulman et al. 2017 (clipping); Portelas et al.
2019 (what is paid).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from policies.cores import CoreConfig, make_core
from policies.ranges import check_count, check_number
from policies.role_network import HeadConfig, RoleNetwork, linear
from policies.tensor_store import arrays_of, tensors_of


@dataclass(frozen=True)
class CurriculumConfig:
    """Settings of the environment role's learner.

    Attributes:
        decisions: trials that an update waits for.
        epochs: steps of the optimiser on them; each uses them all.
        learning_rate: of Adam.
        clip: of the ratio.
        entropy: weight of the entropy bonus, which keeps the proposals spread.
        value: weight of the baseline's loss.
        gradient_norm: largest norm of the gradient of the policy, and of that of the baseline's core; the
            linear layer from the core to the expected payment is not clipped.
        target_kl: KL at which an update stops.
    """

    decisions: int = 128
    epochs: int = 8
    learning_rate: float = 1e-3
    clip: float = 0.2
    entropy: float = 0.003
    value: float = 0.5
    gradient_norm: float = 0.5
    target_kl: float = 0.05

    def __post_init__(self) -> None:
        check_count(self, "decisions", least=2)  # payments are compared
        check_count(self, "epochs", least=1)
        check_number(self, "learning_rate", least=0.0, above=True)
        check_number(self, "clip", "gradient_norm", least=0.0, above=True, finite=False)
        check_number(self, "target_kl", least=0.0, finite=False)
        check_number(self, "entropy", "value", least=0.0)


class ProposalNetwork(nn.Module):
    """Proposals and the payment that is expected, from what the environment role observes.

    Attributes:
        actor: a role network without memory.
    """

    def __init__(
        self,
        fields: dict[str, slice],
        action_fields: dict[str, slice],
        width: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        core = CoreConfig(kind="mlp", width=width)
        # A deviation of 0.6 covers the range of a coordinate, [-1, 1].
        self.actor = RoleNetwork(fields, action_fields, core, HeadConfig(log_std=math.log(0.6)), generator)
        self.baseline = make_core(core, self.actor.core.in_features, generator)
        self.value_head = linear(width, 1, 1.0, generator)

    def evaluate(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Means [N, k] and expected payments [N] for observations [N, O]."""
        starts = torch.zeros(len(observations), device=observations.device)
        none = self.actor.initial_memory(len(observations))
        means, _, _ = self.actor.step(observations, starts, none)
        hidden, _ = self.baseline.step(self.actor.normaliser(observations), starts, none)
        value: Tensor = self.value_head(hidden)
        return means, value.squeeze(-1)


@dataclass
class _Decisions:
    """Decisions [N, ...]."""

    observations: Tensor
    actions: Tensor
    log_probs: Tensor
    payments: Tensor

    @classmethod
    def none(cls, observation_size: int, action_size: int) -> _Decisions:
        sizes = ((0, observation_size), (0, action_size), (0,), (0,))
        return cls(*(torch.zeros(size) for size in sizes))

    def and_then(self, other: _Decisions) -> _Decisions:
        return _Decisions(*(torch.cat([a, b]) for a, b in zip(self.parts, other.parts, strict=True)))

    def take(self, rows: Tensor) -> _Decisions:
        return _Decisions(*(part[rows] for part in self.parts))

    @property
    def parts(self) -> tuple[Tensor, ...]:
        return (self.observations, self.actions, self.log_probs, self.payments)

    def __len__(self) -> int:
        return len(self.payments)


class CurriculumLearner:
    """Proposes a task where a trial begins, is told what it was paid, and learns from that.

    Args:
        network: what proposes.
        config: settings.
        num_worlds: B.
        seed: of what it draws.
    """

    def __init__(
        self, network: ProposalNetwork, config: CurriculumConfig, num_worlds: int, seed: int
    ) -> None:
        self.network, self.config = network, config
        self._generator = torch.Generator().manual_seed(seed)
        self.optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate, eps=1e-5)
        sizes = network.actor.core.in_features, network.actor.action_size
        blank = _Decisions.none(*sizes)
        self._pending = _Decisions(*(part.new_zeros(num_worlds, *part.shape[1:]) for part in blank.parts))
        self._waits = torch.zeros(num_worlds, dtype=torch.bool)  # a decision that is not yet paid
        self._finished = blank

    @torch.no_grad()
    def propose(self, observations: NDArray[np.float32], setup: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Actions [B, k] for observations [B, O]; 0 where no trial is at its setup step [B]."""
        actions = torch.zeros_like(self._pending.actions)
        if setup.any():
            rows = torch.from_numpy(setup)
            seen = torch.from_numpy(observations)[rows]
            means, _ = self.network.evaluate(seen.to(self.network.value_head.weight.device))
            noise = torch.randn(means.shape, generator=self._generator)
            chosen = means + torch.exp(self.network.actor.log_std) * noise.to(means.device)
            self._pending.observations[rows] = seen
            self._pending.actions[rows] = actions[rows] = chosen.cpu()
            self._pending.log_probs[rows] = self.network.actor.log_prob(means, chosen).cpu()
            self._waits |= rows
        found: NDArray[np.float32] = actions.numpy()
        return found

    def pay(self, payments: NDArray[np.float64], ended: NDArray[np.bool_]) -> None:
        """Take what the environment role was paid [B] where trials ended [B]."""
        rows = self._waits & torch.from_numpy(ended)
        if rows.any():
            self._pending.payments[rows] = torch.from_numpy(payments).float()[rows]
            self._finished = self._finished.and_then(self._pending.take(rows))
            self._waits &= ~rows

    def learn(self) -> dict[str, float]:
        """Learn from the decisions that were paid, if there are enough; metrics, or nothing.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        batch, config = self._finished, self.config
        if len(batch) < config.decisions:
            return {}
        self._finished = batch.take(torch.arange(0))
        batch = _Decisions(*(part.to(self.network.value_head.weight.device) for part in batch.parts))
        self.network.actor.normaliser.update(batch.observations)
        metrics: dict[str, float] = {}
        for _ in range(config.epochs):
            loss, metrics = self.loss(batch)
            if not math.isfinite(metrics["curriculum_loss"]):
                raise FloatingPointError(f"the curriculum's loss is {metrics['curriculum_loss']}")
            if metrics["curriculum_kl"] > config.target_kl:
                break
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            for part in (self.network.actor, self.network.baseline):
                nn.utils.clip_grad_norm_(part.parameters(), config.gradient_norm)
            self.optimiser.step()
        std = torch.exp(self.network.actor.log_std.detach()).mean()
        return {
            **metrics,
            "curriculum_decisions": float(len(batch)),
            "curriculum_payment": float(batch.payments.mean()),
            "curriculum_std": float(std),
        }

    def loss(self, batch: _Decisions) -> tuple[Tensor, dict[str, float]]:
        """Clipped surrogate, baseline's error and entropy bonus over decisions: a scalar, and metrics."""
        config, actor = self.config, self.network.actor
        means, expected = self.network.evaluate(batch.observations)
        advantages = batch.payments - expected.detach()
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        log_ratio = actor.log_prob(means, batch.actions) - batch.log_probs
        ratio = torch.exp(log_ratio)
        bounded = ratio.clamp(1.0 - config.clip, 1.0 + config.clip)
        surrogate = -torch.minimum(ratio * advantages, bounded * advantages).mean()
        value_loss = (expected - batch.payments).square().mean()
        loss = surrogate + config.value * value_loss - config.entropy * actor.entropy()
        return loss, {
            "curriculum_loss": float(loss.detach()),
            "curriculum_kl": float((ratio - 1.0 - log_ratio).mean().detach()),
        }

    def clone_state(self) -> dict[str, Any]:
        """A copy of all that it goes on from, beside its network: optimiser, generator, decisions."""
        moments = self.optimiser.state_dict()["state"]
        return {
            "optimiser": {str(index): arrays_of(values) for index, values in moments.items()},
            "generator": self._generator.get_state().numpy().copy(),
            "pending": [arrays_of(part) for part in self._pending.parts],
            "waits": arrays_of(self._waits),
            "finished": [arrays_of(part) for part in self._finished.parts],
        }

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, bit for bit."""
        moments = {int(index): tensors_of(values) for index, values in state["optimiser"].items()}
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self._generator.set_state(torch.from_numpy(state["generator"].copy()))
        self._pending = _Decisions(*(tensors_of(part) for part in state["pending"]))
        self._waits = tensors_of(state["waits"])
        self._finished = _Decisions(*(tensors_of(part) for part in state["finished"]))
