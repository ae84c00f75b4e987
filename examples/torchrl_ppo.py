"""TorchRL trains the four acting roles with its own PPO: the lines of docs/compatibility.md.

    python examples/torchrl_ppo.py

Takes 10 s of CPU time. Needs torchrl 0.14, which `make setup` installs; elsewhere `pip install torchrl`,
or `python tests/consumers/run.py torchrl_ppo`, which makes an environment with the versions that were tested.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

MISSING = (
    "torchrl is not installed here: pip install torchrl, or let `python tests/consumers/run.py torchrl_ppo` "
    "make an environment that has it and run this with .consumers/torchrl_ppo/bin/python"
)


def train(steps: int) -> tuple[list[str], list[float]]:
    """Train for `steps` control steps; names of the groups, and the last loss of each in every iteration."""
    # What stands between the marks is what docs/compatibility.md has, but for the number of steps.
    # -- the lines
    import torch
    from tensordict.nn import NormalParamExtractor, TensorDictModule, TensorDictSequential
    from torchrl.collectors import Collector
    from torchrl.envs import MarlGroupMapType, PettingZooWrapper, check_env_specs
    from torchrl.modules import ProbabilisticActor, TanhNormal, ValueOperator
    from torchrl.objectives import ClipPPOLoss

    import ma_ssm_env

    def make_env():
        env = ma_ssm_env.parallel_env("PointDir-v0", absent_roles={"environment"})
        return PettingZooWrapper(env, return_state=True, group_map=MarlGroupMapType.ONE_GROUP_PER_AGENT)

    env = make_env()
    check_env_specs(env)

    torch.manual_seed(0)
    policies, losses = [], {}
    for group in env.group_map:  # "state_modeling_0", ...: observations [..., 1, O], actions [..., 1, A]
        sizes = [
            env.full_observation_spec[group, "observation"].shape[-1],
            env.full_action_spec[group, "action"].shape[-1],
        ]
        body = torch.nn.Sequential(
            torch.nn.Linear(sizes[0], 64),
            torch.nn.Tanh(),
            torch.nn.Linear(64, 2 * sizes[1]),
            NormalParamExtractor(),
        )
        keys = [(group, "loc"), (group, "scale")]
        actor = ProbabilisticActor(
            TensorDictModule(body, [(group, "observation")], keys),
            in_keys=keys,
            out_keys=[(group, "action")],
            distribution_class=TanhNormal,
            return_log_prob=True,
            log_prob_key=(group, "action_log_prob"),
        )
        critic = ValueOperator(
            torch.nn.Sequential(torch.nn.Linear(sizes[0], 64), torch.nn.Tanh(), torch.nn.Linear(64, 1)),
            in_keys=[(group, "observation")],
            out_keys=[(group, "state_value")],
        )
        loss = ClipPPOLoss(actor, critic, normalize_advantage=True)
        loss.set_keys(
            action=(group, "action"),
            sample_log_prob=(group, "action_log_prob"),
            value=(group, "state_value"),
            reward=(group, "reward"),
            done=(group, "done"),
            terminated=(group, "terminated"),
        )
        loss.make_value_estimator(gamma=0.95, lmbda=0.95)
        policies.append(actor)
        losses[group] = loss, torch.optim.Adam(loss.parameters(), 1e-3)

    collector = Collector(
        make_env,
        TensorDictSequential(*policies),
        frames_per_batch=400,
        total_frames=steps,
    )
    logged = []
    for batch in collector:
        for loss, optimizer in losses.values():
            with torch.no_grad():
                loss.value_estimator(batch)
            for _ in range(4):
                values = loss(batch)
                total = values["loss_objective"] + values["loss_critic"] + values["loss_entropy"]
                optimizer.zero_grad()
                total.backward()
                optimizer.step()
            logged.append(total.item())
    # -- until here
    return list(losses), logged


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 2 where torchrl is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1200, help="control steps, in iterations of 400 (1200)")
    parser.add_argument("--out", type=Path, default=Path("runs/torchrl_ppo"), help="for the policies' losses")
    given = parser.parse_args(arguments)
    if importlib.util.find_spec("torchrl") is None:
        print(MISSING, file=sys.stderr)
        return 2
    groups, logged = train(max(given.steps, 400))
    print(f"TorchRL played {len(logged) // len(groups)} batches of 400 steps. Loss of each role after each:")
    for i, group in enumerate(groups):
        print(f"  {group:<20}" + "".join(f"{value:10.3f}" for value in logged[i :: len(groups)]))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "losses.txt").write_text("\n".join(map(str, logged)) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
