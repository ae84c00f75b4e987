"""A checkpoint gives back the same players, or says why it cannot."""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from policies import checkpoint
from policies.checkpoint import FILE, CheckpointError, load, save
from policies.config import TrainConfig
from policies.cores import CORES, CoreConfig
from policies.game import Game
from policies.role_network import NetworkPolicy
from policies.team import NetworkConfig, TeamNetwork


def _run(
    team: bool = True, core: str = "s5", seed: int = 0, **settings: Any
) -> tuple[TeamNetwork, TrainConfig]:
    config = TrainConfig(
        scenario="PointDir-v0",
        team=team,
        network=NetworkConfig(core=CoreConfig(kind=core, width=8, state_size=6), critic_width=9),
        options={"horizon": 5},
        **settings,
    )
    game = Game(config.scenario, 1, team, config.options)
    generator = torch.Generator().manual_seed(seed)
    network = TeamNetwork(game, config.network, config.communication == "differentiable", generator)
    for role in network.roles:
        size = len(network.actor(role).normaliser.mean)
        network.actor(role).normaliser.update(torch.randn(50, size, generator=generator) * 3.0 - 1.0)
    return network, config


def _actions(network: TeamNetwork) -> list[np.ndarray]:
    found = []
    for role in network.roles:
        size = len(network.actor(role).normaliser.mean)
        for deterministic in (True, False):
            policy = NetworkPolicy(network.actor(role), deterministic)
            memory, rng = policy.initial_memory(3), np.random.default_rng(0)
            for _ in range(4):
                seen = rng.standard_normal((3, size), dtype=np.float32)
                actions, memory = policy.act(seen, memory, rng)
                found.append(actions)
    return found


def _edit(folder: Path, **changes: Any) -> None:
    description = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(json.dumps(description | changes))


@pytest.mark.parametrize("communication", ["reinforced", "differentiable"])
@pytest.mark.parametrize("core", sorted(CORES))
@pytest.mark.parametrize("team", [False, True])
def test_the_same_actions_bit_for_bit(tmp_path: Path, team: bool, core: str, communication: Any) -> None:
    network, config = _run(team, core, communication=communication)
    assert save(tmp_path / "new" / "folder", network, config, 123) == tmp_path / "new" / "folder" / FILE
    for place in (tmp_path / "new" / "folder", tmp_path / "new" / "folder" / FILE):
        again, its_config, steps = load(place)
        assert (its_config, steps) == (config, 123)
        for name, value in network.state_dict().items():
            assert torch.equal(again.state_dict()[name], value), name
        for a, b in zip(_actions(network), _actions(again), strict=True):
            assert a.tobytes() == b.tobytes()


def test_loading_touches_no_global_stream(tmp_path: Path) -> None:
    save(tmp_path, *_run(), 0)
    before = torch.get_rng_state()
    load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_newest_replaces_the_older_one(tmp_path: Path) -> None:
    (old, config), (new, _) = _run(seed=0), _run(seed=1)
    save(tmp_path, old, config, 1)
    save(tmp_path, new, config, 2)
    assert len(list(tmp_path.iterdir())) == 2  # the JSON and one file of weights
    again, _, steps = load(tmp_path)
    assert steps == 2
    assert torch.equal(again.critic.head.weight, new.critic.head.weight)


@pytest.mark.parametrize("at", ["weights-", FILE])
def test_an_interrupted_save_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    (old, config), (new, _) = _run(seed=0), _run(seed=1)
    save(tmp_path, old, config, 1)
    replace = os.replace

    def interrupted(source: Any, target: Any) -> None:
        if Path(target).name.startswith(at):
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save(tmp_path, new, config, 2)
    again, _, steps = load(tmp_path)
    assert steps == 1
    assert torch.equal(again.critic.head.weight, old.critic.head.weight)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]
    save(tmp_path, new, config, 2)
    assert load(tmp_path)[2] == 2
    assert len(list(tmp_path.iterdir())) == 2


