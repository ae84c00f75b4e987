"""Trials of N tasks, M worlds each, played with parameters of each task's own.

Worlds are grouped by task: world i * M + j plays trial j of task i. A batch is T = K H steps of every world,
from the start of a trial on: one whole trial, unless the body's fall ends trials early; then the world plays
on, and the last trial is cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vmap

from policies.game import Game
from policies.maml.baseline import discounted_returns, features, fitted_values
from policies.maml.inner import VMAPPED_CORES, Adaptation, InnerConfig, Parameters, Trials, task_of
from policies.returns import generalised_advantages
from policies.role_network import RoleNetwork
from policies.segments import Segments
from policies.team import SENDER, TeamNetwork


@dataclass
class TrialBatch:
    """What was seen, done and paid, time-major over worlds grouped by task.

    Attributes:
        observations, actions, log_probs: role -> [T, B, O], [T, B, A], [T, B]; log densities of the
            (unclipped) samples under the policy that acted.
        starts, dones: 1 where step t is the first, or the last, of a trial [T, B].
        rewards: what was paid [T, B].
        feedback: what the adaptation is told [T, B].
        returns: plain task return of every inner episode that ended, in order of time: (world, return).
        steps: control steps that it took.
    """

    observations: dict[str, Tensor]
    actions: dict[str, Tensor]
    log_probs: dict[str, Tensor]
    starts: Tensor
    dones: Tensor
    rewards: Tensor
    feedback: Tensor
    returns: list[tuple[int, float]]
    steps: int

    @property
    def mean_return(self) -> float:
        """Mean return of an inner episode."""
        return float(np.mean([value for _, value in self.returns])) if self.returns else float("nan")


class Sampler:
    """Plays trials of given tasks and records them.

    Args:
        game: N * M worlds.
        network: who plays.
        adaptation: which of its parameters may differ between tasks.
        generator: of the action noise.
    """

    def __init__(
        self, game: Game, network: TeamNetwork, adaptation: Adaptation, generator: torch.Generator
    ) -> None:
        self.game, self.network, self.adaptation, self.generator = game, network, adaptation, generator
        self.per_step = _told_each_step(game, adaptation.config, adaptation.roles)
        self.horizon = game.options.horizon
        self.length = self.horizon * game.options.episodes_per_trial

    @torch.no_grad()
    def play(self, tasks: NDArray[np.float64], seed: int, parameters: Parameters | None = None) -> TrialBatch:
        """One trial of every world.

        Args:
            tasks: [N, k], in the law's units; N divides the number of worlds.
            seed: of the first world.
            parameters: of each task, with a leading axis N; None is the network's own.
        """
        game, B, roles, length = self.game, self.game.num_worlds, self.network.roles, self.length
        game.pin(np.repeat(tasks, B // len(tasks), axis=0))
        seen = game.reset(seed)
        players = {role: StackedActor(self.network, role, parameters, len(tasks)) for role in roles}
        stds = {role: player.world_std(B) for role, player in players.items()}
        memories = {role: self.network.actor(role).initial_memory(B) for role in roles}
        sizes = {role: self.network.actor(role).action_size for role in roles}
        noise = {role: torch.randn(length, B, sizes[role], generator=self.generator) for role in roles}
        observations = {role: torch.empty(length, *seen[role].shape) for role in roles}
        actions = {role: torch.empty_like(noise[role]) for role in roles}
        log_probs = {role: torch.empty(length, B) for role in roles}
        starts, dones, rewards, told = (torch.empty(length, B) for _ in range(4))
        starting, returns = torch.ones(B), []
        for t in range(length):
            starts[t] = starting
            posted = {}
            for role, player in players.items():
                observations[role][t] = seen[role]
                mean, memories[role] = player.step(seen[role], starting, memories[role])
                actions[role][t] = torch.addcmul(mean, stds[role], noise[role][t])
                posted[role] = actions[role][t]
            seen, rewards[t], dones[t], infos = game.step(posted)
            ended = infos["episode_ended"]
            returns += list(zip(np.flatnonzero(ended).tolist(), infos["episode_return"][ended], strict=True))
            plain = infos.get("task_reward", rewards[t].numpy())
            at_end = np.where(ended, infos["episode_return"] / self.horizon, 0.0)
            told[t] = torch.from_numpy((plain if self.per_step else at_end).astype(np.float32))
            starting = dones[t].clone()
        for role in roles:
            log_probs[role] = _gaussian(noise[role], stds[role])
        batch = (observations, actions, log_probs, starts, dones, rewards, told)
        return TrialBatch(*batch, returns, length * B)

    def inner_data(self, batch: TrialBatch, tasks: int) -> Trials:
        """What an inner step learns from; advantages from observed feedback, normalised for each task."""
        config, roles = self.adaptation.config, self.adaptation.roles
        advantages = self.advantages(batch, tasks, batch.feedback, config.gamma, config.lam)
        sampled = torch.stack([batch.log_probs[role] for role in roles]).sum(0)
        return {
            "observations": {role: batch.observations[role] for role in roles},
            "actions": {role: batch.actions[role] for role in roles},
            "sampled": sampled,
            "advantages": normalised(advantages, tasks),
            "starts": batch.starts,
        }

    @torch.no_grad()
    def advantages(self, batch: TrialBatch, tasks: int, rewards: Tensor, gamma: float, lam: float) -> Tensor:
        """Advantages [T, B] over a linear baseline that is fitted to each task."""
        # In the team the sender senses positions and velocities; the others' observations add little.
        role = SENDER if SENDER in self.network.roles else self.network.roles[0]
        seen = self.network.actor(role).normaliser(batch.observations[role])
        inputs = features(seen, batch.starts, self.length)
        targets = discounted_returns(rewards, batch.dones, gamma)
        values, _ = fitted_values(inputs, targets, tasks)
        return generalised_advantages(rewards, values, batch.dones, values[-1], gamma, lam)

    def segments(self, batch: TrialBatch, tasks: int, gamma: float, lam: float) -> Segments:
        """The batch as PPO's minibatch of whole trials, for the outer loss without a critic."""
        advantages = self.advantages(batch, tasks, batch.rewards, gamma, lam)
        empty = torch.zeros_like(batch.rewards)
        B = batch.rewards.shape[1]
        memories = {r: self.network.actor(r).initial_memory(B) for r in self.network.roles}
        observations = {r: self.network.actor(r).normaliser(x) for r, x in batch.observations.items()}
        return Segments(
            observations=observations,
            actions=batch.actions,
            noise={},
            log_probs=batch.log_probs,
            memories={**memories, "critic": empty[0][:, None]},
            starts=batch.starts,
            states=empty[..., None],
            advantages=advantages,
            returns=empty,
            values=empty,
            snr=None,
            channel_noise=None,
            active=None,
        )


