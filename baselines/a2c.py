"""Stable-Baselines3's A2C on the single-agent twin: one gradient step a short rollout."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stable_baselines3 import A2C

from baselines.sb3 import TrainedSb3, normalised_twin
from baselines.sb3_policy import Sb3Policy
from baselines.training import Hooks, train_model
from baselines.tuned import tuned_settings
from ma_ssm_env.scenarios import Scenario


@dataclass(frozen=True)
class A2cConfig:
    """Settings of A2C; how they were found is in `baselines/TUNING.md`.

    Attributes:
        worlds: worlds stepped together.
        rollout_steps: control steps of each world between updates.
        learning_rate: RMSprop's, at the start; it falls linearly.
        final_learning_rate: fraction of it that is left at the end.
        gamma: discount, of returns and of the reward normaliser.
        gae_lambda: generalised advantage estimation.
        log_std_init: log standard deviation of the actions at the start.
        entropy_coefficient: weight of the entropy bonus.
        value_coefficient: weight of the value loss.
        max_grad_norm: gradients are clipped to this norm.
        width: units of each of the two hidden tanh layers, of the actor and of the critic.
        clip_observation: largest absolute value of a normalised observation.
    """

    worlds: int = 16
    rollout_steps: int = 8
    learning_rate: float = 1e-3
    final_learning_rate: float = 0.1
    gamma: float = 0.97
    gae_lambda: float = 0.92
    log_std_init: float = -1.0
    entropy_coefficient: float = 0.0
    value_coefficient: float = 0.5
    max_grad_norm: float = 0.5
    width: int = 96
    clip_observation: float = 10.0

    def learning_rate_at(self, progress_remaining: float) -> float:
        """The learning rate, where `progress_remaining` falls from 1 to 0."""
        last = self.final_learning_rate
        return self.learning_rate * (last + (1.0 - last) * max(0.0, progress_remaining))


# What differs from the defaults above, by scenario.
TUNED: dict[str, dict[str, Any]] = {
    "PointDir-v0": {
        "rollout_steps": 5,
        "learning_rate": 3e-4,
        "gamma": 0.9,
        "gae_lambda": 0.95,
        "log_std_init": -0.5,
    },
}


def a2c_config(scenario: str | Scenario, **changes: Any) -> A2cConfig:
    """The tuned settings of a scenario, with `changes`."""
    return dataclasses.replace(A2cConfig(), **{**tuned_settings(TUNED, scenario), **changes})


def train_a2c(
    scenario: str | Scenario,
    seed: int,
    total_steps: int,
    config: A2cConfig,
    *,
    world_seed: int,
    hooks: Hooks,
    options: Mapping[str, Any] | None = None,
) -> TrainedSb3:
    """Train A2C on the twin of a scenario, on the CPU; arguments as in `train_off_policy`."""
    hooks.require(total_steps, seed)
    env = normalised_twin(
        scenario, config.worlds, config.clip_observation, config.gamma, options=options or {}
    )

    def build() -> A2C:
        return A2C(
            "MlpPolicy",
            env,
            learning_rate=config.learning_rate_at,
            n_steps=config.rollout_steps,
            gamma=config.gamma,
            gae_lambda=config.gae_lambda,
            ent_coef=config.entropy_coefficient,
            vf_coef=config.value_coefficient,
            max_grad_norm=config.max_grad_norm,
            policy_kwargs={
                "net_arch": {"pi": [config.width] * 2, "vf": [config.width] * 2},
                "log_std_init": config.log_std_init,
            },
            seed=seed,
            device="cpu",
        )

    model = train_model(
        build,
        Sb3Policy.from_model,
        total_steps,
        seed_worlds=lambda model: env.seed(world_seed),
        hooks=hooks,
    )
    return TrainedSb3(Sb3Policy.from_model(model), model, env, config, int(model.num_timesteps))
