"""The agent that resolves conflicts between prior and correction, and allocates the channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ma_ssm_env.options import Options
from policies.agents.settings import check_choice, check_core, shown
from policies.cores import CoreConfig
from policies.ranges import check_number


@dataclass(frozen=True, repr=False)
class CoordinatorAgent:
    """The role coordinator.

    Attributes:
        core: memory, a key of `policies.cores.CORES`.
        width: features.
        bandwidth_cost: reward that a step of belief at full rate costs the team.
        trust: `learned`, or `fixed` at 1/2.
        rate: None, learned; else the channel's rate, from -1 (nothing is sent) to 1 (full rate), for good.

    Raises:
        ValueError: a setting that cannot be.
    """

    role: ClassVar[str] = "coordinator"
    core: str = CoreConfig.kind
    width: int = CoreConfig.width
    bandwidth_cost: float = Options.bandwidth_cost
    trust: Literal["learned", "fixed"] = "learned"
    rate: float | None = None

    def __post_init__(self) -> None:
        check_core(self)
        check_number(self, "bandwidth_cost", least=0.0)
        check_choice(self, "trust", ("learned", "fixed"))
        if self.rate is not None:
            check_number(self, "rate", least=-1.0, most=1.0)

    def __repr__(self) -> str:
        return shown(self)
