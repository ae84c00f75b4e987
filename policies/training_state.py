"""The training state in a folder: what a run needs to go on exactly where it was, after a kill or a stop.

N steps equal k steps, a stop, and N - k more, bit for bit on one machine's CPU. Tensors and arrays are in
safetensors, the rest in `training.json`; reading them executes no code.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import torch

from ma_ssm_env import __version__
from ma_ssm_env.plain_state import from_plain, to_plain
from policies import run_folder, tensor_store
from policies.config import TrainConfig, from_json, to_json
from policies.tensor_store import StoreError
from policies.training import Training

FORMAT = 1
FILE = run_folder.TRAINING_STATE


class ConfigurationError(StoreError):
    """The stored run has another configuration; the message names what differs."""


def save(directory: str | os.PathLike[str], training: Training) -> Path:
    """Store the state of `training` in a folder, over an earlier one; returns the path of its JSON file.

    Raises:
        TypeError: something that a policy of others remembers has no plain form.
    """
    path = Path(directory) / FILE
    arrays, outline = to_plain(training.clone_state())
    description = {
        "format": FORMAT,
        "versions": _versions(),
        "config": to_json(training.config),
        "steps": training.steps,
        "state": outline,
    }
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    tensor_store.write(path, "training", tensors, description)
    return path


def resume(directory: str | os.PathLike[str], training: Training) -> bool:
    """Bring `training`, just made, to the state that the folder holds; False where it holds none.

    Raises:
        ConfigurationError: that state is of another configuration; nothing has changed then.
        StoreError: it is damaged, or of another format; `training` may have been taken up by half.
    """
    path = Path(directory) / FILE
    if not path.exists():
        return False
    tensors, description = tensor_store.read(path, "training state", FORMAT, ("config", "steps", "state"))
    try:
        saved = from_json(description["config"])
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{path}: {error}") from None
    different = differences(saved, training.config)
    if different:
        raise ConfigurationError(f"{path} is of a run with another configuration: {'; '.join(different)}")
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    try:
        training.restore_state(from_plain(arrays, description["state"]))
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: damaged, or not of this code: {error!r:.200}") from error
    return True


def changed_versions(directory: str | os.PathLike[str]) -> list[str]:
    """Software that has another version than when the state was stored, such as `torch 2.8.0, now 2.9.0`.

    The run goes on with it, but its bits may be others than those of a run without a stop.
    """
    path = Path(directory) / FILE
    try:
        saved = json.loads(path.read_text())["versions"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [f"{k} {saved[k]}, now {now}" for k, now in _versions().items() if saved.get(k, now) != now]


def differences(saved: TrainConfig, asked: TrainConfig) -> list[str]:
    """What differs between two configurations, such as `ppo.epochs was 6, now 3`."""
    before, now = _flat(to_json(saved)), _flat(to_json(asked))
    names = [*before, *(name for name in now if name not in before)]
    nothing = "not set"
    return [
        f"{name} was {before.get(name, nothing)}, now {now.get(name, nothing)}"
        for name in names
        if before.get(name, nothing) != now.get(name, nothing)
    ]


def _flat(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, dict) and value:
        prefix = f"{name}." if name else ""
        return {k: v for key, item in value.items() for k, v in _flat(item, f"{prefix}{key}").items()}
    return {name: json.dumps(value)}


def _versions() -> dict[str, str]:
    return {
        "ma_ssm_env": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "mujoco": mujoco.__version__,
    }
