"""Gymnasium's vector environments: ours and theirs, over the single-agent twin."""

import json

# -- what a user writes
import gymnasium as gym
import numpy as np

import ma_ssm_env  # registers the ids

many = gym.make_vec("ma_ssm/PointDir-v0", num_envs=4)  # ours: one batch, the fast one
sync = gym.make_vec("ma_ssm/PointDir-v0", num_envs=4, vectorization_mode="sync")  # Gymnasium's, one by one
for env in (many, sync):
    env = gym.wrappers.vector.RecordEpisodeStatistics(env)
    observations, infos = env.reset(seed=0)
    for _ in range(100):  # a trial of PointDir-v0
        torques = np.zeros(env.action_space.shape, dtype=np.float32)
        observations, rewards, terminations, truncations, infos = env.step(torques)
    print(infos["episode"]["r"], infos["episode"]["l"])
# -- until here


def first_steps(environment, steps=60):
    rng = np.random.default_rng(0)
    seen = [environment.reset(seed=7)[0]]
    for _ in range(steps):
        torques = rng.uniform(-1, 1, environment.action_space.shape).astype(np.float32)
        seen.append(environment.step(torques)[0])
    return np.stack(seen)


assert infos["episode"]["l"].tolist() == [100] * 4, infos
assert terminations.all()
assert not truncations.any()
asynchronous = gym.make_vec("ma_ssm/PointDir-v0", num_envs=2, vectorization_mode="async")
pair = gym.make_vec("ma_ssm/PointDir-v0", num_envs=2)
np.testing.assert_array_equal(first_steps(asynchronous), first_steps(pair))
np.testing.assert_array_equal(first_steps(sync), first_steps(many))
asynchronous.close()
print(json.dumps({"ran": "make_vec: ours, sync and async; 100 steps each; 60 steps equal bit for bit"}))
