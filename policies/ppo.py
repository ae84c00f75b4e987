"""Proximal policy optimisation for a team with one shared reward; a single agent is a team of one.

Implementation details, numbered as on the algorithm's page:
 1. one advantage for all roles, from one critic; a clipped surrogate for each role, summed;
 2. values flow across inner episodes and end with the trial (`returns.py`);
 3. rewards are divided by the running deviation of the discounted return;
 4. observation statistics are frozen inside an iteration, so that the first ratio is 1, and observations
    are normalised once for all its minibatches;
 5. minibatches are whole segments with the memory that acting had at their start, all roles together;
 6. `differentiable` communication: the belief is computed anew in each minibatch, goes through the recorded
    channel (rates, noise), and replaces the received belief in the receivers' observations; the sender
    learns by the gradient that arrives, and has no surrogate of its own;
 7. an iteration stops early where the mean KL of an epoch passes `target_kl`;
 8. gradients are clipped for each network apart, so that a large critic loss does not slow the actors;
 9. where the state model forecasts its sensors, or infers the hidden task, its error joins the loss
    (`forecast.py`, `task_inference.py`).

Sources: Schulman et al. 2017; MAPPO, Yu et al. 2022; DIAL, Foerster et al. 2016.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from policies.channel import received_sequence, straight_through_clip
from policies.cores import Core
from policies.flat_parameters import FlatParameters
from policies.forecast import mean_squared_error
from policies.normaliser import ReturnScale
from policies.ranges import check_count, check_number
from policies.returns import generalised_advantages
from policies.role_sequences import role_sequences
from policies.rollout import Rollout
from policies.segments import Segments, mean_over_active
from policies.surrogate import clipped_surrogate
from policies.task_inference import squared_error
from policies.team import BELIEF, SENDER, TeamNetwork
from policies.tensor_store import arrays_of, tensors_of

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
        forecast: weight of the forecast loss, where the networks forecast.
        task: weight of the error in telling the hidden task, where the networks infer it.
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
    forecast: float = 1.0
    task: float = 1.0

    def __post_init__(self) -> None:
        check_count(self, "num_worlds", "rollout", "segment", "minibatches", "epochs", least=1)
        check_number(self, "learning_rate", least=0.0, above=True)
        check_number(self, "gamma", "lam", least=0.0, most=1.0)
        check_number(self, "clip", "gradient_norm", least=0.0, above=True, finite=False)
        check_number(self, "target_kl", least=0.0, finite=False)  # at 0 an iteration has one epoch
        shares = ("final_learning_rate", "memory_learning_rate")
        check_number(self, *shares, "entropy", "value", "forecast", "task", least=0.0)
        if self.rollout % self.segment:
            raise ValueError(f"segment={self.segment} does not divide rollout={self.rollout}")
        sequences = self.num_worlds * self.rollout // self.segment
        if sequences % self.minibatches:
            raise ValueError(
                f"minibatches={self.minibatches} does not divide the {sequences} segments of a rollout "
                f"({self.num_worlds} worlds x {self.rollout // self.segment})"
            )
        if self.num_worlds * self.rollout == self.minibatches:
            raise ValueError(
                f"minibatches={self.minibatches} of the {self.minibatches} steps of a rollout: the advantage "
                "of a single step has no deviation; take fewer"
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
        cores = [m for part in network.parts for m in part.modules() if isinstance(m, Core)]
        slow = [p for core in cores for p in core.memory_parameters()]
        self.parameters = FlatParameters(network.parts, slow)
        shares = (1.0, config.memory_learning_rate)  # there is no second vector where no core has memory
        groups = [
            {"params": [vector], "share": share}
            for vector, share in zip(self.parameters.vectors, shares, strict=False)
        ]
        self.optimiser = torch.optim.Adam(groups, lr=config.learning_rate, eps=1e-5, fused=True)
        self.return_scale = ReturnScale(config.num_worlds, config.gamma)

    def clone_state(self) -> dict[str, Any]:
        """A copy of all that learning goes on from, beside the networks: optimiser, reward scale."""
        moments = self.optimiser.state_dict()["state"]
        return {
            "optimiser": {str(index): arrays_of(values) for index, values in moments.items()},
            "return_scale": self.return_scale.clone_state(),
        }

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, bit for bit."""
        moments = {int(index): tensors_of(values) for index, values in state["optimiser"].items()}
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self.return_scale.restore_state(state["return_scale"])

    def learn(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """One iteration on `rollout`; `progress` in [0, 1] is the share of the budget that is spent.

        Returns:
            Metrics by name; `episode_return` only where an inner episode ended in the rollout.

        Raises:
            FloatingPointError: the loss is not finite; the parameters are those before the bad minibatch.
        """
        config, network = self.config, self.network
        rate = config.learning_rate * (1.0 - (1.0 - config.final_learning_rate) * progress)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        self.return_scale.update(rollout.rewards, rollout.dones, rollout.active)
        batch = self._segments(rollout)
        count = batch.starts.shape[1]
        taught_errors = self._taught_errors(rollout)
        totals: dict[str, float] = {}
        updates = epochs = 0
        for _ in range(config.epochs):
            order = torch.randperm(count, generator=self.generator).to(batch.starts.device)
            kl = 0.0
            for minibatch in batch.shuffled(order, config.minibatches):
                loss, metrics = self._loss(minibatch)
                if not math.isfinite(metrics["loss"]):
                    raise FloatingPointError(
                        f"loss is {metrics['loss']} after {updates} updates of this iteration"
                    )
                self.parameters.differentiate(loss)
                for norm in self.parameters.clip(config.gradient_norm):
                    if not math.isfinite(norm):
                        raise FloatingPointError(f"a gradient is {norm} after {updates} updates")
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
        residual = _counted(batch.returns - batch.values, batch.active)
        explained = 1.0 - residual.var() / (_counted(batch.returns, batch.active).var() + 1e-8)
        stds = {f"std/{r}": float(torch.exp(network.actor(r).log_std.detach()).mean()) for r in network.roles}
        ended = rollout.episode_returns  # none, where inner episodes are longer than a rollout
        return {
            **averages,
            **stds,
            **taught_errors,
            "epochs": float(epochs),
            "learning_rate": rate,
            "explained_variance": float(explained),
            **({"episode_return": sum(ended) / len(ended)} if ended else {}),
        }

    @torch.no_grad()
    def _taught_errors(self, rollout: Rollout) -> dict[str, float]:
        """Of forecasts and inferred tasks, before anything is learned from this rollout: held out."""
        errors = {}
        for role in self.network.roles:
            actor = self.network.actor(role)
            if actor.forecast_horizon:
                targets, valid = actor.forecast_targets(rollout.observations[role])
                forecast = actor.forecast(rollout.features[role])
                errors["forecast_error"] = float(mean_squared_error(forecast, targets, valid))
                nothing = torch.zeros_like(targets)
                errors["persistence_error"] = float(mean_squared_error(nothing, targets, valid))
            if actor.infers_task:
                said, right = actor.inferred_task(rollout.features[role]), self.network.told(rollout.states)
                errors["task_error"] = float(squared_error(said, right, rollout.active))
        return errors

    def loss(self, batch: Segments) -> tuple[Tensor, dict[str, float]]:
        """Loss, a scalar, and metrics of a minibatch, at the network's present parameters."""
        return self._loss(batch)

    def _loss(self, batch: Segments) -> tuple[Tensor, dict[str, float]]:
        network, config = self.network, self.config
        observations = dict(batch.observations)
        features: list[Tensor] = []
        taught = torch.zeros((), device=batch.starts.device)  # what is learned from right answers
        means: dict[str, Tensor] = {}  # of the roles that have a surrogate
        belief_size = 0.0
        counted = _counted(batch.advantages, batch.active)
        advantages = (batch.advantages - counted.mean()) / (counted.std() + 1e-8)
        sender = network.roles[: int(self.differentiable)]  # the first of the roles; receivers wait for it
        for roles in filter(None, (sender, network.roles[len(sender) :])):
            found = role_sequences(
                [network.actor(role) for role in roles],
                [observations[role] for role in roles],
                batch.starts,
                [batch.memories[role] for role in roles],
            )
            for role, (mean, feature) in zip(roles, found, strict=True):
                actor = network.actor(role)
                features.append(feature.detach())
                if actor.forecast_horizon:
                    targets, valid = actor.normalised_forecast_targets(observations[role])
                    error = mean_squared_error(actor.forecast(feature), targets, valid)
                    taught = taught + config.forecast * error
                if actor.infers_task:
                    right = network.told(batch.states)
                    error = squared_error(actor.inferred_task(feature), right, batch.active)
                    taught = taught + config.task * error
                if role in sender:
                    belief = straight_through_clip(mean + torch.exp(actor.log_std) * batch.noise[role])
                    belief_size = float(mean.detach().abs().mean())
                    self._send(belief, batch, observations)
                else:
                    means[role] = mean
        surrogate, kls, clipped = self._surrogate(batch, means, advantages)
        loss = surrogate
        value_loss = torch.zeros_like(surrogate)
        if config.value:
            values, _ = network.critic.normalised(
                batch.states, features, batch.starts, batch.memories["critic"]
            )
            value_loss = mean_over_active((values - batch.returns).square(), batch.active)
            loss = loss + config.value * value_loss
        if config.entropy:
            entropies = torch.stack([network.actor(role).entropy() for role in means])
            loss = loss - config.entropy * entropies.sum()
        loss = loss + taught
        return loss, {
            "loss": float(loss.detach()),
            "policy_loss": float(surrogate.detach()),
            "value_loss": float(value_loss.detach()),
            "kl": max(kls, default=0.0),
            "clip_fraction": sum(clipped) / max(1, len(clipped)),
            "belief_size": belief_size,
        }

    def _surrogate(
        self, batch: Segments, means: dict[str, Tensor], advantages: Tensor
    ) -> tuple[Tensor, list[float], list[float]]:
        """Sum of the surrogates of the roles in `means`; their KLs and shares of clipped ratios."""
        if not means:
            return torch.zeros((), device=advantages.device), [], []
        count = advantages.numel()
        if batch.active is None:
            weights = advantages.new_full((count,), 1.0 / count)
        else:
            weights = (batch.active / batch.active.sum().clamp(min=1)).flatten()
        found = clipped_surrogate(
            torch.cat(list(means.values()), -1).flatten(0, 1),
            torch.cat([self.network.actor(role).log_std for role in means]),
            torch.cat([batch.actions[role] for role in means], -1).flatten(0, 1),
            torch.stack([batch.log_probs[role] for role in means], -1).flatten(0, 1),
            advantages.flatten(),
            weights,
            tuple(mean.shape[-1] for mean in means.values()),
            self.config.clip,
        )
        return found.loss, found.kl.tolist(), found.clipped.tolist()

    def _send(self, belief: Tensor, batch: Segments, observations: dict[str, Tensor]) -> None:
        """Put what comes of `belief` into the receivers' observations, with its gradient.

        A received belief is never normalised, so it fits beside normalised fields as it is.
        """
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

    @torch.no_grad()
    def _segments(self, rollout: Rollout) -> Segments:
        config, network = self.config, self.network
        rewards = rollout.rewards * self.return_scale.scale
        advantages = generalised_advantages(
            rewards, rollout.values, rollout.dones, rollout.last_value, config.gamma, config.lam
        )

        def cut(x: Tensor) -> Tensor:  # [T, B, ...] -> [L, T/L * B, ...]
            parts = x.reshape(-1, config.segment, *x.shape[1:]).transpose(0, 1)
            return parts.reshape(config.segment, -1, *x.shape[2:])

        return Segments(
            observations={k: cut(network.actor(k).normaliser(v)) for k, v in rollout.observations.items()},
            actions={k: cut(v) for k, v in rollout.actions.items()},
            noise={k: cut(v) for k, v in rollout.noise.items()},
            log_probs={k: cut(v) for k, v in rollout.log_probs.items()},
            memories={k: v.flatten(0, 1) for k, v in rollout.memories.items()},
            starts=cut(rollout.starts),
            states=cut(network.critic.normaliser(rollout.states)),
            advantages=cut(advantages),
            returns=cut(advantages + rollout.values),
            values=cut(rollout.values),
            snr=None if rollout.snr is None else cut(rollout.snr),
            channel_noise=None if rollout.channel_noise is None else cut(rollout.channel_noise),
            active=None if rollout.active is None else cut(rollout.active),
        )

    def _update_statistics(self, rollout: Rollout) -> None:
        for role in self.network.roles:
            self.network.actor(role).normaliser.update(_counted(rollout.observations[role], rollout.active))
        self.network.critic.normaliser.update(_counted(rollout.states, rollout.active))


def _counted(x: Tensor, active: Tensor | None) -> Tensor:
    """The steps of x [T, B, ...] that count: all of them, or those that are active [N, ...]."""
    return x if active is None else x[active]
