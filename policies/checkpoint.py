"""Checkpoints: weights in safetensors, everything else in JSON. Loading one never executes code.

`checkpoint.json` names its weights file and that file's digest, and is written last, so that a directory
holds either the old checkpoint or the new one, never half of each.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ma_ssm_env import __version__
from ma_ssm_env.roles import ACTING_ROLES
from policies import tensor_store
from policies.config import TrainConfig, from_json, to_json
from policies.game import Game
from policies.team import TeamNetwork
from policies.tensor_store import StoreError as CheckpointError

__all__ = ["FILE", "FORMAT", "CheckpointError", "load", "require_whole", "save"]

FORMAT = 1
FILE = "checkpoint.json"


def save(directory: str | os.PathLike[str], network: TeamNetwork, config: TrainConfig, steps: int) -> Path:
    """Write a checkpoint into `directory`, over an earlier one; returns the path of its JSON file."""
    path = Path(directory) / FILE
    description = {
        "format": FORMAT,
        "code": __version__,
        "config": to_json(config),
        "steps": steps,
        "fields": {role: _layout(network.actor(role).fields) for role in network.roles},
        "action_fields": {role: _layout(network.actor(role).action_fields) for role in network.roles},
    }
    tensor_store.write(path, "weights", network.state_dict(), description)
    return path


def load(directory: str | os.PathLike[str]) -> tuple[TeamNetwork, TrainConfig, int]:
    """The network, its configuration, and the steps that it was trained for.

    Raises:
        CheckpointError: no checkpoint there, a newer format, a digest, configuration, scenario or observation
            layout that does not fit.
    """
    folder = Path(directory)
    path = folder / FILE if folder.is_dir() else folder
    weights, description = tensor_store.read(path, "checkpoint", FORMAT, ("config", "steps", "fields"))
    for name, kind in (("steps", int), ("fields", dict), ("action_fields", dict)):
        value = description.get(name, kind())  # older checkpoints have no action fields
        if not isinstance(value, kind):
            raise CheckpointError(f"{path}: {name}={value!r:.80}: not what this code writes")
    try:
        config = from_json(description["config"])
        game = Game(config.scenario, 1, config.team, config.options, others=config.partners)
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{path}: {error}") from None
    network = TeamNetwork(game, config.network, config.communication == "differentiable", torch.Generator())
    for role, fields in description["fields"].items():
        now = _layout(game.observation_fields[role]) if role in game.roles else None
        if fields != now:
            raise CheckpointError(
                f"{path}: {role} was trained on observations {fields}; {config.scenario} now gives {now}"
            )
    for role, fields in description.get("action_fields", {}).items():
        now = _layout(game.action_fields[role]) if role in game.roles else None
        if fields != now:
            raise CheckpointError(
                f"{path}: {role} was trained on actions {fields}; {config.scenario} now takes {now}"
            )
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: its weights do not fit its configuration: {error}") from None
    return network, config, description["steps"]


def require_whole(path: str | os.PathLike[str], config: TrainConfig) -> None:
    """Refuse a team of which the checkpoint holds a part: without the others it is another team.

    Who chooses tasks is no part of a team that is judged.

    Raises:
        CheckpointError: acting roles were played by partners.
    """
    partners = [role for role in config.partners if role in ACTING_ROLES]
    if partners:
        each = ", ".join(f'"{role}": ...' for role in partners)
        raise CheckpointError(
            f"{path}: trained beside partners ({', '.join(partners)}), whose policies no checkpoint holds, "
            "and without whom it is another team; play it in Python, with them: evaluate("
            f'"{config.scenario}", players(network) | {{{each}}}, **config.options)'
        )


def _layout(fields: dict[str, slice]) -> dict[str, list[int]]:
    return {name: [where.start, where.stop] for name, where in fields.items()}
