"""SuperSuit pads, marks and vectorises the five roles; Stable-Baselines3 trains one network for all."""

import json

# -- what a user writes
import supersuit
from stable_baselines3 import PPO

import ma_ssm_env

env = ma_ssm_env.parallel_env("PointDir-v0", absent_roles={"environment"})
env = supersuit.pad_observations_v0(env)
env = supersuit.pad_action_space_v0(env)
env = supersuit.agent_indicator_v0(env)  # after the padding
env = supersuit.pettingzoo_env_to_vec_env_v1(env)
env = supersuit.concat_vec_envs_v1(env, 2, num_cpus=1, base_class="stable_baselines3")

model = PPO("MlpPolicy", env, n_steps=100, batch_size=200, n_epochs=2)  # without seed=: SuperSuit has none
env.venv.reset(seed=0)  # env.reset() takes no seed
model.learn(1600)
# -- until here

import numpy as np

from ma_ssm_env.homogeneous import homogeneous

assert env.num_envs == 8, "four roles in two worlds"
assert model.num_timesteps == 1600
seeded, again = (env.venv.reset(seed=0)[0] for _ in range(2))
np.testing.assert_array_equal(seeded, again)
assert (env.venv.reset(seed=1)[0] != seeded).any()
ours = homogeneous(ma_ssm_env.parallel_env("PointDir-v0", absent_roles={"environment"}))
theirs = ma_ssm_env.parallel_env("PointDir-v0", absent_roles={"environment"})
theirs = supersuit.agent_indicator_v0(supersuit.pad_action_space_v0(supersuit.pad_observations_v0(theirs)))
first, _ = ours.reset(seed=3)
second, _ = theirs.reset(seed=3)
for agent in ours.possible_agents:
    np.testing.assert_array_equal(first[agent], second[agent])
    assert ours.observation_space(agent).shape == theirs.observation_space(agent).shape
    assert ours.action_space(agent) == theirs.action_space(agent)
vector = supersuit.pettingzoo_env_to_vec_env_v1(ours)  # the helper goes the same way
assert vector.num_envs == 4
print(
    json.dumps({"ran": "pad, indicator, vectorise; shared PPO, 1,600 transitions; homogeneous() is the same"})
)
