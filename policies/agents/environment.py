"""The agent that chooses the tasks that the team trains on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from policies.agents.settings import shown
from policies.curriculum_learner import CurriculumConfig
from policies.ranges import check_count
from policies.team import NetworkConfig


@dataclass(frozen=True, repr=False)
class EnvironmentAgent:
    """The role environment: a contextual bandit, paid the learning progress of each trial.

    With it in a team the training tasks are its proposals; without it they come from their distribution.
    Evaluation always draws from the distribution.

    Attributes:
        width: hidden width of its networks.
        curriculum: how it learns.
        shared_ledger: it sees the tasks and outcomes of all worlds, else of each world apart.

    Raises:
        ValueError: a setting that cannot be.
    """

    role: ClassVar[str] = "environment"
    width: int = NetworkConfig.proposer_width
    curriculum: CurriculumConfig = field(default_factory=CurriculumConfig)
    shared_ledger: bool = True

    def __post_init__(self) -> None:
        check_count(self, "width", least=1)
        if not isinstance(self.curriculum, CurriculumConfig):
            raise ValueError(
                f"EnvironmentAgent: curriculum={self.curriculum!r}: a "
                "policies.curriculum_learner.CurriculumConfig is expected"
            )
        if not isinstance(self.shared_ledger, bool):
            raise ValueError(
                f"EnvironmentAgent: shared_ledger={self.shared_ledger!r}: True or False is expected"
            )

    def __repr__(self) -> str:
        return shown(self)
