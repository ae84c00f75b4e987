"""Stable-Baselines3's PPO on the single-agent twin, with the settings that are tuned as carefully as ours.

Details that matter:

1. The twin's trial is the episode; its end is a termination, so nothing is bootstrapped there.
2. `PPO(seed=s)` reseeds the environment with s; worlds get `world_seed` again after that.
3. Observations and rewards are normalised by running statistics (`VecNormalize`), frozen in every checkpoint.
4. The learning rate falls linearly over the steps that were asked for; the last rollout may go past them.
5. A checkpoint holds the policy *after* the update on the steps that it is charged for.
6. SB3 draws from the global generators; they are seeded for the run and put back after it, and what a
   callback draws does not shift the run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecNormalize

from baselines.global_streams import kept_global_streams
from baselines.sb3_policy import ObservationNormaliser, Sb3Policy
from baselines.vec_env import TwinVecEnv
from ma_ssm_env.policy import Policy
from ma_ssm_env.scenarios import Scenario, find_scenario

__all__ = [
    "TUNED",
    "ObservationNormaliser",
    "Sb3Policy",
    "Sb3PpoConfig",
    "TrainedSb3",
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
    tuned = TUNED.get(find_scenario(scenario).id, {})
    return dataclasses.replace(Sb3PpoConfig(), **{**tuned, **changes})


@dataclass(frozen=True)
class TrainedSb3:
    """What a training run gives.

    Attributes:
        policy: the last policy, playing its mode.
        model: the Stable-Baselines3 model, for `model.save` and for going on.
        normaliser: the environment's statistics, for `normaliser.save`.
        config: the settings.
        steps: control steps charged, over all worlds.
    """

    policy: Sb3Policy
    model: PPO
    normaliser: VecNormalize
    config: Sb3PpoConfig
    steps: int

    @property
    def parameters(self) -> dict[str, int]:
        """Numbers of trained parameters of `actor` and `critic`."""
        return self.policy.parameters


class _RolloutBoundaries(BaseCallback):
    """Calls back between rollouts, after the update, with the control steps charged until then."""

    def __init__(
        self,
        checkpoints: Sequence[int],
        on_checkpoint: Callable[[int, Policy], None],
        progress: Callable[[int], None] | None,
    ) -> None:
        super().__init__()
        self._due = sorted(checkpoints)
        self._on_checkpoint, self._progress = on_checkpoint, progress

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self._boundary()

    def _on_training_end(self) -> None:
        self._boundary()

    def _boundary(self) -> None:
        steps = int(self.model.num_timesteps)
        passed = [due for due in self._due if due <= steps]
        with kept_global_streams():
            if passed:
                self._due = self._due[len(passed) :]
                self._on_checkpoint(steps, Sb3Policy.from_model(self.model))
            if self._progress is not None and steps > 0:
                self._progress(steps)


def train_sb3_ppo(
    scenario: str | Scenario,
    seed: int,
    total_steps: int,
    config: Sb3PpoConfig,
    *,
    reveal_task: bool = False,
    world_seed: int,
    checkpoints: Sequence[int] = (),
    on_checkpoint: Callable[[int, Policy], None] = lambda steps, policy: None,
    progress: Callable[[int], None] | None = None,
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
        checkpoints: step counts; each is met at the first rollout boundary at or past it, those met at one
            boundary together. 0 is the policy before any update.
        on_checkpoint: called with the exact count of steps charged and a frozen copy of the policy.
        progress: called with the steps charged after each update.
        options: further options of the twin.

    Raises:
        ValueError: steps, seeds or checkpoints out of range.
    """
    if total_steps < 1:
        raise ValueError(f"total_steps={total_steps!r}: a whole number of at least 1 is expected")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed={seed!r}: a whole number in [0, 2**32) is expected")
    for count in checkpoints:
        if not 0 <= count <= total_steps:
            raise ValueError(f"checkpoint {count}: a count in [0, total_steps={total_steps}] is expected")
    twin = TwinVecEnv(scenario, config.worlds, reveal_task=reveal_task, **(options or {}))
    env = VecNormalize(twin, clip_obs=config.clip_observation, gamma=config.gamma)
    with kept_global_streams():
        model = PPO(
            "MlpPolicy",
            env,
            learning_rate=config.learning_rate_at,
            n_steps=config.rollout_steps,
            batch_size=config.steps_per_rollout // config.minibatches,
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
        env.seed(world_seed)  # PPO has seeded the worlds with its own seed
        model.learn(total_steps, callback=_RolloutBoundaries(checkpoints, on_checkpoint, progress))
    return TrainedSb3(Sb3Policy.from_model(model), model, env, config, int(model.num_timesteps))
