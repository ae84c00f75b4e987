"""RLlib trains five policies, the environment role's among them: the lines of docs/compatibility.md.

    .consumers/rllib_five_policies/bin/python examples/rllib_five_policies.py

Takes 20 s of CPU time. Needs RLlib (ray 2.60), which pins a gymnasium that is older than the one this project
asks for, so it wants an environment of its own: `python tests/consumers/run.py rllib_five_policies` makes it,
in `.consumers/rllib_five_policies`, with the versions that were tested. Set PYTHONPATH to the checkout then.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MISSING = (
    "ray[rllib] is not installed here: `python tests/consumers/run.py rllib_five_policies` makes an "
    "environment that has it; run this with .consumers/rllib_five_policies/bin/python"
)


def train(steps: int) -> dict[str, Any]:
    """Train for at least `steps` control steps, 606 an iteration; what RLlib reports of the last one."""
    # What stands between the marks is what docs/compatibility.md has.
    # -- the lines
    import ray
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
    from ray.tune.registry import register_env

    import ma_ssm_env

    ray.init(num_cpus=2, include_dashboard=False)
    register_env(
        "point_dir",
        lambda config: ParallelPettingZooEnv(
            ma_ssm_env.parallel_env("PointDir-v0", task_source="environment")
        ),
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
    while result["num_env_steps_sampled_lifetime"] < steps:
        result = algorithm.train()
    algorithm.stop()
    ray.shutdown()
    return dict(result)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 2 where RLlib is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3000, help="control steps, in iterations of 606 (3000)")
    parser.add_argument("--out", type=Path, default=Path("runs/rllib"), help="for the numbers of each role")
    given = parser.parse_args(arguments)
    if importlib.util.find_spec("ray") is None or importlib.util.find_spec("ray.rllib") is None:
        print(MISSING, file=sys.stderr)
        return 2
    result = train(given.steps)
    played = result["env_runners"]
    print(f"RLlib played {result['num_env_steps_sampled_lifetime']:,.0f} steps. What each policy earned a")
    print("trial (environment is paid learning progress, the others the task), and its loss:")
    for role, learned in result["learners"].items():
        if role in played["module_episode_returns_mean"]:
            earned = played["module_episode_returns_mean"][role]
            print(f"  {role:<16} {earned:8.2f} {learned['total_loss']:10.3f}")
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "returns.txt").write_text(f"{played['module_episode_returns_mean']}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
