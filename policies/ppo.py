"""Proximal policy optimisation for a team with one shared reward; a single agent is a team of one.

Implementation details, numbered as on the algorithm's page:
 1. one advantage for all roles, from one critic; a clipped surrogate for each role, summed;
 2. values flow across inner episodes and end with the trial (`returns.py`);
 3. rewards are divided by the running deviation of the discounted return;
 4. observation statistics are frozen inside an iteration, so that the first ratio is 1;
 5. minibatches are whole segments with the memory that acting had at their start, all roles together;
 6. `differentiable` communication: the belief is computed anew in each minibatch, goes through the recorded
    channel (rates, noise), and replaces the received belief in the receivers' observations; the sender
    learns by the gradient that arrives, and has no surrogate of its own;
 7. an iteration stops early where the mean KL of an epoch passes `target_kl`;
 8. gradients are clipped for each network apart, so that a large critic loss does not slow the actors.

Sources: Schulman et al. 2017; MAPPO, Yu et al. 2022; DIAL, Foerster et al. 2016.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from policies.channel import received_sequence, straight_through_clip
from policies.cores import Core
from policies.normaliser import ReturnScale
from policies.returns import generalised_advantages
from policies.rollout import Rollout
from policies.team import BELIEF, SENDER, TeamNetwork

Communication = Literal["reinforced", "differentiable"]


@dataclass(frozen=True)
class PpoConfig:
    """Settings of the learner.

    Attributes:
        num_worlds: B, worlds that are played at once.
        rollout: T, steps of each world in an iteration.
        segment: steps that a gradient goes back through memory; divides `rollout`.
        minibatches: minibatches in an epoch; divides num_worlds * rollout / segment.
        epochs: passes over a rollout.
        learning_rate: of Adam at the start; falls linearly to `final_learning_rate` times it.
        final_learning_rate: share of the learning rate that is left at the end.
        memory_learning_rate: share of the learning rate for poles and step sizes of state-space cores.
        gamma, lam: discount and trace decay.
        clip: of the ratio.
        entropy: weight of the entropy bonus.
        value: weight of the value loss; at 0 the critic is not computed.
        gradient_norm: largest norm of each network's gradient.
        target_kl: mean KL of an epoch at which an iteration stops.
    """

    num_worlds: int = 16
    rollout: int = 400
    segment: int = 100
    minibatches: int = 16
    epochs: int = 6
    learning_rate: float = 1e-3
    final_learning_rate: float = 0.1
    memory_learning_rate: float = 0.1
    gamma: float = 0.97
    lam: float = 0.92
    clip: float = 0.2
    entropy: float = 0.0
    value: float = 0.5
    gradient_norm: float = 0.5
    target_kl: float = 0.05

    def __post_init__(self) -> None:
        if self.rollout % self.segment:
            raise ValueError(f"segment={self.segment} does not divide rollout={self.rollout}")
        sequences = self.num_worlds * self.rollout // self.segment
        if sequences % self.minibatches:
            raise ValueError(
                f"minibatches={self.minibatches} does not divide the {sequences} segments of a rollout "
                f"({self.num_worlds} worlds x {self.rollout // self.segment})"
            )


@dataclass
class Segments:
    """A rollout cut into sequences [L, N, ...] of L = `segment` steps, N = worlds x segments."""

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

    def take(self, rows: Tensor) -> Segments:
        """The sequences `rows`."""

        def pick(x: Tensor) -> Tensor:
            return x[:, rows]

        return Segments(
            observations={k: pick(v) for k, v in self.observations.items()},
            actions={k: pick(v) for k, v in self.actions.items()},
            noise={k: pick(v) for k, v in self.noise.items()},
            log_probs={k: pick(v) for k, v in self.log_probs.items()},
            memories={k: v[rows] for k, v in self.memories.items()},
            starts=pick(self.starts),
            states=pick(self.states),
            advantages=pick(self.advantages),
            returns=pick(self.returns),
            values=pick(self.values),
            snr=None if self.snr is None else pick(self.snr),
            channel_noise=None if self.channel_noise is None else pick(self.channel_noise),
        )


class Ppo:
    """The learner's state: optimiser, reward scale, and its own random stream."""

    def __init__(
        self,
        network: TeamNetwork,
        config: PpoConfig,
        communication: Communication,
        generator: torch.Generator,
    ) -> None:
        if communication not in ("reinforced", "differentiable"):
            raise ValueError(f"communication={communication!r}: 'reinforced' or 'differentiable' is expected")
        self.network, self.config, self.generator = network, config, generator
        self.differentiable = communication == "differentiable" and SENDER in network.roles
        slow = [p for m in network.modules() if isinstance(m, Core) for p in m.memory_parameters()]
        chosen = {id(p) for p in slow}
        fast = [p for p in network.parameters() if id(p) not in chosen]
        groups = [{"params": fast, "share": 1.0}]
        if slow:
            groups.append({"params": slow, "share": config.memory_learning_rate})
        self.optimiser = torch.optim.Adam(groups, lr=config.learning_rate, eps=1e-5, fused=True)
        self.return_scale = ReturnScale(config.num_worlds, config.gamma)

    def learn(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """One iteration on `rollout`; `progress` in [0, 1] is the share of the budget that is spent.

        Returns:
            Metrics by name.

        Raises:
            FloatingPointError: the loss is not finite; the parameters are those before the bad minibatch.
        """
        config, network = self.config, self.network
        rate = config.learning_rate * (1.0 - (1.0 - config.final_learning_rate) * progress)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        self.return_scale.update(rollout.rewards, rollout.dones)
        batch = self._segments(rollout)
        count = batch.starts.shape[1]
        totals: dict[str, float] = {}
        updates = epochs = 0
        for _ in range(config.epochs):
            order = torch.randperm(count, generator=self.generator)
            kl = 0.0
            for rows in order.chunk(config.minibatches):
                loss, metrics = self._loss(batch.take(rows))
                if not math.isfinite(metrics["loss"]):
                    raise FloatingPointError(
                        f"loss is {metrics['loss']} after {updates} updates of this iteration"
                    )
                self.optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                for part in (*network.actors.values(), network.critic):
                    norm = nn.utils.clip_grad_norm_(part.parameters(), config.gradient_norm)
                    if not math.isfinite(float(norm)):
                        raise FloatingPointError(f"a gradient is {float(norm)} after {updates} updates")
                self.optimiser.step()
                updates += 1
                kl += metrics["kl"] / config.minibatches
                for name, value in metrics.items():
                    totals[name] = totals.get(name, 0.0) + value
            epochs += 1
            if kl > config.target_kl:
                break
        self._update_statistics(rollout)
        averages = {name: value / updates for name, value in totals.items()}
        explained = 1.0 - (batch.returns - batch.values).var() / (batch.returns.var() + 1e-8)
        stds = {f"std/{r}": float(torch.exp(network.actor(r).log_std.detach()).mean()) for r in network.roles}
        return {
            **averages,
            **stds,
            "epochs": float(epochs),
            "learning_rate": rate,
            "explained_variance": float(explained),
            "episode_return": sum(rollout.episode_returns) / max(1, len(rollout.episode_returns)),
        }

    def loss(self, batch: Segments) -> tuple[Tensor, dict[str, float]]:
        """Loss and metrics of a minibatch, at the network's present parameters."""
        return self._loss(batch)

    def _loss(self, batch: Segments) -> tuple[Tensor, dict[str, float]]:
        network, config = self.network, self.config
        observations = dict(batch.observations)
        features: list[Tensor] = []
        surrogate = torch.zeros(())
        entropy = torch.zeros(())
        kls, clipped, belief_size = [], [], 0.0
        advantages = (batch.advantages - batch.advantages.mean()) / (batch.advantages.std() + 1e-8)
        for role in network.roles:  # the sender is first in the order of roles
            actor = network.actor(role)
            means, feature = actor.sequence(observations[role], batch.starts, batch.memories[role])
            features.append(feature.detach())
            if self.differentiable and role == SENDER:
                belief = straight_through_clip(means + torch.exp(actor.log_std) * batch.noise[role])
                belief_size = float(means.detach().abs().mean())
                self._send(belief, batch, observations)
                continue
            log_ratio = actor.log_prob(means, batch.actions[role]) - batch.log_probs[role]
            ratio = torch.exp(log_ratio)
            bounded = ratio.clamp(1.0 - config.clip, 1.0 + config.clip)
            surrogate = surrogate - torch.minimum(ratio * advantages, bounded * advantages).mean()
            entropy = entropy + actor.entropy()
            with torch.no_grad():
                kls.append(float((ratio - 1.0 - log_ratio).mean()))
                clipped.append(float(((ratio - 1.0).abs() > config.clip).float().mean()))
        value_loss = torch.zeros(())
        if config.value:
            values, _ = network.critic(batch.states, features, batch.starts, batch.memories["critic"])
            value_loss = (values - batch.returns).square().mean()
        loss = surrogate + config.value * value_loss - config.entropy * entropy
        return loss, {
            "loss": float(loss.detach()),
            "policy_loss": float(surrogate.detach()),
            "value_loss": float(value_loss.detach()),
            "kl": max(kls, default=0.0),
            "clip_fraction": sum(clipped) / max(1, len(clipped)),
            "belief_size": belief_size,
        }

    def _send(self, belief: Tensor, batch: Segments, observations: dict[str, Tensor]) -> None:
        """Put what comes of `belief` into the receivers' observations, with its gradient."""
        assert batch.snr is not None
        assert batch.channel_noise is not None
        heard = None  # one channel, one noise: every receiver hears the same
        for role in self.network.roles:
            where = self.network.actor(role).fields.get(BELIEF)
            if where is None:
                continue
            seen = observations[role]
            if heard is None:
                first = seen[0, :, where]
                heard = received_sequence(belief, batch.snr, batch.channel_noise, batch.starts, first)
            observations[role] = torch.cat([seen[..., : where.start], heard, seen[..., where.stop :]], dim=-1)

    def _segments(self, rollout: Rollout) -> Segments:
        config = self.config
        rewards = rollout.rewards * self.return_scale.scale
        advantages = generalised_advantages(
            rewards, rollout.values, rollout.dones, rollout.last_value, config.gamma, config.lam
        )

        def cut(x: Tensor) -> Tensor:  # [T, B, ...] -> [L, T/L * B, ...]
            parts = x.reshape(-1, config.segment, *x.shape[1:]).transpose(0, 1)
            return parts.reshape(config.segment, -1, *x.shape[2:])

        return Segments(
            observations={k: cut(v) for k, v in rollout.observations.items()},
            actions={k: cut(v) for k, v in rollout.actions.items()},
            noise={k: cut(v) for k, v in rollout.noise.items()},
            log_probs={k: cut(v) for k, v in rollout.log_probs.items()},
            memories={k: v.flatten(0, 1) for k, v in rollout.memories.items()},
            starts=cut(rollout.starts),
            states=cut(rollout.states),
            advantages=cut(advantages),
            returns=cut(advantages + rollout.values),
            values=cut(rollout.values),
            snr=None if rollout.snr is None else cut(rollout.snr),
            channel_noise=None if rollout.channel_noise is None else cut(rollout.channel_noise),
        )

    def _update_statistics(self, rollout: Rollout) -> None:
        for role in self.network.roles:
            self.network.actor(role).normaliser.update(rollout.observations[role])
        self.network.critic.normaliser.update(rollout.states)
