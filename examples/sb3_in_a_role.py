"""A Stable-Baselines3 model plays one role of a team of ours: first it learns from them, then they from it.

    python examples/sb3_in_a_role.py

Takes 65 s of CPU time. Three trainings, each of `--steps` control steps:

1. a team of ours, all four acting roles;
2. SB3's PPO learns `meta_learning`, the role that proposes the torque, while ours play the others: a role is
   an ordinary environment once its team mates are part of it (`RoleVectorEnv`);
3. new networks of ours learn the other roles around the finished SB3 model.

Whoever speaks the protocol of `ma_ssm_env/policy.py` can be in a team; `Sb3Policy` is that of an SB3 model.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

from baselines.sb3_policy import Sb3Policy
from baselines.vec_env import BatchVecEnv
from ma_ssm_env import Policy, neutral_policy
from ma_ssm_env.evaluation import evaluate
from policies.config import TrainConfig, tuned
from policies.ppo import Communication
from policies.role_env import RoleVectorEnv
from policies.train import players, train

SCENARIO = "PointDir-v0"
ROLE = "meta_learning"
WORLDS = 32


def train_ours(steps: int, partners: Mapping[str, Policy] | None = None) -> dict[str, Policy]:
    """Train the acting roles that have no partner; their policies by role.

    Among our own networks gradients flow through the channel into the sender. They do not flow through a
    partner, so a sender that is to learn a partner's language has to be reinforced.
    """
    communication: Communication = "reinforced" if partners else "differentiable"
    config = TrainConfig(SCENARIO, team=True, steps=steps, ppo=tuned(SCENARIO), communication=communication)
    team = players(train(config, partners=partners).network)
    assert isinstance(team, dict)  # a team, not the twin
    return team


def train_sb3(steps: int, partners: Mapping[str, Policy]) -> PPO:
    """SB3's PPO as one role beside `partners`; it has no memory of its own, its sender remembers for it."""
    env = VecMonitor(BatchVecEnv(RoleVectorEnv(SCENARIO, ROLE, partners, WORLDS), seed=10**6))
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=100,  # a trial
        batch_size=400,
        n_epochs=4,
        learning_rate=1e-3,
        gamma=0.95,
        policy_kwargs={"log_std_init": -1.0},
        seed=0,
        device="cpu",
    )
    return model.learn(steps)


def show(name: str, team: Mapping[str, Policy]) -> None:
    """Print what a team earns on the held-out tasks."""
    found = evaluate(SCENARIO, team)
    first, second = found.returns.mean((0, 1))
    print(f"  {name:<58} {first:6.1f} {second:6.1f}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100_000, help="control steps of each training (100000)")
    parser.add_argument("--out", type=Path, default=Path("runs/sb3_in_a_role"), help="where the model goes")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)

    print(f"{SCENARIO}, three trainings of {given.steps:,} steps; return of the two inner episodes on 20")
    print("held-out tasks x 5 trials (116: one agent that is shown the task; 0: without being told it)\n")
    ours = train_ours(given.steps)
    show("1. our team", ours)
    others = {role: policy for role, policy in ours.items() if role != ROLE}
    show(f"   the same without {ROLE}: it proposes no torque", others | {ROLE: neutral_policy(2)})

    model = train_sb3(given.steps, others)
    sb3 = Sb3Policy.from_model(model)  # a frozen copy behind the policy protocol
    show(f"2. SB3's PPO as {ROLE}, learned beside ours", others | {ROLE: sb3})

    around = train_ours(given.steps, partners={ROLE: sb3})
    show("3. new networks of ours, learned around the SB3 model", around | {ROLE: sb3})
    show(f"   and they with our first {ROLE}, whom they never met", around | {ROLE: ours[ROLE]})

    sb3.save(given.out)
    print(f"\nThe model is in {given.out}; Sb3Policy.load(..., trust=True) reads it: SB3 stores pickles.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
