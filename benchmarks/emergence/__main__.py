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
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import torch
import tyro

from benchmarks.emergence.analysis import analyse
from benchmarks.emergence.config import AnalysisConfig
from benchmarks.emergence.record import printed, write_record
from benchmarks.emergence.teams import load_team, retrained_returns
from benchmarks.runner.software import host, versions
from ma_ssm_env.commands import exit_with
from policies.config import to_json


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
        json: print one line of JSON: the record, and where it is.
    """

    checkpoint: Annotated[Path, tyro.conf.Positional]
    out: Path = Path("runs/quick")
    name: str | None = None
    title: str | None = None
    same: tuple[str, ...] = ()
    retrained: tuple[str, ...] = ()
    muted: str | None = None
    analysis: AnalysisConfig = field(default_factory=AnalysisConfig)
    json: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 2 where a checkpoint or an argument cannot be used."""
    command = tyro.cli(Command, args=arguments, prog="python -m benchmarks.emergence")
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
            progress=lambda part: print(
                f"{part} ...", file=sys.stderr if command.json else sys.stdout, flush=True
            ),
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
    if command.json:
        print(json.dumps({"path": str(path)} | json.loads(path.read_text())))
    else:
        print(printed(record))
        print(f"record in {path}")
    return 0


if __name__ == "__main__":
    exit_with(main)
