"""The teams and runs that are measured: from checkpoints, and from the records of a results folder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.configurations import one_configuration
from benchmarks.emergence.play import Team
from benchmarks.judged_return import judged_return
from benchmarks.record_store import read_records
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.roles import ROLES
from policies import checkpoint
from policies.config import TrainConfig
from policies.game import Game
from policies.team import TeamNetwork
from policies.train import players


def load_team(path: Path, *, muted: str | None = None) -> tuple[Team, TrainConfig, int]:
    """The team of a checkpoint, with its initial networks as references, and its configuration and steps.

    Raises:
        ValueError: no such checkpoint, one of a single agent, or one that holds but a part of its team.
    """
    network, config, steps = checkpoint.load(path)
    checkpoint.require_whole(path, config)
    if not config.team:
        raise ValueError(f"{path}: a single agent; emergence is measured of a team (train with --team)")
    options = {k: v for k, v in config.options.items() if k != "task_source"}
    if muted is not None:
        if muted not in ROLES:
            raise ValueError(f"--muted {muted}: unknown role; one of {', '.join(ROLES)} is expected")
        options["muted_roles"] = sorted({*options.get("muted_roles", ()), muted})
    generator = torch.Generator().manual_seed(config.seed)  # as `policies.train.train` begins
    differentiable = config.communication == "differentiable"
    initial = TeamNetwork(Game(config.scenario, 1, True, options), config.network, differentiable, generator)
    trained, untrained = players(network), players(initial)
    assert isinstance(trained, dict)
    assert isinstance(untrained, dict)
    return Team(config.scenario, trained, untrained, options), config, steps


def retrained_returns(
    scenario: str, same: Sequence[str], without: Sequence[str]
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Returns per task of runs with and without each role, on the test tasks: role -> [R, N], [R', N].

    Raises:
        ValueError: not of the form ROLE=RUN, an unknown role, no runs to compare with, or runs that differ in
            scenario or steps.
    """
    groups: dict[str, list[str]] = {}
    for pair in without:
        role, _, run = pair.partition("=")
        if role not in ROLES or not run:
            raise ValueError(f"--retrained {pair}: ROLE=RUN is expected, a role of {', '.join(ROLES)}")
        groups.setdefault(role, []).append(run)
    if groups and not same:
        raise ValueError("--retrained without --same: give the runs with the role to compare with")
    read = {run: _returns_of(run, scenario) for run in dict.fromkeys(chain(same, *groups.values()))}
    steps = {run: taken for run, (_, taken) in read.items()}
    if len(set(steps.values())) > 1:
        raise ValueError(f"runs of different steps: {steps}; compare like with like")

    def together(runs: Sequence[str]) -> NDArray[np.float64]:
        return np.concatenate([read[run][0] for run in runs])

    return {role: (together(same), together(runs)) for role, runs in groups.items()}


def _returns_of(run: str, scenario: str) -> tuple[NDArray[np.float64], int]:
    """Returns per test task of a checkpoint [1, N] or of a method's records [R, N], and the steps taken."""
    folder, _, method = run.rpartition(":")
    if folder:
        records = [r for r in read_records(folder) if (r.run.method, r.run.scenario) == (method, scenario)]
        if not records:
            raise ValueError(f"{run}: no records of {method} on {scenario} in {folder}/records")
        records, note = one_configuration(method, records)
        if note is not None:
            raise ValueError(f"{folder}/records: {note} Name a folder that holds one configuration")
        judged = [
            evaluation
            for record in records
            for evaluation in record.result.evaluations
            if (evaluation.split, evaluation.actions) == ("test", "mode")
            and evaluation.steps == record.result.charged_steps
        ]
        return np.array([judged_return(scenario, e.returns).mean(1) for e in judged]), judged[0].steps
    network, config, steps = checkpoint.load(run)
    checkpoint.require_whole(run, config)
    if config.scenario != scenario:
        raise ValueError(
            f"{run}: trained on {config.scenario}, the team on {scenario}; compare like with like"
        )
    options = {k: v for k, v in config.options.items() if k != "task_source"}
    found = evaluate(scenario, players(network), split="test", **options)
    return judged_return(config.scenario, found.returns).mean(1)[None], steps