class StackedActor:
    """A role's network with parameters of each task's own, acting on worlds that are grouped by task.

    It also speaks the NumPy policy protocol (`act`), so that `ma_ssm_env.evaluation` can judge it.
    """

    def __init__(
        self,
        network: TeamNetwork,
        role: str,
        parameters: Parameters | None,
        tasks: int,
        deterministic: bool = True,
    ) -> None:
        self.actor, self.tasks, self.deterministic = network.actor(role), tasks, deterministic
        prefix = f"actors.{role}."
        own = {n.removeprefix(prefix): p for n, p in (parameters or {}).items() if n.startswith(prefix)}
        self._parameters = {f"actor.{name}": value.detach() for name, value in own.items()}
        self._stepping = _Step(self.actor)
        self._batched = network.config.core.kind in VMAPPED_CORES
        self._log_std = own.get("log_std", self.actor.log_std).detach()  # [N, A] or [A]

    def step(self, observations: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Means [B, A] and memory [B, S] after one step."""
        if not self._parameters:
            mean, _, memory = self.actor.step(observations, starts, memory)
            return mean, memory
        N = self.tasks
        parts = [x.view(N, len(x) // N, *x.shape[1:]) for x in (observations, starts, memory)]
        if self._batched:

            def one(parameters: Parameters, *given: Tensor) -> tuple[Tensor, Tensor]:
                result: tuple[Tensor, Tensor] = functional_call(self._stepping, parameters, given)
                return result

            mean, memory = vmap(one)(self._parameters, *parts)
        else:
            rows = [
                functional_call(self._stepping, task_of(self._parameters, i), tuple(x[i] for x in parts))
                for i in range(N)
            ]
            mean, memory = (torch.stack([row[k] for row in rows]) for k in range(2))
        return mean.flatten(0, 1), memory.flatten(0, 1)

    def world_std(self, worlds: int) -> Tensor:
        """Standard deviation of each world's actions [B, A]."""
        rows = self._log_std if self._log_std.dim() == 2 else self._log_std[None]
        return torch.exp(rows).repeat_interleave(worlds // len(rows), 0)

    def initial_memory(self, batch: int) -> Tensor:
        """Memory of `batch` worlds at the start of a trial [B, S]."""
        return self.actor.initial_memory(batch)

    def act(
        self, observations: NDArray[np.float32], memory: Tensor, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], Tensor]:
        """Actions [B, A] for observations [B, O], clipped to [-1, 1]; B is a multiple of the tasks."""
        with torch.no_grad():
            starts = torch.zeros(len(observations))
            mean, memory = self.step(torch.from_numpy(observations), starts, memory)
            if not self.deterministic:
                noise = rng.standard_normal(tuple(mean.shape), dtype=np.float32)
                mean = mean + self.world_std(len(mean)) * torch.from_numpy(noise)
            return mean.clamp(-1.0, 1.0).numpy(), memory


class _Step(nn.Module):
    def __init__(self, actor: RoleNetwork) -> None:
        super().__init__()
        self.actor = actor

    def forward(self, observations: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        mean, _, memory = self.actor.step(observations, starts, memory)
        return mean, memory


def normalised(advantages: Tensor, tasks: int) -> Tensor:
    """Advantages [T, N * M] with mean 0 and deviation 1 within each task."""
    grouped = advantages.view(len(advantages), tasks, -1)
    centred = grouped - grouped.mean((0, 2), keepdim=True)
    return (centred / (centred.square().mean((0, 2), keepdim=True).sqrt() + 1e-8)).view_as(advantages)


def _gaussian(noise: Tensor, std: Tensor) -> Tensor:
    # log N(mean + std * noise; mean, std) without going back through the rounding of the sum
    constant: Tensor = (torch.log(std) + 0.5 * float(np.log(2.0 * np.pi))).sum(-1)
    return -0.5 * noise.square().sum(-1) - constant


def _told_each_step(game: Game, config: InnerConfig, roles: tuple[str, ...]) -> bool:
    """Whether the inner step is told the reward of every step; False: at the end of inner episodes.

    Raises:
        ValueError: adaptation from what is observed, where a role that adapts observes no reward.
    """
    if config.feedback != "observed" or config.steps == 0:
        return config.feedback != "episode"
    shown = game.options.feedback
    if shown == "none":
        raise ValueError(
            f"{game.scenario.id} with feedback='none': no reward is observed to adapt from; inner feedback "
            "'step' or 'episode' tells it to the adaptation alone"
        )
    blind = [role for role in roles if "last_reward" not in game.observation_fields[role]]
    if blind:
        raise ValueError(
            f"role {blind[0]!r} would adapt from a reward that it does not observe; let only roles adapt "
            "that do, take observability='full', or inner feedback 'step' or 'episode'"
        )
    return bool(shown == "step")
