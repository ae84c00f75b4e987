"""Checkpoints: weights in safetensors, everything else in JSON. Loading one never executes code.

`checkpoint.json` names its weights file and that file's digest, and is written last, so that a directory
holds either the old checkpoint or the new one, never half of each.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from ma_ssm_env import __version__
from policies.config import TrainConfig, from_json, to_json
from policies.game import Game
from policies.team import TeamNetwork

FORMAT = 1
FILE = "checkpoint.json"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names file, field and remedy."""


def save(directory: str | os.PathLike[str], network: TeamNetwork, config: TrainConfig, steps: int) -> Path:
    """Write a checkpoint into `directory`, over an earlier one; returns the path of its JSON file."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    weights = save_tensors({name: tensor.contiguous() for name, tensor in network.state_dict().items()})
    digest = hashlib.sha256(weights).hexdigest()
    name = f"weights-{digest[:12]}.safetensors"
    _write(folder / name, weights)
    description = {
        "format": FORMAT,
        "code": __version__,
        "config": to_json(config),
        "steps": steps,
        "fields": {role: _layout(network.actor(role).fields) for role in network.roles},
        "weights": {"file": name, "sha256": digest},
    }
    _write(folder / FILE, (json.dumps(description, indent=1) + "\n").encode())
    for old in folder.glob("weights-*.safetensors"):
        if old.name != name:
            old.unlink()
    return folder / FILE


def load(directory: str | os.PathLike[str]) -> tuple[TeamNetwork, TrainConfig, int]:
    """The network, its configuration, and the steps that it was trained for.

    Raises:
        CheckpointError: no checkpoint there, a newer format, a digest, configuration, scenario or observation
            layout that does not fit.
    """
    folder = Path(directory)
    path = folder / FILE if folder.is_dir() else folder
    try:
        description = json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no checkpoint there; give the folder that training wrote") from None
    except ValueError as error:
        raise CheckpointError(f"{path}: not a checkpoint: {error}") from None
    if not isinstance(description, dict):
        raise CheckpointError(f"{path}: not a checkpoint: a JSON object is expected")
    if description.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: format {description.get('format')!r}; this code reads format {FORMAT}"
        )
    missing = [name for name in ("config", "steps", "fields", "weights") if name not in description]
    if missing:
        raise CheckpointError(f"{path}: not a checkpoint: without {', '.join(missing)}")
    weights_path = path.parent / description["weights"]["file"]
    try:
        weights = weights_path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"{weights_path}: missing; {path} names it") from None
    if hashlib.sha256(weights).hexdigest() != description["weights"]["sha256"]:
        raise CheckpointError(f"{weights_path}: its digest is not the one in {path}; the file was changed")
    try:
        config = from_json(description["config"])
        game = Game(config.scenario, 1, config.team, config.options)
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{path}: {error}") from None
    network = TeamNetwork(game, config.network, config.communication == "differentiable", torch.Generator())
    for role, fields in description["fields"].items():
        now = _layout(game.observation_fields[role]) if role in game.roles else None
        if fields != now:
            raise CheckpointError(
                f"{path}: {role} was trained on observations {fields}; {config.scenario} now gives {now}"
            )
    try:
        network.load_state_dict(load_tensors(weights))
    except RuntimeError as error:
        raise CheckpointError(f"{path}: its weights do not fit its configuration: {error}") from None
    return network, config, int(description["steps"])


def _layout(fields: dict[str, slice]) -> dict[str, list[int]]:
    return {name: [where.start, where.stop] for name, where in fields.items()}


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
