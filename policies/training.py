"""A training run as an object: worlds, networks and learner, taken on an iteration at a time."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import torch

from ma_ssm_env import Policy
from ma_ssm_env.roles import ROLES
from ma_ssm_env.scenarios import find_scenario
from policies.config import WORLDS_OF_A_RUN, TrainConfig
from policies.curriculum_learner import CurriculumLearner
from policies.game import Game
from policies.independent import IndependentPpo
from policies.ppo import Ppo
from policies.rollout import Collector
from policies.team import BELIEF, SENDER, TeamNetwork
from policies.tensor_store import arrays_of, tensors_of


class Training:
    """A run that can be left after any iteration and taken up again.

    Attributes:
        config: what is trained, on what.
        game: the worlds.
        network: the networks.
        steps: control steps that were taken.
        history: metrics of every iteration, "steps" among them.

    Args:
        config: what is trained, on what.
        partners: role -> who plays it while the others learn; entered into the configuration.
        device: of networks, rollouts and learning. Worlds and what is drawn stay on the CPU, so that a seed
            draws the same on every device.

    Raises:
        ValueError: a scenario, partners or networks that do not fit together, or a sender that could not
            learn.
    """

    def __init__(
        self,
        config: TrainConfig,
        partners: Mapping[str, Policy] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        find_scenario(config.scenario)
        partners = partners or {}
        if not config.partners:
            config = dataclasses.replace(config, partners=tuple(r for r in ROLES if r in partners))
        if set(config.partners) != set(partners):
            raise ValueError(
                f"partners={config.partners} in the configuration, but policies for {tuple(partners)}: "
                "give a policy for each of them, and for no other role"
            )
        self.config = config
        self.steps = 0
        self.history: list[dict[str, float]] = []
        self.game = game = Game(
            config.scenario,
            config.ppo.num_worlds,
            config.team,
            config.options,
            others=config.partners,
            partners=partners,
            partner_seed=config.seed,
        )
        self._generator = torch.Generator().manual_seed(config.seed)
        differentiable = config.communication == "differentiable"
        self.network = TeamNetwork(game, config.network, differentiable, self._generator)
        self._device = torch.device(device)
        if differentiable:
            _check_listeners(self.network)
        self.network.to(self._device)
        self._learner: Ppo | IndependentPpo
        if config.critics == "own":
            self._learner = IndependentPpo(self.network, game, config.ppo, self._generator)
        else:
            self._learner = Ppo(self.network, config.ppo, config.communication, self._generator)
        if self.network.proposer is not None:
            seed = config.seed * WORLDS_OF_A_RUN + 1  # apart from the networks' seeds
            game.proposer = CurriculumLearner(
                self.network.proposer, config.curriculum, config.ppo.num_worlds, seed
            )
        self._proposer = game.proposer
        self._collector = Collector(game, self.network, config.seed * WORLDS_OF_A_RUN, self._generator)

    @property
    def finished(self) -> bool:
        """The budget is spent."""
        return self.steps >= self.config.steps

    def iterate(self) -> dict[str, float]:
        """One rollout and what is learned from it; returns its metrics.

        Past the budget the learning rate stays what it is at its end.

        Raises:
            FloatingPointError: the loss is not finite; the run cannot go on from here.
        """
        config = self.config
        began = time.process_time()
        rollout = self._collector.collect(config.ppo.rollout, config.ppo.segment)
        collected = time.process_time()
        metrics = self._learner.learn(rollout, spent(self.steps, config.steps))
        if self._proposer is not None:
            metrics |= self._proposer.learn()
        self.steps += config.ppo.num_worlds * config.ppo.rollout
        metrics |= {"acting_s": collected - began, "learning_s": time.process_time() - collected}
        self.history.append({"steps": float(self.steps), **metrics})
        return metrics

    def parameter_counts(self) -> dict[str, int]:
        """Numbers that learn: in all actors, in this run's critics, and in the proposer where there is one.

        Where roles have critics of their own, these count, and the network's, which nobody learns, does not.
        """
        counts = self.network.parameter_counts()
        if isinstance(self._learner, IndependentPpo):
            counts["critic"] = sum(p.numel() for p in self._learner.critic_parameters())
        return counts

    def clone_state(self) -> dict[str, Any]:
        """A copy of everything that decides how the run goes on: nested dicts of arrays and numbers.

        Parameters and observation statistics, the optimiser's moments, the reward scale, the torch
        generator, the worlds with their random streams, and what the players saw and remember.
        """
        return {
            "network": arrays_of(dict(self.network.state_dict())),
            "learner": self._learner.clone_state(),
            "generator": self._generator.get_state().numpy().copy(),
            "collector": self._collector.clone_state(),
            "steps": self.steps,
            "history": [dict(entry) for entry in self.history],
        }

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, in this or another run of the same configuration."""
        self.network.load_state_dict(tensors_of(state["network"], self._device))
        self._learner.restore_state(state["learner"])
        self._generator.set_state(torch.from_numpy(state["generator"].copy()))
        self._collector.restore_state(state["collector"])
        self.steps = state["steps"]
        self.history = [dict(entry) for entry in state["history"]]


def spent(steps: int, budget: int) -> float:
    """Share of a budget of control steps that `steps` are, at most 1; 1 of an empty one."""
    return min(1.0, steps / budget) if budget else 1.0


def _check_listeners(network: TeamNetwork) -> None:
    """Refuse messages that nobody's gradient would shape: then the sender would silently never learn."""
    learning = network.roles
    if SENDER in learning and not any(BELIEF in network.actor(r).fields for r in learning if r != SENDER):
        raise ValueError(
            f"communication='differentiable': {SENDER} learns by the gradient of roles that hear it, and all "
            f"of them are partners or absent (learning: {', '.join(learning)}); "
            "take communication='reinforced'"
        )