def test_weights_that_were_changed_are_refused(tmp_path: Path) -> None:
    save(tmp_path, *_run(), 0)
    (weights,) = tmp_path.glob("weights-*.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{weights.name}: its digest is not the one in .*{FILE}"):
        load(tmp_path)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"{FILE}: no checkpoint there; give the folder"):
        load(tmp_path)
    with pytest.raises(CheckpointError, match="nowhere: no checkpoint there"):
        load(tmp_path / "nowhere")
    save(tmp_path, *_run(), 0)
    (weights,) = tmp_path.glob("weights-*.safetensors")
    weights.unlink()
    with pytest.raises(CheckpointError, match=f"{weights.name}: missing; .*{FILE} names it"):
        load(tmp_path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    save(tmp_path, *_run(), 0)
    _edit(tmp_path, format=checkpoint.FORMAT + 1)
    with pytest.raises(CheckpointError, match="format 2; this code reads format 1"):
        load(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "7", "\x00", "null"])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(CheckpointError, match=f"{FILE}: not a checkpoint"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["config", "steps", "fields", "weights"])
def test_a_checkpoint_that_lacks_something_is_refused(tmp_path: Path, name: str) -> None:
    save(tmp_path, *_run(), 0)
    description = json.loads((tmp_path / FILE).read_text())
    del description[name]
    (tmp_path / FILE).write_text(json.dumps(description))
    with pytest.raises(CheckpointError, match=f"{FILE}: not a checkpoint.*{name}"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weights", None),
        ("weights", {"file": "weights.safetensors"}),
        ("weights", {"file": 3, "sha256": ""}),
        ("steps", "many"),
        ("steps", None),
        ("fields", []),
        ("action_fields", None),
    ],
)
def test_an_entry_of_another_kind_is_refused(tmp_path: Path, name: str, value: Any) -> None:
    save(tmp_path, *_run(), 0)
    _edit(tmp_path, **{name: value})
    with pytest.raises(CheckpointError, match=rf"{FILE}: {name}={re.escape(repr(value))}: "):
        load(tmp_path)


def test_another_layout_of_observations_is_refused(tmp_path: Path) -> None:
    save(tmp_path, *_run(), 0)
    fields = json.loads((tmp_path / FILE).read_text())["fields"]
    fields["adaptation"]["received_belief"] = [3, 10]
    _edit(tmp_path, fields=fields)
    with pytest.raises(
        CheckpointError, match=r"adaptation was trained on .*\[3, 10\].*PointDir-v0 now gives"
    ):
        load(tmp_path)


def test_another_layout_of_actions_is_refused(tmp_path: Path) -> None:
    save(tmp_path, *_run(), 0)
    fields = json.loads((tmp_path / FILE).read_text())["action_fields"]
    assert fields["coordinator"] == {"trust": [0, 2], "rate": [2, 3]}
    fields["coordinator"] = {"rate": [0, 1], "trust": [1, 3]}  # as many numbers
    _edit(tmp_path, action_fields=fields)
    with pytest.raises(CheckpointError, match=r"coordinator was trained on actions .*'rate': \[0, 1\]"):
        load(tmp_path)


def test_a_role_that_does_not_play_is_refused(tmp_path: Path) -> None:
    save(tmp_path, *_run(), 0)
    fields = json.loads((tmp_path / FILE).read_text())["fields"]
    _edit(tmp_path, fields=fields | {"referee": {"velocities": [0, 2]}})
    with pytest.raises(CheckpointError, match="referee was trained on"):
        load(tmp_path)


def _edit_config(folder: Path, **changes: Any) -> None:
    _edit(folder, config=json.loads((folder / FILE).read_text())["config"] | changes)


def test_a_scenario_that_is_unknown_is_refused(tmp_path: Path) -> None:
    save(tmp_path, *_run(), 0)
    _edit_config(tmp_path, scenario="PointDir-v9")
    with pytest.raises(CheckpointError, match=rf"{FILE}: PointDir-v9: unknown scenario; versions"):
        load(tmp_path)


def test_a_configuration_that_does_not_fit_the_weights_is_refused(tmp_path: Path) -> None:
    network, config = _run()
    save(tmp_path, network, config, 0)
    changed = json.loads((tmp_path / FILE).read_text())["config"]["network"]
    changed["core"]["width"] = 16
    _edit_config(tmp_path, network=changed)
    with pytest.raises(CheckpointError, match=rf"{FILE}: .*do not fit"):
        load(tmp_path)


def test_a_setting_that_this_code_does_not_know_is_refused(tmp_path: Path) -> None:
    save(tmp_path, *_run(), 0)
    _edit_config(tmp_path, momentum=0.9)
    with pytest.raises(CheckpointError, match=rf"{FILE}: .*momentum"):
        load(tmp_path)
