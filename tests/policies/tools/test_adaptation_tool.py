"""A known change of the sensors, which the adapted checkpoint must undo; and none, where it must refuse."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ma_ssm_env.recorded_trials import RecordedTrials, record
from policies import checkpoint
from policies.config import TrainConfig
from policies.cores import CoreConfig
from policies.game import Game
from policies.team import NetworkConfig, TeamNetwork
from policies.tools import AdaptationTool, ToolError
from policies.train import players

GAIN, OFFSET = np.array([2.0, 0.5]), np.array([0.3, -0.2])
TOOL = AdaptationTool(iterations=200)


def untrained(folder: Path, team: bool, **options: float) -> tuple[TeamNetwork, TrainConfig]:
    """A network that acts at random, almost: its features know the velocities all the same."""
    torch.set_num_threads(1)
    network_config = NetworkConfig(core=CoreConfig(width=16, state_size=8))
    config = TrainConfig(team=team, network=network_config, steps=1, options=options)
    game = Game(config.scenario, 1, team, config.options)
    network = TeamNetwork(game, network_config, team, torch.Generator().manual_seed(0))
    for role in network.roles:  # statistics that are not those of a fresh network
        normaliser = network.actor(role).normaliser
        normaliser.update(0.2 + 0.4 * torch.linspace(-1, 1, 7)[:, None].expand(7, len(normaliser.mean)))
    checkpoint.save(folder, network, config, 0)
    return network, config


def changed(recorded: RecordedTrials, agent: str) -> RecordedTrials:
    """What it would be if the velocities were read at other gains and offsets."""
    where = recorded.fields(agent)["velocities"]
    seen = recorded.observations[agent].copy()
    seen[..., where] = seen[..., where] * GAIN + OFFSET
    return dataclasses.replace(recorded, observations={**recorded.observations, agent: seen})


@pytest.fixture(scope="module", params=[False, True], ids=["twin", "team"])
def adapted(request, tmp_path_factory):
    folder, team = tmp_path_factory.mktemp("adapted"), request.param
    network, config = untrained(folder / "old", team)
    recorded = record(config.scenario, players(network, deterministic=False), 16, 777)
    agent = "state_modeling_0" if team else "agent"
    recorded.save(folder / "same.npz")
    changed(recorded, agent).save(folder / "changed.npz")
    arguments = (str(folder / "old"), str(folder / "changed.npz"))
    told = TOOL(*arguments, out=str(folder / "new"))
    return folder, agent, network, recorded, told


def test_the_gains_and_offsets_are_found(adapted) -> None:
    _, _, _, _, told = adapted
    assert told["adapted"], told["refused"]
    for number in (0, 1):
        found = told["sensors"][f"velocities[{number}]"]
        assert found["gain"] == pytest.approx(GAIN[number], rel=0.05)
        assert found["offset"] == pytest.approx(OFFSET[number], abs=0.05)
    new, old = told["error"]["new"], told["error"]["old"]
    assert new["before"] > 20
    # An error of readings that are twice, or half, as large: (4 + 1/4) / 2 = 2.1 times the sound one.
    assert new["after"] == pytest.approx(2.1, rel=0.5)
    assert old["before"] == pytest.approx(1.0, rel=0.3)
    assert told["harm"] == pytest.approx(old["after"] / old["before"])
    assert told["harm"] > 20, "sensors that did not change are now read wrongly"
    assert json.loads(json.dumps(told)) == told


def test_the_adapted_checkpoint_sees_the_changed_world_as_the_old_one_saw_the_old(adapted) -> None:
    folder, agent, network, recorded, told = adapted
    assert told["out"] == str(folder / "new")
    new_network, config, steps = checkpoint.load(folder / "new")
    assert (config.scenario, steps) == ("PointDir-v0", 0)
    role = told["role"]
    before = torch.from_numpy(recorded.observations[agent])
    after = torch.from_numpy(changed(recorded, agent).observations[agent])
    wanted = network.actor(role).normaliser(before)
    seen, unadapted = (n.actor(role).normaliser(after) for n in (new_network, network))
    off = (seen - wanted).abs().mean()
    assert off < 0.05 * (unadapted - wanted).abs().mean()
    frozen = [n for n in network.state_dict() if "normaliser" not in n]
    for name in frozen:
        torch.testing.assert_close(new_network.state_dict()[name], network.state_dict()[name])
    moved = new_network.actor(role).normaliser
    torch.testing.assert_close(moved.scale, torch.rsqrt(moved.var + 1e-8), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(moved.shift, moved.mean * moved.scale, rtol=1e-3, atol=1e-3)


def test_where_nothing_changed_it_refuses_and_writes_nothing(adapted) -> None:
    folder, _, _, _, _ = adapted
    told = TOOL(str(folder / "old"), str(folder / "same.npz"), out=str(folder / "none"))
    assert not told["adapted"]
    assert "there is nothing to adapt to" in told["refused"]
    assert told["out"] is None
    assert not (folder / "none").exists()
    assert told["harm"] == 1.0
    assert told["error"]["new"]["before"] == told["error"]["new"]["after"] < 2
    forced = dataclasses.replace(TOOL, surprise=0.0)(str(folder / "old"), str(folder / "same.npz"))
    assert not forced["adapted"]
    assert "gains and offsets do not help" in forced["refused"]
    assert forced["harm"] == pytest.approx(1.0, abs=0.25), "even what it would have done is next to nothing"


def test_harm_may_be_bounded(adapted) -> None:
    folder, _, _, _, _ = adapted
    arguments = (str(folder / "old"), str(folder / "changed.npz"), str(folder / "same.npz"))
    told = TOOL(*arguments, out=str(folder / "bounded"), max_harm=1.5)
    assert not told["adapted"]
    assert "is above max_harm=1.5" in told["refused"]
    assert not (folder / "bounded").exists()


def test_noise_that_no_gain_explains_is_refused(adapted, tmp_path: Path) -> None:
    folder, agent, _, recorded, _ = adapted
    where = recorded.fields(agent)["velocities"]
    seen = recorded.observations[agent].copy()
    noise = np.random.default_rng(0).standard_normal(seen[..., where].shape)
    seen[..., where] += noise.astype(np.float32)
    noisy = dataclasses.replace(recorded, observations={**recorded.observations, agent: seen})
    noisy.save(tmp_path / "noisy.npz")
    told = TOOL(str(folder / "old"), str(tmp_path / "noisy.npz"))
    assert not told["adapted"], "a smaller gain makes noise likelier, but forecasts no better"
    assert "gains and offsets do not help" in told["refused"]


def test_noise_of_the_sensors_does_not_make_gains_look_small(tmp_path: Path) -> None:
    """Least squares would shrink what is noisy: here it is the likelihood that is largest at the truth."""
    network, config = untrained(tmp_path / "old", False, sensor_noise=0.2)
    recorded = record(config.scenario, players(network, deterministic=False), 32, 777, **config.options)
    changed(recorded, "agent").save(tmp_path / "changed.npz")
    told = dataclasses.replace(TOOL, surprise=1.0)(str(tmp_path / "old"), str(tmp_path / "changed.npz"))
    for number in (0, 1):
        assert told["sensors"][f"velocities[{number}]"]["gain"] == pytest.approx(GAIN[number], rel=0.1)


def test_what_cannot_be_used_is_refused(adapted, tmp_path: Path) -> None:
    folder, _, _, recorded, _ = adapted
    old, same = str(folder / "old"), str(folder / "same.npz")
    with pytest.raises(ToolError, match=r"adapt_checkpoint: .*no checkpoint there"):
        TOOL(str(tmp_path), same)
    with pytest.raises(ToolError, match=r"trials: .*none.npz: no such file; recorded trials are expected"):
        TOOL(old, str(tmp_path / "none.npz"))
    recorded.part(slice(3)).save(tmp_path / "few.npz")
    with pytest.raises(ToolError, match="trials: 3 trials; at least 4"):
        TOOL(old, str(tmp_path / "few.npz"))
    other = record("PointDir-v0", {"coordinator": _still()} if not recorded.team else _still(2), 4)
    other.save(tmp_path / "other.npz")
    with pytest.raises(ToolError, match=r"are not what the checkpoint's .* observes; record them"):
        TOOL(old, str(tmp_path / "other.npz"))
    with pytest.raises(ToolError, match=r"max_harm=0\.5"):
        TOOL(old, same, max_harm=0.5)


def _still(size: int = 3):
    from ma_ssm_env import neutral_policy

    return neutral_policy(size)
