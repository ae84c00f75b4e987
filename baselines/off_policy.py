"""Off-policy learners of Stable-Baselines3 and sb3-contrib on the single-agent twin: SAC, TD3, TQC.

Details that matter:

1. Worlds are stepped together, and `updates` gradient steps follow each step of all of them: the number of
   updates a sample is updates / worlds. It decides CPU time: one update costs as much as 40 worlds' steps.
2. The replay buffer holds raw observations; they are normalised by the statistics of the moment when drawn.
   Rewards are left as they are: a scale that moves would move the targets of old samples.
3. The trial's end is a termination, so targets do not reach past it.
4. TD3 explores by Gaussian noise from NumPy's global generator, which is the run's own (`training`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from sb3_contrib import TQC
from stable_baselines3 import SAC, TD3
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from baselines.sb3 import TrainedSb3, normalised_twin
from baselines.sb3_policy import Sb3Policy
from baselines.training import Hooks, train_model
from baselines.tuned import tuned_settings
from ma_ssm_env.scenarios import Scenario

Algorithm = Literal["sac", "td3", "tqc"]
CLASSES: dict[str, type[OffPolicyAlgorithm]] = {"sac": SAC, "td3": TD3, "tqc": TQC}


@dataclass(frozen=True)
class OffPolicyConfig:
    """Settings of SAC, TD3 or TQC; how they were found is in `baselines/TUNING.md`.

    Attributes:
        algorithm: which of them.
        worlds: worlds stepped together.
        updates: gradient steps after each step of all worlds.
        batch: samples of a gradient step.
        buffer: transitions that the replay buffer holds.
        learning_starts: control steps of uniform actions before the first update.
        learning_rate: Adam's.
        gamma: discount.
        tau: share of the new weights in the target networks, each update.
        width: units of each of the two hidden layers.
        noise: standard deviation of TD3's exploration.
        clip_observation: largest absolute value of a normalised observation.
    """

    algorithm: Algorithm = "sac"
    worlds: int = 16
    updates: int = 4
    batch: int = 256
    buffer: int = 1_000_000
    learning_starts: int = 2_000
    learning_rate: float = 1e-3
    gamma: float = 0.97
    tau: float = 0.02
    width: int = 128
    noise: float = 0.2
    clip_observation: float = 10.0

    def __post_init__(self) -> None:
        if self.algorithm not in get_args(Algorithm):
            raise ValueError(f"algorithm={self.algorithm!r}: one of {', '.join(CLASSES)} is expected")
        for name in ("worlds", "updates", "batch", "buffer", "width"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r}: a whole number of at least 1 is expected")


# What differs from the defaults above, by algorithm and scenario.
TUNED: dict[str, dict[str, dict[str, Any]]] = {
    "sac": {"PointDir-v0": {"gamma": 0.95}},
    "td3": {"PointDir-v0": {"gamma": 0.95}},
    "tqc": {"PointDir-v0": {"gamma": 0.95}},
}


def off_policy_config(algorithm: Algorithm, scenario: str | Scenario, **changes: Any) -> OffPolicyConfig:
    """The tuned settings of an algorithm on a scenario, with `changes`."""
    tuned = tuned_settings(TUNED.get(algorithm, {}), scenario)
    return dataclasses.replace(OffPolicyConfig(algorithm=algorithm), **{**tuned, **changes})


def train_off_policy(
    scenario: str | Scenario,
    seed: int,
    total_steps: int,
    config: OffPolicyConfig,
    *,
    world_seed: int,
    hooks: Hooks,
    options: Mapping[str, Any] | None = None,
) -> TrainedSb3:
    """Train on the twin of a scenario, on the CPU.

    Args:
        scenario: id of a scenario, or the scenario.
        seed: of the learner; in [0, 2**32).
        total_steps: control steps over all worlds.
        config: the settings.
        world_seed: world i is seeded with `world_seed + i`.
        hooks: checkpoints, progress, and going on after a cut.
        options: options of the twin, such as `reveal_task=True`.
    """
    hooks.require(total_steps, seed)
    env = normalised_twin(
        scenario,
        config.worlds,
        config.clip_observation,
        config.gamma,
        scale_rewards=False,
        options=options or {},
    )

    def build() -> OffPolicyAlgorithm:
        size = env.action_space.shape[0]  # type: ignore[index]
        explores = NormalActionNoise(np.zeros(size), np.full(size, config.noise))
        return CLASSES[config.algorithm](
            "MlpPolicy",
            env,
            learning_rate=config.learning_rate,
            buffer_size=min(config.buffer, total_steps + config.worlds),
            learning_starts=config.learning_starts,
            batch_size=config.batch,
            tau=config.tau,
            gamma=config.gamma,
            train_freq=1,
            gradient_steps=config.updates,
            policy_kwargs={"net_arch": [config.width] * 2},
            seed=seed,
            device="cpu",
            action_noise=explores if config.algorithm == "td3" else None,
        )

    model = train_model(
        build,
        Sb3Policy.from_model,
        total_steps,
        seed_worlds=lambda model: env.seed(world_seed),
        hooks=hooks,
    )
    return TrainedSb3(Sb3Policy.from_model(model), model, env, config, int(model.num_timesteps))
