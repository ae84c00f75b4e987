"""A Stable-Baselines3 model plays a role of the team, while the others learn and in evaluation."""

from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3 import PPO

from baselines.sb3_policy import Sb3Policy
from ma_ssm_env import TeamVectorEnv
from ma_ssm_env.evaluation import evaluate
from policies.config import TrainConfig
from policies.cores import CoreConfig
from policies.ppo import PpoConfig
from policies.team import NetworkConfig
from policies.train import players, train


class _Spaces(gym.Env[Any, Any]):
    """What a model needs to know of a role: its spaces."""

    def __init__(self, agent: str) -> None:
        env = TeamVectorEnv("PointDir-v0", 1)
        self.observation_space = env.single_observation_space(agent)
        self.action_space = env.single_action_space(agent)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(self.observation_space.shape or (), np.float32), {}

    def step(self, action: Any) -> Any:
        raise AssertionError("it is never stepped")


def test_a_model_of_stable_baselines3_plays_a_role_while_others_learn() -> None:
    model = PPO("MlpPolicy", _Spaces("coordinator_0"), seed=0, device="cpu")
    coordinator = Sb3Policy.from_model(model)
    play: dict[str, Any] = {"horizon": 7}
    config = TrainConfig(
        team=True,
        steps=80,
        network=NetworkConfig(core=CoreConfig(width=8, state_size=6)),
        ppo=PpoConfig(num_worlds=4, rollout=20, segment=10, minibatches=2, epochs=1),
        options=play,
    )
    trained = train(config, partners={"coordinator": coordinator})
    assert trained.network.roles == ("state_modeling", "meta_learning", "adaptation")
    learned = players(trained.network)
    assert isinstance(learned, dict)
    settings: dict[str, Any] = {"split": "validation", "trials": 1, **play}
    with_model = evaluate("PointDir-v0", learned | {"coordinator": coordinator}, **settings)
    without = evaluate("PointDir-v0", learned, **settings)
    assert np.isfinite(with_model.returns).all()
    assert not np.isclose(with_model.bits, without.bits).any()  # its rate is not the neutral one
