"""Independent learners: a critic of each role's own, and no gradient from one role to another.

Every role learns as if it were alone in its world (IPPO): its critic reads what the role itself observes,
together with the role's features, through a core of its own; its advantages come from that critic; its loss
is in its own parameters alone. The rollout is played once, by all roles together, and each learner is
given its part of it. The team's own critic is neither used nor trained.

Source: de Witt et al. 2020, "Is independent learning all you need in the StarCraft multi-agent challenge?"
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from policies.game import Game
from policies.ppo import Ppo, PpoConfig
from policies.rollout import Rollout
from policies.team import NetworkConfig, TeamNetwork
from policies.tensor_store import arrays_of, tensors_of

_LARGEST = ("kl",)  # metrics of which the largest role's is told; of the others, the mean over roles


class IndependentPpo:
    """A learner for every role of a team; the face of `Ppo`.

    Attributes:
        learners: role -> PPO on the role's actor and its own critic.

    Args:
        network: the team, whose actors learn.
        game: the worlds that it plays in, for their layout.
        config: settings, the same for every role.
        generator: initial parameters of the critics, and the order of minibatches.
    """

    def __init__(
        self, network: TeamNetwork, game: Game, config: PpoConfig, generator: torch.Generator
    ) -> None:
        self.config = config
        device = next(network.parameters()).device
        self.learners: dict[str, Ppo] = {}
        for role in network.roles:
            alone = copy.copy(game)  # the same worlds, of which only the layout is read
            alone.roles, alone.proposal_fields = (role,), None
            own = TeamNetwork(alone, _alone(network.config, role), False, generator).to(device)
            own.actors[role] = network.actors[role]
            self.learners[role] = Ppo(own, config, "reinforced", generator)
        self._memories = {
            role: learner.network.critic.core.initial_memory(config.num_worlds)
            for role, learner in self.learners.items()
        }

    def learn(self, rollout: Rollout, progress: float) -> dict[str, float]:
        """One iteration of every role on its part of `rollout`; metrics as those of `Ppo.learn`.

        Raises:
            FloatingPointError: a loss is not finite.
        """
        found = {
            role: learner.learn(self.part(role, rollout), progress) for role, learner in self.learners.items()
        }
        names = dict.fromkeys(name for metrics in found.values() for name in metrics)
        together = {}
        for name in names:
            values = [metrics[name] for metrics in found.values() if name in metrics]
            together[name] = max(values) if name in _LARGEST else sum(values) / len(values)
        return together

    @torch.no_grad()
    def part(self, role: str, rollout: Rollout) -> Rollout:
        """What a role knows of a rollout: its own fields, with the values of its own critic.

        The critic's memory goes on from rollout to rollout, so each rollout is to be given once.
        """
        critic, segment = self.learners[role].network.critic, self.config.segment
        seen, features = rollout.observations[role], rollout.features[role]
        values, memories = torch.empty_like(rollout.rewards), []
        memory = self._memories[role]
        for start in range(0, len(seen), segment):
            now = slice(start, start + segment)
            memories.append(memory)
            values[now], memory = critic(seen[now], [features[now]], rollout.starts[now], memory)
        self._memories[role] = memory
        assert rollout.next_starts is not None
        following, _ = critic(
            rollout.next_observations[role][None],
            [rollout.next_features[role][None]],
            rollout.next_starts[None],
            memory,
        )
        return dataclasses.replace(
            rollout,
            observations={role: seen},
            actions={role: rollout.actions[role]},
            noise={role: rollout.noise[role]},
            log_probs={role: rollout.log_probs[role]},
            features={role: features},
            memories={role: rollout.memories[role], "critic": torch.stack(memories)},
            states=seen,
            values=values,
            last_value=following[0],
            snr=None,
            channel_noise=None,
        )

    def critic_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of the roles' own critics, role by role."""
        for learner in self.learners.values():
            yield from learner.network.critic.parameters()

    def clone_state(self) -> dict[str, Any]:
        """A copy of all that learning goes on from, beside the actors: optimisers, scales, critics."""
        return {
            role: {
                "learner": learner.clone_state(),
                "critic": arrays_of(dict(learner.network.critic.state_dict())),
                "memory": arrays_of(self._memories[role]),
            }
            for role, learner in self.learners.items()
        }

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, bit for bit."""
        for role, learner in self.learners.items():
            learner.restore_state(state[role]["learner"])
            device = next(learner.network.parameters()).device
            learner.network.critic.load_state_dict(tensors_of(state[role]["critic"], device))
            memory: Tensor = tensors_of(state[role]["memory"], device)
            self._memories[role] = memory


def _alone(config: NetworkConfig, role: str) -> NetworkConfig:
    return dataclasses.replace(config, core=config.core_of(role), role_cores={}, forecast_horizon=0)
