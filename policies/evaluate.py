"""Evaluate a checkpoint on held-out tasks: `python -m policies.evaluate CHECKPOINT`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated

import torch
import tyro

from ma_ssm_env.commands import exit_with
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.variations import Split
from policies import checkpoint
from policies.train import players


@dataclass(frozen=True)
class Command:
    """Evaluate a checkpoint on the fixed tasks of a split, with common random numbers.

    Attributes:
        checkpoint: folder that training wrote.
        split: whose tasks.
        trials: trials a task.
        sampled: act by samples; else by the mode of the distribution.
        json: print one line of JSON.
    """

    checkpoint: Annotated[Path, tyro.conf.Positional]
    split: Split = "test"
    trials: int = 5
    sampled: bool = False
    json: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 2 where the checkpoint cannot be used."""
    command = tyro.cli(Command, args=arguments, prog="python -m policies.evaluate")
    torch.set_num_threads(1)
    try:
        network, config, steps = checkpoint.load(command.checkpoint)
        checkpoint.require_whole(command.checkpoint, config)
        found = evaluate(
            config.scenario,
            players(network, deterministic=not command.sampled),
            trials=command.trials,
            **{**config.options, "split": command.split},  # whatever split it was trained on
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    returns = [round(float(x), 4) for x in found.returns.mean((0, 1))]
    result = {
        "scenario": config.scenario,
        "steps": steps,
        "split": command.split,
        "tasks": len(found.tasks),
        "trials": command.trials,
        "returns": returns,
        "bits": round(float(found.bits.mean()), 3),
    }
    if command.json:
        print(json.dumps(result))
    else:
        print(f"{config.scenario}, {'team' if config.team else 'one agent'} after {steps} steps")
        print(
            f"{len(found.tasks)} {command.split} tasks x {command.trials} trials, "
            "mean return per inner episode:"
        )
        print("  " + "  ".join(f"{value:.2f}" for value in returns))
        if config.team:
            print(f"nominal bits sent a step: {result['bits']}")
        if command.split == "test" and not {"horizon", "episodes_per_trial"} & config.options.keys():
            print("".join(_scale(config.scenario)), end="")
    return 0


def _scale(scenario: str) -> Iterator[str]:
    """What the returns can be held against: the measured reference values, where the scenario has some."""
    table = json.loads((resources.files("ma_ssm_env") / "references.json").read_text(encoding="utf-8"))
    names = {"random": "random actions", "blind": "best without knowing the task", "oracle": "shown the task"}
    known = {name: entry["returns"] for name, entry in table.get(scenario, {}).items() if name in names}
    if known:
        yield "for scale, of one agent:\n"
    for name, words in names.items():
        if name in known:
            yield "  " + "  ".join(f"{value:.2f}" for value in known[name]) + f"  {words}\n"


if __name__ == "__main__":
    exit_with(main)
