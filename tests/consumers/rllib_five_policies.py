"""RLlib: PPO with a policy for each of the five roles, tasks chosen by the environment role."""

import json

# -- what a user writes
import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.tune.registry import register_env

import ma_ssm_env

ray.init(num_cpus=2, include_dashboard=False)
register_env(
    "point_dir",
    lambda config: ParallelPettingZooEnv(ma_ssm_env.parallel_env("PointDir-v0", task_source="environment")),
)
roles = ma_ssm_env.ROLES
config = (
    PPOConfig()
    .environment("point_dir")
    .env_runners(num_env_runners=0)
    .multi_agent(policies=set(roles), policy_mapping_fn=lambda agent, episode: agent.removesuffix("_0"))
    .training(train_batch_size=606, minibatch_size=202, num_epochs=2, gamma=0.95)
)
algorithm = config.build_algo()
result = algorithm.train()
# -- until here

for role in roles:
    learned = result["learners"][role]
    assert learned["num_module_steps_trained_lifetime"] > 0, role
    assert abs(learned["total_loss"]) < 1e9, role
trials = result["env_runners"]["num_episodes"]
assert trials >= 4, trials
algorithm.stop()
ray.shutdown()
print(json.dumps({"ran": f"PPO with five policies, {trials} trials of a setup step and 100 steps"}))
