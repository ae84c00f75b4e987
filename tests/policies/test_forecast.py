"""Forecasts: their targets stop where the body is placed anew, and learning them beats persistence."""

from typing import Any

import pytest
import torch
from torch import Tensor

from policies.config import TrainConfig
from policies.cores import CORES, CoreConfig
from policies.forecast import forecast_targets, mean_squared_error, sensor_columns
from policies.game import AGENT, Game
from policies.ppo import Ppo, PpoConfig
from policies.rollout import Collector, Rollout
from policies.team import SENDER, NetworkConfig, TeamNetwork
from policies.train import train

B, LENGTH, SEGMENT = 3, 40, 20
PLAY: dict[str, Any] = {"horizon": 7, "episodes_per_trial": 2}


def test_targets_are_changes_up_to_the_next_start() -> None:
    sensors = torch.tensor([0.0, 1.0, 4.0, 9.0, 16.0])[:, None, None]  # x_t = t^2
    starts = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0])[:, None]
    targets, valid = forecast_targets(sensors, starts, 3)
    assert valid[:, 0].tolist() == [
        [True, True, False],  # step 3 is placed anew
        [True, False, False],
        [False, False, False],
        [True, False, False],  # the sequence ends after step 4
        [False, False, False],
    ]
    assert targets[:, 0, :, 0].tolist() == [[1, 4, 0], [3, 0, 0], [0, 0, 0], [7, 0, 0], [0, 0, 0]]


def test_targets_equal_a_plain_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    sensors = torch.randn(12, 4, 2, generator=generator)
    starts = (torch.rand(12, 4, generator=generator) < 0.2).float()
    targets, valid = forecast_targets(sensors, starts, 10)
    for t in range(12):
        for b in range(4):
            for k in range(1, 11):
                counts = t + k < 12 and not starts[t + 1 : t + k + 1, b].any()
                assert bool(valid[t, b, k - 1]) == counts
                change = sensors[t + k, b] - sensors[t, b] if counts else torch.zeros(2)
                assert torch.equal(targets[t, b, k - 1], change)
    assert 0 < valid.float().mean() < 1


def test_a_sequence_shorter_than_the_horizon_has_what_fits() -> None:
    targets, valid = forecast_targets(torch.arange(2.0)[:, None, None], torch.zeros(2, 1), 5)
    assert valid.tolist() == [[[True, False, False, False, False]], [[False] * 5]]
    assert targets.sum() == 1.0


def test_the_error_counts_what_is_valid_and_nothing_else() -> None:
    targets = torch.zeros(2, 1, 2, 3)
    forecast = torch.full((2, 1, 2, 3), 2.0)
    valid = torch.tensor([[[True, False]], [[False, False]]])
    forecast[~valid] = torch.nan
    assert float(mean_squared_error(forecast, targets, valid)) == 4.0
    assert float(mean_squared_error(forecast, targets, torch.zeros_like(valid))) == 0.0


def test_the_sensors_are_positions_and_velocities() -> None:
    fields = {"episode_start": slice(0, 1), "velocities": slice(1, 3), "positions": slice(3, 4)}
    assert sensor_columns(fields | {"last_torque": slice(4, 6)}) == [3, 1, 2]


# -- in the networks ------------------------------------------------------------------------------------


def _learner(
    horizon: int = 4,
    team: bool = True,
    core: str = "s5",
    scenario: str = "PointDir-v0",
    communication: Any = "differentiable",
    options: dict[str, Any] | None = None,
    **settings: Any,
) -> tuple[Ppo, Rollout]:
    generator = torch.Generator().manual_seed(0)
    game = Game(scenario, B, team, {**PLAY, **(options or {})})
    config = NetworkConfig(
        core=CoreConfig(kind=core, width=8, state_size=6), critic_width=9, forecast_horizon=horizon
    )
    network = TeamNetwork(game, config, communication == "differentiable", generator)
    collector = Collector(game, network, 0, generator)
    sizes = {"num_worlds": B, "rollout": LENGTH, "segment": SEGMENT, "minibatches": 1}
    learner = Ppo(network, PpoConfig(**{**sizes, **settings}), communication, generator)
    return learner, collector.collect(LENGTH, SEGMENT)


