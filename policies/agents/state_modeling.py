"""The agent that senses, infers the hidden state and task, and tells the team."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

from ma_ssm_env.roles import BELIEF_SIZE
from policies.agents.settings import check_choice, check_core, shown
from policies.cores import CoreConfig
from policies.forecast import MAX_HORIZON
from policies.ppo import Communication, PpoConfig
from policies.ranges import check_count, check_number


@dataclass(frozen=True, repr=False)
class StateModelingAgent:
    """The role state_modeling.

    Attributes:
        core: memory, a key of `policies.cores.CORES`.
        width: features.
        forecast_horizon: steps that it forecasts its sensors for, beside its belief; 0: none; None: as many
            as `solve_task` asks for.
        forecast_weight: of the forecasts' error in the loss.
        belief_size: numbers of the belief that are sent, at most 8.
        messages: how the belief is learned: by gradients through the channel (`differentiable`), or as an
            action like any other (`reinforced`).

    Raises:
        ValueError: a setting that cannot be.
    """

    role: ClassVar[str] = "state_modeling"
    core: str = CoreConfig.kind
    width: int = CoreConfig.width
    forecast_horizon: int | None = None
    forecast_weight: float = PpoConfig.forecast
    belief_size: int = BELIEF_SIZE
    messages: Communication = "differentiable"

    def __post_init__(self) -> None:
        check_core(self)
        if self.forecast_horizon is not None:
            check_count(self, "forecast_horizon", least=0, most=MAX_HORIZON)
        check_number(self, "forecast_weight", least=0.0)
        check_count(self, "belief_size", least=1, most=BELIEF_SIZE)
        check_choice(self, "messages", get_args(Communication))

    def __repr__(self) -> str:
        return shown(self)
