"""Is it coordination? Measures a trained team: `python -m benchmarks.emergence CHECKPOINT`.

    python -m benchmarks.emergence runs/team --out runs/quick

writes `runs/quick/emergence/<name>.json`, which the report of `runs/quick` has a section for, and prints what
each measure says. Runs that were trained without a role are compared where they are given:

    python -m benchmarks.emergence runs/team0 --same runs/team0 runs/team1 runs/team2 \\
        --retrained adaptation=runs/without0 adaptation=runs/without1 adaptation=runs/without2
    python -m benchmarks.emergence runs/team0 --same runs/quick:team-s5 \\
        --retrained state_modeling=runs/quick:team-s5-muted
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from benchmarks.emergence_analysis import AnalysisConfig, analyse
from benchmarks.emergence_play import Team
from benchmarks.record_store import read_records
from benchmarks.runner.execute import host, versions
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.roles import ROLES
from policies import checkpoint
from policies.config import TrainConfig, to_json
from policies.game import Game
from policies.team import TeamNetwork
from policies.train import players


@dataclass(frozen=True)
class Command:
    """Measure whether a trained team coordinates.

    Attributes:
        checkpoint: folder that training wrote.
        out: results folder; the record goes into its `emergence` folder.
        name: of the record; by default that of the checkpoint's folder.
        title: what the report calls the team; by default its name.
        same: runs trained with all roles, to compare `retrained` with, the checkpoint itself too if it is to
            count: checkpoint folders, or `RESULTS:METHOD` for all seeds of a method in a results folder.
        retrained: runs trained without a role, `ROLE=RUN`, a run as in `same`.
        muted: measure the team with this role's posts muted.
        analysis: how much is played.
    """

    checkpoint: Annotated[Path, tyro.conf.Positional]
    out: Path = Path("runs/quick")
    name: str | None = None
    title: str | None = None
    same: tuple[str, ...] = ()
    retrained: tuple[str, ...] = ()
    muted: str | None = None
    analysis: AnalysisConfig = field(default_factory=AnalysisConfig)


def load_team(path: Path, *, muted: str | None = None) -> tuple[Team, TrainConfig, int]:
    """The team of a checkpoint, with its initial networks as references, and its configuration and steps.

    Raises:
        ValueError: no such checkpoint, or one of a single agent.
    """
    network, config, steps = checkpoint.load(path)
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
        judged = [
            evaluation
            for record in records
            for evaluation in record.result.evaluations
            if (evaluation.split, evaluation.actions) == ("test", "mode")
            and evaluation.steps == record.result.charged_steps
        ]
        return np.array([np.mean(e.returns, axis=(1, 2)) for e in judged]), judged[0].steps
    network, config, steps = checkpoint.load(run)
    if config.scenario != scenario:
        raise ValueError(
            f"{run}: trained on {config.scenario}, the team on {scenario}; compare like with like"
        )
    options = {k: v for k, v in config.options.items() if k != "task_source"}
    found = evaluate(scenario, players(network), split="test", **options)
    return found.returns.mean((1, 2))[None], steps


def write_record(folder: Path, record: dict[str, Any]) -> Path:
    """Write a record into `folder/emergence/<name>.json`, whole or not at all; returns its path."""
    path = folder / "emergence" / f"{record['name']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_rounded(record), separators=(",", ":"), allow_nan=False) + "\n"
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(beside, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def printed(record: dict[str, Any]) -> str:
    """What the measures say, a line each."""
    lines = [f"{record['title']} on {record['scenario']}: {record['returns']['team']:.2f} per inner episode"]
    for group, found in record["findings"].items():
        lines.append(f"\n{group}")
        for finding in found:
            p = "" if finding["p"] is None else f", p = {finding['p']:.3f}"
            lines.append(f"  [{finding['verdict']}{p}] {finding['words']}")
    seconds = sum(part["wall_s"] for part in record["cost"].values())
    lines.append(f"\nmeasured in {seconds:.0f} s")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 2 where a checkpoint or an argument cannot be used."""
    command = tyro.cli(Command, args=arguments)
    torch.set_num_threads(1)
    name = command.name or command.checkpoint.resolve().name
    try:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise ValueError(f"--name {name!r}: letters, digits, '.', '_' and '-' are expected")
        team, config, steps = load_team(command.checkpoint, muted=command.muted)
        retrained = retrained_returns(config.scenario, command.same, command.retrained)
        record = analyse(
            team,
            command.analysis,
            retrained=retrained,
            progress=lambda part: print(f"{part} ...", flush=True),
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    origin = {"kind": "checkpoint", "steps": steps, "training": to_json(config), "muted": command.muted}
    record = {
        "name": name,
        "title": command.title or name,
        **record,
        "origin": origin,
        "versions": versions(),
        "host": host(),
    }
    path = write_record(command.out, record)
    print(printed(record))
    print(f"record in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
