"""AgileRL: IPPO of the four acting roles, with the training loop of AgileRL."""

import json

# -- what a user writes
from agilerl.algorithms import IPPO
from agilerl.training.train_multi_agent_on_policy import train_multi_agent_on_policy
from agilerl.vector.pz_async_vec_env import AsyncPettingZooVecEnv

import ma_ssm_env


def make_env():
    return ma_ssm_env.parallel_env("PointDir-v0", absent_roles={"environment"})


if __name__ == "__main__":  # worlds run in processes
    env = AsyncPettingZooVecEnv([make_env, make_env])
    ippo = IPPO(
        observation_spaces=[env.single_observation_space(agent) for agent in env.agents],
        action_spaces=[env.single_action_space(agent) for agent in env.agents],
        agent_ids=list(env.agents),
        learn_step=100,
        batch_size=50,
        gamma=0.95,
    )
    population, fitness = train_multi_agent_on_policy(
        env, "PointDir-v0", "IPPO", [ippo], max_steps=800, evo_steps=400, eval_steps=100, verbose=False
    )
    # -- until here

    env.close()
    assert set(population[0].agent_ids) == {role + "_0" for role in ma_ssm_env.ACTING_ROLES}
    assert len(fitness[0]) >= 1, fitness
    print(json.dumps({"ran": f"IPPO of four roles in two processes, {population[0].steps[-1]} steps"}))