@pytest.mark.parametrize("horizon", [1, 10])
@pytest.mark.parametrize("team", [True, False])
def test_forecasts_have_a_row_a_step_and_a_column_a_sensor(team: bool, horizon: int) -> None:
    learner, rollout = _learner(horizon, team, scenario="PointGoal-v0")
    role = SENDER if team else AGENT
    actor = learner.network.actor(role)
    forecast = actor.forecast(rollout.features[role])
    targets, valid = actor.forecast_targets(rollout.observations[role])
    assert forecast.shape == targets.shape == (LENGTH, B, horizon, 4)  # two positions, two velocities
    assert valid.shape == (LENGTH, B, horizon)
    assert [r for r in learner.network.roles if learner.network.actor(r).forecast_horizon] == [role]


def test_forecasts_stay_inside_inner_episodes() -> None:
    learner, rollout = _learner(10)
    actor = learner.network.actor(SENDER)
    _, valid = actor.forecast_targets(rollout.observations[SENDER])
    # An inner episode has 7 steps: from its step i, 6 - i more of it can be forecast.
    expected = [min(6 - t % 7, LENGTH - 1 - t) for t in range(LENGTH)]
    assert valid[:, 0].sum(-1).tolist() == expected


@pytest.mark.parametrize(
    ("core", "communication"), [("s5", "reinforced"), *((core, "differentiable") for core in sorted(CORES))]
)
def test_the_senders_core_learns_from_its_forecasts(core: str, communication: Any) -> None:
    def gradients(weight: float, horizon: int = 4) -> dict[str, Tensor]:
        learner, rollout = _learner(
            horizon, core=core, communication=communication, value=0.0, forecast=weight
        )
        batch = learner._segments(rollout)
        batch.advantages = torch.zeros_like(batch.advantages)  # nothing else to learn
        loss, _ = learner._loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        named = learner.network.named_parameters()
        return {name: p.grad.clone() for name, p in named if p.grad is not None}

    one, two = gradients(1.0), gradients(2.0)
    moved = {name for name, gradient in one.items() if gradient.any()}
    sender = {name for name in one if name.startswith("actors.state_modeling.")}
    acting = {f"actors.state_modeling.{part}" for part in ("head.weight", "head.bias", "log_std")}
    assert moved == sender - acting
    assert "actors.state_modeling.forecast_head.weight" in moved
    for name in moved:
        torch.testing.assert_close(two[name], 2.0 * one[name], rtol=1e-5, atol=1e-9)
    assert not any(gradient.any() for gradient in gradients(0.0).values())


def test_no_forecast_head_costs_no_bit() -> None:
    plain, with_head = _learner(0)[0].network, _learner(3)[0].network
    assert not any("forecast" in name for name in plain.state_dict())
    first = "actors.state_modeling.core.encoder.weight"
    assert torch.equal(plain.state_dict()[first], with_head.state_dict()[first])


def test_learning_beats_persistence_on_what_was_not_seen_before() -> None:
    network = NetworkConfig(core=CoreConfig(kind="mlp", width=24), forecast_horizon=3)
    settings = PpoConfig(num_worlds=16, rollout=50, segment=50, minibatches=4, epochs=4)
    history = train(TrainConfig(steps=800 * 12, network=network, ppo=settings)).history
    # The first statistics are those of no data; from the second iteration on the units are the same.
    assert history[1]["forecast_error"] > 0.0
    last = history[-1]
    assert last["forecast_error"] < 0.8 * last["persistence_error"]
    assert "forecast_error" not in train(TrainConfig(steps=1, ppo=settings)).history[0]


def test_forecasts_without_sensors_or_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="forecast_horizon=11: a whole number, 0 to 10 is expected"):
        NetworkConfig(forecast_horizon=11)
    with pytest.raises(ValueError, match="forecast_horizon=4: the role has no sensors to forecast"):
        _learner(options={"hide_velocities": True})
