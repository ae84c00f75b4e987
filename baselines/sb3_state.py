"""The whole state of a Stable-Baselines3 training between two rollouts, so that it can go on as if uncut.

SB3's own zip is not enough for that: it leaves out the worlds, the statistics of `VecNormalize`, the replay
buffer, the memory of recurrent policies and the global random streams that SB3 draws from. `save_state`
writes all of it as tensors and plain values; `load_state` puts it into a model that was built in the same
way. The file is read with torch's `weights_only`, which executes no code.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.save_util import recursive_getattr
from stable_baselines3.common.vec_env import VecEnvWrapper, VecFrameStack, VecNormalize

from baselines.vec_env import BatchVecEnv

FILE = "sb3_state.pt"
ATTRIBUTES = (
    "num_timesteps",
    "_episode_num",
    "_n_updates",
    "_current_progress_remaining",
    "_last_obs",
    "_last_original_obs",
    "_last_episode_starts",
)
REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
STATISTICS = ("mean", "var", "count")


def save_state(model: BaseAlgorithm, folder: Path) -> None:
    """Write what decides how the training of `model` goes on into `folder`."""
    names, variables = model._get_torch_save_params()
    state = {
        "attributes": {name: getattr(model, name) for name in ATTRIBUTES},
        "parameters": {name: recursive_getattr(model, name).state_dict() for name in names},
        "variables": {name: recursive_getattr(model, name).detach() for name in variables or ()},
        "memory": _memory(model),
        "worlds": _worlds(model),
        "replay": _replay(model),
        "streams": _streams(model),
    }
    torch.save(_plain(state), folder / FILE)


def load_state(model: BaseAlgorithm, folder: Path) -> None:
    """Put back what `save_state` wrote, into a model that was built as that one was."""
    state = _arrays(torch.load(folder / FILE, weights_only=True))
    for name, value in state["attributes"].items():
        setattr(model, name, value)
    for name, value in state["parameters"].items():
        recursive_getattr(model, name).load_state_dict(_tensors(value))
    for name, value in state["variables"].items():
        recursive_getattr(model, name).data.copy_(torch.from_numpy(value))
    _set_memory(model, state["memory"])
    _set_worlds(model, state["worlds"])
    _set_replay(model, state["replay"])
    _set_streams(model, state["streams"])


def _memory(model: Any) -> Any:
    states = getattr(model, "_last_lstm_states", None)
    return None if states is None else [[part.detach() for part in pair] for pair in states]


def _set_memory(model: Any, memory: Any) -> None:
    if memory is not None:
        pairs = [tuple(torch.from_numpy(part) for part in pair) for pair in memory]
        model._last_lstm_states = type(model._last_lstm_states)(*pairs)


def _layers(model: BaseAlgorithm) -> list[Any]:
    layers: list[Any] = [model.get_env()]
    while isinstance(layers[-1], VecEnvWrapper):
        layers.append(layers[-1].venv)
    if not isinstance(layers[-1], BatchVecEnv):
        raise TypeError(f"worlds of {type(layers[-1]).__name__}: only those of BatchVecEnv can be kept")
    return layers


def _worlds(model: BaseAlgorithm) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for layer in _layers(model):
        if isinstance(layer, VecNormalize):
            found.append(
                {
                    "observations": {name: getattr(layer.obs_rms, name) for name in STATISTICS},
                    "rewards": {name: getattr(layer.ret_rms, name) for name in STATISTICS},
                    "returns": layer.returns,
                }
            )
        elif isinstance(layer, VecFrameStack):
            found.append({"stacked": layer.stacked_obs.stacked_obs})
        elif isinstance(layer, BatchVecEnv):
            found.append({"clone": layer.worlds.clone_state()})
        else:
            raise TypeError(f"{type(layer).__name__}: a wrapper whose state is not known cannot be kept")
    return found


def _set_worlds(model: BaseAlgorithm, found: list[dict[str, Any]]) -> None:
    for layer, state in zip(_layers(model), found, strict=True):
        if isinstance(layer, VecNormalize):
            for statistics, values in ((layer.obs_rms, "observations"), (layer.ret_rms, "rewards")):
                for name in STATISTICS:
                    setattr(statistics, name, state[values][name])
            layer.returns = state["returns"]
        elif isinstance(layer, VecFrameStack):
            layer.stacked_obs.stacked_obs = state["stacked"]
        else:
            layer.worlds.restore_state(_with_own(state["clone"], layer.worlds.clone_state()))


def _replay(model: BaseAlgorithm) -> dict[str, Any] | None:
    buffer = getattr(model, "replay_buffer", None)
    if buffer is None:
        return None
    assert isinstance(buffer, ReplayBuffer)
    filled = buffer.buffer_size if buffer.full else buffer.pos
    return {
        "pos": buffer.pos,
        "full": buffer.full,
        **{name: getattr(buffer, name)[:filled] for name in REPLAY},
    }


def _set_replay(model: BaseAlgorithm, state: dict[str, Any] | None) -> None:
    if state is None:
        return
    assert isinstance(model, OffPolicyAlgorithm)
    buffer: Any = model.replay_buffer
    buffer.pos, buffer.full = state["pos"], state["full"]
    for name in REPLAY:
        getattr(buffer, name)[: len(state[name])] = state[name]


def _streams(model: BaseAlgorithm) -> dict[str, Any]:
    version, words, gauss = random.getstate()
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - the generator that Stable-Baselines3 uses
    return {
        "python": [version, list(words), gauss],
        "numpy": [name, keys, *rest],
        "torch": torch.get_rng_state(),
        "actions": model.action_space.np_random.bit_generator.state,
    }


def _set_streams(model: BaseAlgorithm, state: dict[str, Any]) -> None:
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(tuple(state["numpy"]))  # noqa: NPY002
    torch.set_rng_state(torch.from_numpy(state["torch"]))
    model.action_space.np_random.bit_generator.state = state["actions"]


def _plain(value: Any) -> Any:
    """`value` with its arrays as tensors, in containers that torch reads without executing anything."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.array(value))
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str | torch.Tensor):
        return value
    return {"own": type(value).__name__}


def _arrays(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.numpy()
    if isinstance(value, dict):
        return {key: _arrays(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_arrays(item) for item in value]
    return value


def _tensors(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    if isinstance(value, dict):
        return {key: _tensors(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_tensors(item) for item in value]
    return value


def _with_own(state: Any, own: Any) -> Any:
    """`state` with what could not be written taken from `own`, the same state of equally built worlds."""
    if isinstance(own, dict):
        return {key: _with_own(state[key], value) for key, value in own.items()}
    if own is None or isinstance(own, np.ndarray | np.generic | bool | int | float | str):
        return state
    return own
