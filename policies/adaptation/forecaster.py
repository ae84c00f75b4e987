"""A forecast of what a role observes next, from its features and its action: trained by supervision alone.

    (normalised observation at t + 1) - (the one at t)  ~  F(z_t, u_t),  on the fields that the body moves,

with u_t the torque that acted, which is observed at t + 1.

Anything callable in this way can take its place (`Forecast`). It is fitted once, after training, to trials of
the frozen policy; its error there is the yardstick of surprise at test time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from policies.game import Game
from policies.ranges import check_count, check_number
from policies.role_network import RoleNetwork, linear
from policies.team import TeamNetwork

FORECAST_FIELDS = ("positions", "velocities")
TORQUE = "last_torque"


class Forecast(Protocol):
    """What adaptation needs of a forecaster.

    Attributes:
        columns: which numbers of the observation are forecast.
        scale: deviation of the change of each of them [F]; errors are measured in it.
        nominal: mean squared error without any fault, in units of `scale`.
    """

    columns: Tensor
    scale: Tensor
    nominal: float

    def __call__(self, features: Tensor, torques: Tensor) -> Tensor:
        """Forecast changes [..., F], in units of `scale`, from features [..., D] and torques [..., m]."""
        ...


class Forecaster(nn.Module):
    """One hidden layer of tanh on features and torque."""

    columns: Tensor
    scale: Tensor

    def __init__(self, actor: RoleNetwork, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        columns = [
            i for name in FORECAST_FIELDS if name in actor.fields for i in range(*_bounds(actor.fields[name]))
        ]
        if not columns or TORQUE not in actor.fields:
            raise ValueError(
                f"a role that observes {', '.join(actor.fields)} has nothing to forecast: {TORQUE} and "
                f"one of {', '.join(FORECAST_FIELDS)} are expected"
            )
        self.register_buffer("columns", torch.tensor(columns))
        self.register_buffer("scale", torch.ones(len(columns)))
        inputs = actor.core.out_features + _size(actor.fields[TORQUE])
        self.hidden = linear(inputs, hidden, 1.0, generator)
        self.out = linear(hidden, len(columns), 1.0, generator)
        self.nominal = float("inf")

    def forward(self, features: Tensor, torques: Tensor) -> Tensor:
        """See `Forecast`."""
        out: Tensor = self.out(torch.tanh(self.hidden(torch.cat([features, torques], dim=-1))))
        return out


@dataclass(frozen=True)
class ForecastConfig:
    """How a forecaster is fitted.

    Attributes:
        worlds: worlds that are played; at least 2, as some are kept.
        steps: control steps of each; at least 2, as changes are forecast.
        hidden: width of the hidden layer.
        epochs: passes over the data.
        batch: steps in a minibatch.
        learning_rate: of Adam, falling to 0.
    """

    worlds: int = 64
    steps: int = 800
    hidden: int = 128
    epochs: int = 10
    batch: int = 512
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        check_count(self, "worlds", "steps", least=2)
        check_count(self, "hidden", "batch", least=1)
        check_count(self, "epochs", least=0)
        check_number(self, "learning_rate", least=0.0, above=True)


def fit_forecaster(
    network: TeamNetwork,
    role: str,
    scenario: str,
    options: dict[str, Any],
    *,
    seed: int = 0,
    config: ForecastConfig | None = None,
) -> Forecaster:
    """Fit a forecaster to trials of the frozen network; a tenth of the worlds is kept for `nominal`.

    Args:
        network: who plays, by samples, so that actions vary.
        role: whose observations are forecast.
        scenario: id of the scenario, without any fault.
        options: of the environment.
        seed: of the worlds and the sampling.
        config: sizes.

    Raises:
        ValueError: a role that the network has no actor for, or that senses nothing to forecast.
    """
    if role not in network.roles:
        raise ValueError(f"role {role!r} forecasts: one of {', '.join(network.roles)} is expected")
    config = config or ForecastConfig()
    generator = torch.Generator().manual_seed(seed)
    game = Game(scenario, config.worlds, role != "agent", options)
    actor = network.actor(role)
    observations, all_features = _played(game, network, role, config.steps, seed, generator)
    forecaster = Forecaster(actor, config.hidden, generator)
    seen = actor.normaliser(observations)[..., forecaster.columns]
    changes = seen[1:] - seen[:-1]  # [T - 1, B, F]
    # Where an inner episode begins, the body was put somewhere else.
    within = observations[1:, :, actor.fields["episode_start"].start] == 0.0
    features, torques = all_features[:-1], observations[1:, :, actor.fields[TORQUE]]
    held = max(1, config.worlds // 10)
    training, kept = (
        tuple(x[:, part][within[:, part]] for x in (features, torques, changes))
        for part in (slice(held, None), slice(None, held))
    )
    forecaster.scale.copy_(training[2].std(0) + 1e-6)
    optimiser = torch.optim.Adam(forecaster.parameters(), lr=config.learning_rate)
    count = len(training[0])
    total, done = config.epochs * -(-count // config.batch), 0
    for _ in range(config.epochs):
        for rows in torch.split(torch.randperm(count, generator=generator), config.batch):
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * (1.0 - done / total)
            z, u, y = (x[rows] for x in training)
            loss = (forecaster(z, u) - y / forecaster.scale).square().mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            done += 1
    with torch.no_grad():
        z, u, y = kept
        forecaster.nominal = float((forecaster(z, u) - y / forecaster.scale).square().mean())
    return forecaster.requires_grad_(False)


@torch.no_grad()
def _played(
    game: Game, network: TeamNetwork, role: str, steps: int, seed: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Observations [T, B, O] and features [T, B, D] of `role`, actions sampled.

    Without the critic: sound trials may be those of another scenario, whose state is another.
    """
    seen = game.reset(seed)
    memories = {name: network.actor(name).initial_memory(game.num_worlds) for name in network.roles}
    starts = torch.ones(game.num_worlds)
    observations, features = [], []
    for _ in range(steps):
        actions = {}
        for name in network.roles:
            actor = network.actor(name)
            mean, feature, memories[name] = actor.step(seen[name], starts, memories[name])
            noise = torch.randn(mean.shape, generator=generator)
            actions[name] = mean + torch.exp(actor.log_std) * noise
            if name == role:
                observations.append(seen[name])
                features.append(feature)
        seen, _, starts, _ = game.step(actions)
    return torch.stack(observations), torch.stack(features)


def _size(where: slice) -> int:
    return int(where.stop - where.start)


def _bounds(where: slice) -> tuple[int, int]:
    return where.start, where.stop
