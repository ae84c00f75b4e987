"""Rollouts: T steps of B worlds recorded for learning, with the memory at the start of every segment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from policies.game import Game
from policies.role_sequences import role_stepper
from policies.team import SENDER, TeamNetwork, critic_input
from policies.tensor_store import arrays_of, tensors_of


@dataclass
class Rollout:
    """What was seen, done and paid, time-major.

    Attributes:
        observations, actions, noise: role -> [T, B, O], [T, B, A], [T, B, A]; actions are unclipped
            samples, noise the standard normal numbers behind them.
        log_probs: role -> [T, B].
        features: role -> [T, B, D], as they were when acting.
        memories: role (or "critic") -> [T / segment, B, S], at the start of every segment.
        starts: 1 where step t is the first of a trial [T, B].
        dones: 1 where the trial ended with step t [T, B].
        rewards: what the team was paid [T, B].
        states: what the critic reads [T, B, S].
        values: V [T, B]; last_value: V of what follows [B].
        snr, channel_noise: of the belief channel at step t [T, B, 1], [T, B, d] (teams).
        active: where the acting roles' actions had an effect [T, B], booleans; None: everywhere.
        episode_returns: plain task returns of the inner episodes that ended.
        next_observations, next_features, next_starts: what follows, role -> [B, O], [B, D], and where it is
            the first of a trial [B]: for critics that learners have of their own.
    """

    observations: dict[str, Tensor]
    actions: dict[str, Tensor]
    noise: dict[str, Tensor]
    log_probs: dict[str, Tensor]
    features: dict[str, Tensor]
    memories: dict[str, Tensor]
    starts: Tensor
    dones: Tensor
    rewards: Tensor
    states: Tensor
    values: Tensor
    last_value: Tensor
    snr: Tensor | None
    channel_noise: Tensor | None
    active: Tensor | None
    episode_returns: list[float]
    next_observations: dict[str, Tensor] = field(default_factory=dict)
    next_features: dict[str, Tensor] = field(default_factory=dict)
    next_starts: Tensor | None = None


class Collector:
    """Plays worlds with a network and records them; the worlds go on from rollout to rollout."""

    def __init__(self, game: Game, network: TeamNetwork, world_seed: int, generator: torch.Generator) -> None:
        self.game, self.network, self.generator = game, network, generator
        B = game.num_worlds
        self._device = next(network.parameters()).device  # of all that is recorded; worlds live on the CPU
        self._observations = self._placed(game.reset(world_seed))
        self._starts = torch.ones(B, device=self._device)
        self._memories = {role: network.actor(role).initial_memory(B) for role in network.roles}
        self._critic_memory = network.critic.core.initial_memory(B)

    @torch.no_grad()
    def collect(self, length: int, segment: int) -> Rollout:
        """Record `length` steps of every world; memory is kept at every `segment` steps."""
        game, network, roles, B = self.game, self.network, self.network.roles, self.game.num_worlds
        device = self._device
        actors = {role: network.actor(role) for role in roles}
        step = role_stepper(list(actors.values()))
        stds = {role: torch.exp(actor.log_std) for role, actor in actors.items()}
        noise = {
            role: torch.randn(length, B, actors[role].action_size, generator=self.generator).to(device)
            for role in roles
        }
        observations = {
            role: torch.empty(length, *self._observations[role].shape, device=device) for role in roles
        }
        means = {role: torch.empty_like(noise[role]) for role in roles}
        actions = {role: torch.empty_like(noise[role]) for role in roles}
        features = {
            role: torch.empty(length, B, actors[role].core.out_features, device=device) for role in roles
        }
        memories: dict[str, list[Tensor]] = {role: [] for role in (*roles, "critic")}
        starts, dones, rewards = (torch.empty(length, B, device=device) for _ in range(3))
        states, snr, eps, returns, setups = [], [], [], [], []
        for t in range(length):
            starts[t] = self._starts
            states.append(game.state().to(device) if network.critic.privileged else torch.empty(0))
            seen_now = [self._observations[role] for role in roles]
            answers = step(seen_now, self._starts, [self._memories[role] for role in roles])
            for role, observation, (mean, feature, memory) in zip(roles, seen_now, answers, strict=True):
                if t % segment == 0:
                    memories[role].append(self._memories[role])
                observations[role][t], means[role][t], features[role][t] = observation, mean, feature
                self._memories[role] = memory
                torch.addcmul(mean, stds[role], noise[role][t], out=actions[role][t])
            setup = game.setup
            seen, rewards[t], dones[t], infos = game.step({r: actions[r][t].cpu() for r in roles})
            self._observations = self._placed(seen)
            self._starts = dones[t].clone()
            if setup is not None:  # the first control step shows anew what the setup step showed
                self._starts = torch.maximum(self._starts, setup.to(device).float())
                setups.append(setup.to(device))
            returns.extend(infos["episode_return"][infos["episode_ended"]].tolist())
            if SENDER in roles:
                snr.append(torch.from_numpy(infos["snr"]).to(device))
                eps.append(torch.from_numpy(infos["channel_noise"]).to(device))

        state = torch.stack(states) if network.critic.privileged else torch.empty(0)
        critic_inputs = critic_input(game, state, observations, network.critic.privileged)
        values = torch.empty(length, B, device=device)
        for start in range(0, length, segment):
            now = slice(start, start + segment)
            memories["critic"].append(self._critic_memory)
            parts = [features[role][now] for role in roles]
            values[now], self._critic_memory = network.critic(
                critic_inputs[now], parts, starts[now], self._critic_memory
            )
        following = self._next_features()
        return Rollout(
            observations=observations,
            actions=actions,
            noise=noise,
            log_probs={role: actors[role].log_prob(means[role], actions[role]) for role in roles},
            features=features,
            memories={name: torch.stack(list_) for name, list_ in memories.items()},
            starts=starts,
            dones=dones,
            rewards=rewards,
            states=critic_inputs,
            values=values,
            last_value=self._last_value(following),
            snr=torch.stack(snr) if snr else None,
            channel_noise=torch.stack(eps) if eps else None,
            active=~torch.stack(setups) if setups else None,
            episode_returns=returns,
            next_observations=dict(self._observations),
            next_features=following,
            next_starts=self._starts,
        )

    def _placed(self, observations: dict[str, Tensor]) -> dict[str, Tensor]:
        return {role: seen.to(self._device) for role, seen in observations.items()}

    def clone_state(self) -> dict[str, Any]:
        """Everything that decides how the worlds go on: they themselves, what was seen, and the memories."""
        return {
            "game": self.game.clone_state(),
            "observations": arrays_of(self._observations),
            "starts": arrays_of(self._starts),
            "memories": arrays_of(self._memories),
            "critic_memory": arrays_of(self._critic_memory),
        }

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, bit for bit."""
        self.game.restore_state(state["game"])
        self._observations = tensors_of(state["observations"], self._device)
        self._starts = tensors_of(state["starts"], self._device)
        self._memories = tensors_of(state["memories"], self._device)
        self._critic_memory = tensors_of(state["critic_memory"], self._device)

    def _next_features(self) -> dict[str, Tensor]:
        """Features of the present observation, of every role [B, D]; memories stay as they are."""
        found = {}
        for role in self.network.roles:
            _, found[role], _ = self.network.actor(role).step(
                self._observations[role], self._starts, self._memories[role]
            )
        return found

    def _last_value(self, features: Mapping[str, Tensor]) -> Tensor:
        """V of the present observation; only used where no trial has just ended."""
        network = self.network
        parts = [features[role][None] for role in network.roles]
        state = self.game.state().to(self._device)
        state = critic_input(self.game, state, self._observations, network.critic.privileged)
        values: Tensor = network.critic(state[None], parts, self._starts[None], self._critic_memory)[0]
        return values[0]
