"""Tensors in safetensors beside a JSON file that names them and their digest.

The JSON file is written last and renamed into place, so that a folder holds either what was stored before or
what is stored now, never half of each. Reading executes no code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ma_ssm_env.whole_file import replace_file


class StoreError(ValueError):
    """Stored tensors that cannot be used; the message names file, field and remedy."""


def write(path: Path, stem: str, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Store `tensors` as `<stem>-<digest>.safetensors` beside the JSON file `path`, over an earlier version.

    Args:
        path: the JSON file; its folder is made.
        stem: how the name of the tensors' file begins.
        tensors: by name, of any shape; they may share memory, and lie on any device.
        description: JSON values; "weights", the tensors' file and digest, is put at their end.
    """
    content = save_tensors(
        {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    )
    digest = hashlib.sha256(content).hexdigest()
    name = f"{stem}-{digest[:12]}.safetensors"
    replace_file(path.with_name(name), content)
    text = json.dumps({**description, "weights": {"file": name, "sha256": digest}}, indent=1)
    replace_file(path, text + "\n")
    for old in path.parent.glob(f"{stem}-*.safetensors"):
        if old.name != name:
            old.unlink()


def read(
    path: Path, what: str, format: int, expected: Sequence[str]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, in the shapes that they had, and the description that `write` stored.

    Args:
        path: the JSON file.
        what: what it holds, for messages: "checkpoint".
        format: the format that this code reads.
        expected: names that the description must have.

    Raises:
        StoreError: nothing there, another format, something missing or of another kind, or a digest that does
            not fit.
    """
    try:
        description = json.loads(path.read_text())
    except FileNotFoundError:
        raise StoreError(f"{path}: no {what} there; give the folder that training wrote") from None
    except ValueError as error:
        raise StoreError(f"{path}: not a {what}: {error}") from None
    if not isinstance(description, dict):
        raise StoreError(f"{path}: not a {what}: a JSON object is expected")
    if description.get("format") != format:
        raise StoreError(f"{path}: format {description.get('format')!r}; this code reads format {format}")
    missing = [name for name in (*expected, "weights") if name not in description]
    if missing:
        raise StoreError(f"{path}: not a {what}: without {', '.join(missing)}")
    weights = description["weights"]
    if not isinstance(weights, dict) or not all(isinstance(weights.get(k), str) for k in ("file", "sha256")):
        raise StoreError(f"{path}: weights={weights!r:.80}: their file and its sha256 are expected")
    weights_path = path.parent / weights["file"]
    try:
        content = weights_path.read_bytes()
    except FileNotFoundError:
        raise StoreError(f"{weights_path}: missing; {path} names it") from None
    if hashlib.sha256(content).hexdigest() != weights["sha256"]:
        raise StoreError(f"{weights_path}: its digest is not the one in {path}; the file was changed")
    return load_tensors(content), description


def arrays_of(tensors: Any) -> Any:
    """The same nested dicts with a copy of each tensor as a NumPy array."""
    if isinstance(tensors, dict):
        return {name: arrays_of(item) for name, item in tensors.items()}
    return tensors.detach().cpu().numpy().copy()


def tensors_of(arrays: Any, device: torch.device | str = "cpu") -> Any:
    """What `arrays_of` was given: nested dicts with a tensor for each array, on `device`."""
    if isinstance(arrays, dict):
        return {name: tensors_of(item, device) for name, item in arrays.items()}
    return torch.from_numpy(arrays.copy()).to(device)
