"""Our PPO, as one agent and as the team, as lines of the table of methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.runner.method import Job, Method, Report
from ma_ssm_env import Policy
from policies import training_state
from policies.config import TrainConfig, to_json, tuned
from policies.cores import CoreConfig
from policies.game import AGENT, Game
from policies.ppo import Communication
from policies.role_network import HeadConfig, RoleNetwork
from policies.team import NetworkConfig
from policies.train import players
from policies.training import Training

__all__ = ["matched_width", "ours"]

COSTS = {"mlp": 0.7, "s5": 1.0, "gru": 2.0}  # CPU time of a step of one agent, relative; others as `gru`
TEAM_COST = 2.5  # times that of one agent


def ours(
    core: str,
    *,
    team: bool,
    options: Mapping[str, Any] | None = None,
    matched: bool = False,
    privileged: bool = True,
    communication: Communication = "differentiable",
    infer_task: bool = False,
    teacher: Callable[[str], Policy] | None = None,
) -> Method:
    """Our PPO.

    Args:
        core: memory of every actor, a key of `policies.cores.CORES`.
        team: the five-role team; else the single agent.
        options: of the environment, in training and in evaluation.
        matched: the single agent is as wide as it must be to have as many actor parameters as the team.
        privileged: the critic reads the state, the hidden task included.
        communication: how the belief is learned (teams).
        infer_task: in training the agent, or state_modeling, is taught to tell the hidden task.
        teacher: scenario -> who plays the environment role and does not learn by gradients (teams whose
            `task_source` it is).
    """
    options = dict(options or {})

    def config(scenario: str, seed: int, budget: int) -> TrainConfig:
        kind = CoreConfig(kind=core)
        if matched:
            width = matched_width(scenario, core)
            kind = dataclasses.replace(kind, width=width, state_size=width)
        return TrainConfig(
            scenario=scenario,
            team=team,
            steps=budget,
            seed=seed,
            communication=communication,
            network=NetworkConfig(core=kind, privileged_critic=privileged, infer_task=infer_task),
            ppo=tuned(scenario),
            options=options,
            partners=("environment",) if teacher else (),
        )

    def run(job: Job, report: Report, progress: Callable[[int], None]) -> tuple[dict[str, int], int]:
        partners = {"environment": teacher(job.scenario)} if teacher else {}
        training = Training(config(job.scenario, job.seed, job.budget), partners)
        if job.kept is not None:
            training_state.resume(job.kept, training)
        due = sorted(job.checkpoints)
        while not training.finished:
            training.iterate()
            if due and training.steps >= due[0]:
                due = [count for count in due if count > training.steps]
                network = training.network
                report(training.steps, players(network), players(network, deterministic=False))
            progress(training.steps)
            if not training.finished:
                job.keep(training.steps, partial(_save, training))
        return training.parameter_counts(), training.steps

    cost = COSTS.get(core, COSTS["gru"]) * (TEAM_COST if team else 1.0) * (3.0 if matched else 1.0)
    return Method(
        cost, lambda scenario, budget: to_json(config(scenario, 0, budget)), run, options, resumes=True
    )


def _save(training: Training, folder: Path) -> None:
    training_state.save(folder, training)


@cache
def matched_width(scenario: str, core: str) -> int:
    """Width at which one agent's actor has as many parameters as the team's four together, at least."""
    team = Game(scenario, 1, True, {})
    target = sum(_actor_size(team, role, CoreConfig(kind=core)) for role in team.roles)
    twin = Game(scenario, 1, False, {})

    def enough(width: int) -> bool:
        return _actor_size(twin, AGENT, CoreConfig(kind=core, width=width, state_size=width)) >= target

    high = 32  # doubled first: wide networks take seconds to make
    while not enough(high):
        high *= 2
    low = 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def _actor_size(game: Game, role: str, core: CoreConfig) -> int:
    generator = torch.Generator().manual_seed(0)
    actor = RoleNetwork(
        game.observation_fields[role], game.action_fields[role], core, HeadConfig(), generator
    )
    return sum(parameter.numel() for parameter in actor.parameters())
