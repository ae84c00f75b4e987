"""Five teams of which it is known whether they coordinate, through the measures.

    python -m benchmarks.emergence.controls CHECKPOINT --out benchmarks/results/emergence

| record | team | what must come out |
|---|---|---|
| `trained` | the checkpoint, trained with gradients through the channel | messages carry it |
| `trained-muted` | the same, its belief received as 0 | nothing is heard, and nothing is earned |
| `untrained` | the same networks before training | nothing is earned by talking |
| `scripted-deaf` | an informed sender; listeners that never read | influence exactly 0 on every channel |
| `told` | hand-written: meta_learning succeeds only by reading the belief | all its value, one listener |
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro

from benchmarks.emergence.analysis import analyse
from benchmarks.emergence.config import AnalysisConfig
from benchmarks.emergence.play import Team
from benchmarks.emergence.record import printed, write_record
from benchmarks.emergence.scripted import DirectionModel, Layout
from benchmarks.emergence.teams import load_team, retrained_returns
from benchmarks.runner.software import host, versions
from ma_ssm_env import Policy
from ma_ssm_env.commands import exit_with
from policies.config import to_json

SCENARIO = "PointDir-v0"


def scripted_teams() -> dict[str, tuple[str, Team]]:
    """The scripted controls: record -> title, team."""
    layout = Layout.of(SCENARIO)
    deaf: dict[str, Policy] = {
        "state_modeling": DirectionModel(layout.observation["state_modeling"]),
        "meta_learning": layout.role("meta_learning", {("time_left", "prior"): [[0.8, -0.4]]}),
        "adaptation": layout.role("adaptation", {("last_torque", "correction"): [[-0.3, 0.5], [-0.5, -0.3]]}),
        "coordinator": layout.role("coordinator", {("time_left", "trust"): [[0.5, -0.5]]}),
    }
    return {
        "scripted-deaf": ("scripted team that ignores messages", Team(SCENARIO, deaf)),
        "told": ("hand-written team: the prior must read the belief", Team(SCENARIO, layout.told_team())),
    }


@dataclass(frozen=True)
class Command:
    """Measure the five controls.

    Attributes:
        checkpoint: a team trained on PointDir-v0 with differentiable communication.
        out: results folder.
        same, retrained: as in `benchmarks.emergence`, for the trained team.
        analysis: how much is played.
    """

    checkpoint: Annotated[Path, tyro.conf.Positional]
    out: Path = Path("benchmarks/results/emergence")
    same: tuple[str, ...] = ()
    retrained: tuple[str, ...] = ()
    analysis: AnalysisConfig = field(default_factory=AnalysisConfig)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 2 where a checkpoint or an argument cannot be used."""
    command = tyro.cli(Command, args=arguments, prog="python -m benchmarks.emergence.controls")
    torch.set_num_threads(1)
    try:
        trained, config, steps = load_team(command.checkpoint)
        muted, _, _ = load_team(command.checkpoint, muted="state_modeling")
        runs = retrained_returns(SCENARIO, command.same, command.retrained)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    untrained = Team(trained.scenario, trained.references, {}, trained.options)
    teams = {
        "trained": ("trained team, gradients through the channel", trained),
        "trained-muted": ("the same team, belief muted", muted),
        "untrained": ("the same networks before training", untrained),
        **scripted_teams(),
    }
    for name, (title, team) in teams.items():
        record = analyse(team, command.analysis, retrained=runs if name == "trained" else None)
        origin: dict[str, Any] = {"kind": "control"}
        if name in ("trained", "trained-muted", "untrained"):
            origin |= {"steps": 0 if name == "untrained" else steps, "training": to_json(config)}
        record = {
            "name": name,
            "title": title,
            **record,
            "origin": origin,
            "versions": versions(),
            "host": host(),
        }
        write_record(command.out, record)
        print(printed(record), end="\n\n", flush=True)
    return 0


if __name__ == "__main__":
    exit_with(main)
