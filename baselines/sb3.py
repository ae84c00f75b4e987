"""Stable-Baselines3's PPO on the single-agent twin, with the settings that are tuned as carefully as ours.

Details that matter:

1. The twin's trial is the episode; its end is a termination, so nothing is bootstrapped there.
2. `PPO(seed=s)` reseeds the environment with s; worlds get `world_seed` again after that.
3. Observations and rewards are normalised by running statistics (`VecNormalize`), frozen in every checkpoint.
4. The learning rate falls linearly over the steps that were asked for; the last rollout may go past them.
5. Checkpoints, random streams and going on after a cut are those of `baselines.training`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecNormalize

from baselines.sb3_policy import ObservationNormaliser, Sb3Policy
from baselines.stacked_policy import StackedPolicy
from baselines.training import Hooks, Write, train_model
from baselines.tuned import tuned_settings
from baselines.vec_env import twin_vec_env
from ma_ssm_env.policy import Policy
from ma_ssm_env.scenarios import Scenario

__all__ = [
    "TUNED",
    "ObservationNormaliser",
    "Sb3Policy",
    "Sb3PpoConfig",
    "TrainedSb3",
    "normalised_twin",
    "ppo_model",
    "sb3_ppo_config",
    "train_sb3_ppo",
]


@dataclass(frozen=True)
class Sb3PpoConfig:
    """Settings of PPO; how they were found is in `baselines/TUNING.md`.

    Attributes:
        worlds: worlds stepped together.
        rollout_steps: control steps of each world between updates.
        minibatches: minibatches of an epoch; they divide worlds x rollout_steps.
        epochs: passes over a rollout.
        learning_rate: Adam's, at the start.
        final_learning_rate: fraction of it that is left at the end; it falls linearly.
        gamma: discount, of returns and of the reward normaliser.
        gae_lambda: generalised advantage estimation.
        log_std_init: log standard deviation of the actions at the start.
        clip_range: of the probability ratio.
        entropy_coefficient: weight of the entropy bonus.
        value_coefficient: weight of the value loss.
        max_grad_norm: gradients are clipped to this norm.
        width: units of each of the two hidden tanh layers, of the actor and of the critic.
        clip_observation: largest absolute value of a normalised observation.
    """

    worlds: int = 16
    rollout_steps: int = 400
    minibatches: int = 16
    epochs: int = 6
    learning_rate: float = 1e-3
    final_learning_rate: float = 0.1
    gamma: float = 0.97
    gae_lambda: float = 0.92
    log_std_init: float = -1.0
    clip_range: float = 0.2
    entropy_coefficient: float = 0.0
    value_coefficient: float = 0.5
    max_grad_norm: float = 0.5
    width: int = 96
    clip_observation: float = 10.0

    def __post_init__(self) -> None:
        for name in ("worlds", "rollout_steps", "minibatches", "epochs", "width"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r}: a whole number of at least 1 is expected")
        if self.steps_per_rollout % self.minibatches or self.steps_per_rollout // self.minibatches < 2:
            raise ValueError(
                f"minibatches={self.minibatches}: a divisor of worlds x rollout_steps = "
                f"{self.steps_per_rollout} that leaves at least 2 samples is expected"
            )

    @property
    def steps_per_rollout(self) -> int:
        """Control steps over all worlds between updates."""
        return self.worlds * self.rollout_steps

    def learning_rate_at(self, progress_remaining: float) -> float:
        """The learning rate, where `progress_remaining` falls from 1 to 0."""
        last = self.final_learning_rate
        return self.learning_rate * (last + (1.0 - last) * max(0.0, progress_remaining))


# What differs from the defaults above, by scenario.
TUNED: dict[str, dict[str, Any]] = {
    "PointDir-v0": {"worlds": 32, "rollout_steps": 50, "gamma": 0.95, "gae_lambda": 0.95},
}


def sb3_ppo_config(scenario: str | Scenario, **changes: Any) -> Sb3PpoConfig:
    """The tuned settings of a scenario, with `changes`."""
    tuned = tuned_settings(TUNED, scenario)
    return dataclasses.replace(Sb3PpoConfig(), **{**tuned, **changes})


@dataclass(frozen=True)
class TrainedSb3:
    """What a training run gives.

    Attributes:
        policy: the last policy, playing its mode (an `Sb3Policy`, or a wrapper with memory around one).
        model: the Stable-Baselines3 model, for `model.save` and for going on.
        normaliser: the environment's statistics, for `normaliser.save`.
        config: the settings.
        steps: control steps charged, over all worlds.
    """

    policy: Any
    model: BaseAlgorithm
    normaliser: VecNormalize
    config: Any
    steps: int

    @property
    def parameters(self) -> dict[str, int]:
        """Numbers of trained parameters of `actor` and `critic`."""
        counts: dict[str, int] = self.policy.parameters
        return counts


def train_sb3_ppo(
    scenario: str | Scenario,
    seed: int,
    total_steps: int,
    config: Sb3PpoConfig,
    *,
    reveal_task: bool = False,
    world_seed: int,
    stack: int = 1,
    checkpoints: Sequence[int] = (),
    on_checkpoint: Callable[[int, Policy], None] = lambda steps, policy: None,
    progress: Callable[[int], None] | None = None,
    kept: Path | None = None,
    keep: Callable[[int, Write], bool] | None = None,
    options: Mapping[str, Any] | None = None,
) -> TrainedSb3:
    """Train PPO on the twin of a scenario, on the CPU.

    Args:
        scenario: id of a scenario, or the scenario.
        seed: of the learner: initial weights, actions, minibatches; in [0, 2**32).
        total_steps: control steps over all worlds; training ends at the first rollout boundary at or past it.
        config: the settings, `sb3_ppo_config(scenario)` for the tuned ones.
        reveal_task: the agent observes the active task (the oracle).
        world_seed: world i is seeded with `world_seed + i`.
        stack: observations that the agent sees, the present one included. The twin's observation holds the
            last torque and the last reward, so this is a stack of (observation, action, reward).
        checkpoints, on_checkpoint, progress, kept, keep: as in `baselines.training.Hooks`.
        options: further options of the twin.

    Raises:
        ValueError: steps, seeds or checkpoints out of range.
    """
    hooks = Hooks(checkpoints, on_checkpoint, progress, kept, keep)
    hooks.require(total_steps, seed)
    env = normalised_twin(
        scenario,
        config.worlds,
        config.clip_observation,
        config.gamma,
        stack=stack,
        options={"reveal_task": reveal_task, **(options or {})},
    )

    def policy_of(model: PPO) -> Sb3Policy | StackedPolicy:
        policy = Sb3Policy.from_model(model)
        return policy if stack == 1 else StackedPolicy(policy, stack)

    model = train_model(
        lambda: ppo_model(env, config, seed),
        policy_of,
        total_steps,
        seed_worlds=lambda model: env.seed(world_seed),
        hooks=hooks,
    )
    return TrainedSb3(policy_of(model), model, env, config, int(model.num_timesteps))


def ppo_model(env: VecEnv, config: Sb3PpoConfig, seed: int | None) -> PPO:
    """An untrained PPO with these settings on any `VecEnv`, on the CPU.

    Args:
        env: what it learns on; a minibatch is a rollout of all its worlds over `config.minibatches`.
        config: its settings.
        seed: of the learner and the worlds; None seeds neither.
    """
    return PPO(
        "MlpPolicy",
        env,
        learning_rate=config.learning_rate_at,
        n_steps=config.rollout_steps,
        batch_size=env.num_envs * config.rollout_steps // config.minibatches,
        n_epochs=config.epochs,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
        clip_range=config.clip_range,
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


def normalised_twin(
    scenario: str | Scenario,
    worlds: int,
    clip_observation: float,
    gamma: float,
    *,
    stack: int = 1,
    scale_rewards: bool = True,
    options: Mapping[str, Any],
) -> VecNormalize:
    """The twin as all of SB3's models are trained on it: normalised by running statistics."""
    twin: VecEnv = twin_vec_env(scenario, worlds, **options)
    stacked = twin if stack == 1 else VecFrameStack(twin, stack)
    return VecNormalize(stacked, clip_obs=clip_observation, gamma=gamma, norm_reward=scale_rewards)
