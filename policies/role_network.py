"""The network of one role: normaliser, core, and a diagonal Gaussian over its actions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from policies.cores import Core, CoreConfig, make_core
from policies.forecast import forecast_targets, sensor_columns
from policies.normaliser import Normaliser
from policies.ranges import check_number

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True)
class HeadConfig:
    """The action head.

    Attributes:
        gain: size of the initial output weights; small means that every action starts near neutral.
        log_std: initial log standard deviation of the actions.
        squash: the mean goes through tanh, so that it cannot drift beyond the box.
    """

    gain: float = 0.01
    log_std: float = -1.0
    squash: bool = False

    def __post_init__(self) -> None:
        check_number(self, "gain", least=0.0)
        check_number(self, "log_std")


class RoleNetwork(nn.Module):
    """Observations of one role in, the mean of its actions out; the deviation does not depend on the state.

    Attributes:
        fields: observation fields, name -> slice.
        action_fields: action fields, name -> slice.

    Args:
        fields: observation fields, name -> slice.
        action_fields: action fields, name -> slice.
        core: of what the core is made, or a core that is shared with other roles.
        head: the action head.
        generator: the only source of the initial parameters.
        shared_head: features -> means, shared with other roles; else the role has one of its own.
        forecast_horizon: h, steps that its sensors are forecast for (module `forecast`); 0: none.
        told: numbers that tell the hidden task (module `task_inference`); 0: it is not inferred.
    """

    def __init__(
        self,
        fields: dict[str, slice],
        action_fields: dict[str, slice],
        core: CoreConfig | Core,
        head: HeadConfig,
        generator: torch.Generator,
        shared_head: nn.Module | None = None,
        forecast_horizon: int = 0,
        told: int = 0,
    ) -> None:
        super().__init__()
        self.fields, self.action_fields = dict(fields), dict(action_fields)
        inputs = max(s.stop for s in fields.values())
        actions = max(s.stop for s in action_fields.values())
        self.normaliser = Normaliser(self.fields)
        self.core = core if isinstance(core, Core) else make_core(core, inputs, generator)
        self.head = shared_head or linear(self.core.out_features, actions, head.gain, generator)
        self.squash = head.squash
        self.log_std = nn.Parameter(torch.full((actions,), head.log_std))
        self.forecast_horizon = forecast_horizon
        if forecast_horizon:
            self._sensors = sensor_columns(self.fields)
            if not self._sensors:
                raise ValueError(f"forecast_horizon={forecast_horizon}: the role has no sensors to forecast")
            outputs = forecast_horizon * len(self._sensors)
            # Small at the start: the first forecasts are persistence.
            self.forecast_head = linear(self.core.out_features, outputs, 0.01, generator)
        self.infers_task = told > 0
        if self.infers_task:
            self.task_head = linear(self.core.out_features, told, 0.01, generator)

    @property
    def action_size(self) -> int:
        """Numbers in an action."""
        return len(self.log_std)

    def initial_memory(self, batch: int) -> Tensor:
        """Memory at the start of a trial [B, S]."""
        return self.core.initial_memory(batch)

    def sequence(self, observations: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Means [T, B, A] and features [T, B, D] of a sequence [T, B, O]."""
        return self.normalised_sequence(self.normaliser(observations), starts, memory)

    def normalised_sequence(
        self, observations: Tensor, starts: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`sequence` of observations [T, B, O] that have been through the normaliser."""
        features, _ = self.core(observations, starts, memory)
        return self.mean(features), features

    def step(self, observations: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean [B, A], features [B, D] and memory [B, S] of one step."""
        return self.stepper()(observations, starts, memory)

    def stepper(self) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
        """`step` of [B, O], [B] and [B, S] for many steps with the same parameters (`Core.stepper`)."""
        core_step = self.core.stepper()

        def step(observations: Tensor, starts: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            features, memory = core_step(self.normaliser(observations), starts, memory)
            return self.mean(features), features, memory

        return step

    def mean(self, features: Tensor) -> Tensor:
        """Means of the actions [..., A] from features [..., D]."""
        mean: Tensor = self.head(features)
        return torch.tanh(mean) if self.squash else mean

    def forecast(self, features: Tensor) -> Tensor:
        """Changes of the normalised sensors, 1 to h steps ahead [..., h, n], from features [..., D]."""
        flat: Tensor = self.forecast_head(features)
        return flat.view(*flat.shape[:-1], self.forecast_horizon, len(self._sensors))

    def inferred_task(self, features: Tensor) -> Tensor:
        """What is said of the hidden task [..., told], from features [..., D] (module `task_inference`)."""
        said: Tensor = self.task_head(features)
        return said

    def forecast_targets(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """What `forecast` should have said along observations [T, B, O], and which of it counts.

        See `forecast.forecast_targets`; without gradient.
        """
        return self.normalised_forecast_targets(self.normaliser(observations))

    @torch.no_grad()
    def normalised_forecast_targets(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """`forecast_targets` of observations [T, B, O] that have been through the normaliser."""
        starts = observations[..., self.fields["episode_start"].start]  # bounded, so as it was
        return forecast_targets(observations[..., self._sensors], starts, self.forecast_horizon)

    def log_prob(self, mean: Tensor, action: Tensor) -> Tensor:
        """Log density N(action; mean, std), summed over the numbers of an action: [...]."""
        z = (action - mean) * torch.exp(-self.log_std)
        return -0.5 * z.square().sum(-1) - (self.log_std + _LOG_SQRT_2PI).sum()

    def entropy(self) -> Tensor:
        """Entropy of the action distribution, nats, a scalar: the same in every state."""
        return (self.log_std + _LOG_SQRT_2PI + 0.5).sum()


def linear(inputs: int, outputs: int, gain: float, generator: torch.Generator) -> nn.Linear:
    """A linear layer with orthogonal weights times `gain` and no bias at the start."""
    # On "meta" nothing is drawn: the layer's own initialisation would use the global generator.
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        nn.init.orthogonal_(layer.weight, gain, generator=generator)
        layer.bias.zero_()
    return layer


class NetworkPolicy:
    """A role network behind the NumPy policy protocol of `ma_ssm_env.policy`.

    Attributes:
        deterministic: act by the mode of the distribution, else by a sample.
    """

    def __init__(self, network: RoleNetwork, deterministic: bool = True) -> None:
        self.network, self.deterministic = network, deterministic

    def initial_memory(self, batch: int) -> Tensor:
        """Memory of `batch` worlds at the start of a trial [B, S]."""
        return self.network.initial_memory(batch)

    def act(
        self, observations: NDArray[np.float32], memory: Tensor, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], Tensor]:
        """Actions [B, A] for observations [B, O], clipped to [-1, 1]."""
        with torch.no_grad():
            device = self.network.log_std.device
            starts = torch.zeros(len(observations), device=device)
            seen = torch.from_numpy(observations).to(device)
            mean, _, memory = self.network.step(seen, starts, memory)
            if not self.deterministic:
                noise = rng.standard_normal(tuple(mean.shape), dtype=np.float32)
                mean = mean + torch.exp(self.network.log_std) * torch.from_numpy(noise).to(device)
            return mean.clamp(-1.0, 1.0).cpu().numpy(), memory
