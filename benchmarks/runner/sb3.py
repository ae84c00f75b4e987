"""The methods of Stable-Baselines3 and sb3-contrib, as lines of the table of methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from baselines.a2c import a2c_config, train_a2c
from baselines.off_policy import Algorithm, off_policy_config, train_off_policy
from baselines.recurrent_ppo import recurrent_ppo_config, train_recurrent_ppo
from baselines.sb3 import TrainedSb3, sb3_ppo_config, train_sb3_ppo
from baselines.shared_ppo import TrainedShared, shared_ppo_config, train_shared_ppo
from baselines.training import Hooks
from benchmarks.runner.method import Job, Kind, Method, Report
from ma_ssm_env.policy import Players
from policies.config import WORLDS_OF_A_RUN

STACK = 8  # observations that the stacking PPO sees: an eighth of a second of HalfCheetah is 2.5 of them
Train = Callable[..., TrainedSb3 | TrainedShared]


def _method(
    cost: float,
    config: Callable[[str], Any],
    train: Train,
    *,
    told: Mapping[str, Any],
    options: dict[str, Any] | None = None,
    resumes: bool = True,
    kind: Kind = "on-policy",
) -> Method:
    """A method from its settings by scenario and its training function.

    Args:
        cost: CPU time of a step, relative to the other methods.
        config: scenario -> settings, a dataclass.
        train: (scenario, seed, steps, settings, world_seed=, hooks=, options=) -> what was trained.
        told: what the record says beside the settings.
        options: options of the environment, in training and in evaluation.
        resumes: whether an interrupted run can go on.
        kind: of learner.
    """
    options = options or {}

    def configuration(scenario: str, budget: int) -> dict[str, Any]:
        del budget
        return {**told, **dataclasses.asdict(config(scenario))}

    def run(job: Job, report: Report, progress: Callable[[int], None]) -> tuple[dict[str, int], int]:
        def on_checkpoint(steps: int, policy: Any) -> None:
            report(steps, policy, _sampled(policy))

        trained = train(
            job.scenario,
            job.seed,
            job.budget,
            config(job.scenario),
            world_seed=job.seed * WORLDS_OF_A_RUN,
            hooks=Hooks(job.checkpoints, on_checkpoint, progress, job.kept, job.keep if resumes else None),
            options=options,
        )
        return trained.parameters, trained.steps

    return Method(cost, configuration, run, options, resumes=resumes, kind=kind)


def _sampled(policy: Any) -> Players:
    if isinstance(policy, Mapping):
        return {role: one.with_mode(False) for role, one in policy.items()}
    players: Players = policy.with_mode(False)
    return players


def sb3_ppo(reveal_task: bool = False, stack: int = 1) -> Method:
    """PPO; shown the task, or shown its last `stack` observations (each with last torque and reward)."""

    def train(*positional: Any, hooks: Hooks, options: Mapping[str, Any], world_seed: int) -> TrainedSb3:
        return train_sb3_ppo(
            *positional,
            reveal_task=reveal_task,
            world_seed=world_seed,
            stack=stack,
            **{field.name: getattr(hooks, field.name) for field in dataclasses.fields(hooks)},
        )

    told = {"reveal_task": reveal_task, **({"stack": stack} if stack > 1 else {})}
    options = {"reveal_task": True} if reveal_task else {}
    return _method(2.0, sb3_ppo_config, train, told=told, options=options)


def sb3_off_policy(algorithm: Algorithm, cost: float, reveal_task: bool = False) -> Method:
    """SAC, TD3 or TQC, or one that is shown the task."""
    return _method(
        cost,
        lambda scenario: off_policy_config(algorithm, scenario),
        train_off_policy,
        told={"reveal_task": reveal_task},
        options={"reveal_task": True} if reveal_task else {},
        kind="off-policy",
    )


def sb3_a2c() -> Method:
    """A2C."""
    return _method(1.0, a2c_config, train_a2c, told={})


def sb3_recurrent_ppo() -> Method:
    """RecurrentPPO with fused LSTM calls."""
    return _method(3.0, recurrent_ppo_config, train_recurrent_ppo, told={})


def sb3_shared_ppo() -> Method:
    """Parameter-shared PPO on the five roles, through SuperSuit."""
    return _method(
        16.0, shared_ppo_config, train_shared_ppo, told={"game": "five roles, SuperSuit"}, resumes=False
    )
