"""The agent that corrects the prior, and may go on learning while it acts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from policies.adaptation import AdaptationConfig
from policies.agents.settings import check_core, shown
from policies.cores import CoreConfig


@dataclass(frozen=True, repr=False)
class AdaptationAgent:
    """The role adaptation.

    Attributes:
        core: memory, a key of `policies.cores.CORES`.
        width: features.
        online: how it goes on learning in a trial, from its own forecasts of what it senses
            (`policies.adaptation`); None: it does not.

    Raises:
        ValueError: a setting that cannot be.
    """

    role: ClassVar[str] = "adaptation"
    core: str = CoreConfig.kind
    width: int = CoreConfig.width
    online: AdaptationConfig | None = None

    def __post_init__(self) -> None:
        check_core(self)
        if self.online is None:
            return
        if not isinstance(self.online, AdaptationConfig):
            raise ValueError(
                f"AdaptationAgent: online={self.online!r}: a policies.adaptation.AdaptationConfig, or "
                "None, is expected"
            )
        if "actuators" in self.online.adapts:
            raise ValueError(
                "AdaptationAgent: online.adapts='actuators': this role acts a correction, not the torque, so "
                "it cannot make good an actuator's gain; 'features' or 'sensors' is expected"
            )
        if self.online.policy_rate:
            raise ValueError(
                f"AdaptationAgent: online.policy_rate={self.online.policy_rate}: teams are judged by the "
                "mode of their actions, and there is no policy gradient without exploration; 0 is expected"
            )

    def __repr__(self) -> str:
        return shown(self)
