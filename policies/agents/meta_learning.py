"""The agent that gives the prior torque: good at once on any task, or after a few gradient steps on one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from policies.agents.settings import check_choice, check_core, shown
from policies.cores import CoreConfig
from policies.maml.inner import InnerConfig, InnerFeedback
from policies.ranges import check_count, check_number


@dataclass(frozen=True, repr=False)
class MetaLearningAgent:
    """The role meta_learning.

    Without inner steps it is learned like every other role (memory is then the meta-learner: RL2). With
    inner steps the whole team is meta-trained over whole trials (MAML), and this role takes them on each
    task; messages are then reinforced.

    Attributes:
        core: memory, a key of `policies.cores.CORES`.
        width: features.
        inner_steps: gradient steps on a task; 0: none.
        inner_rate: their learning rate.
        learned_rates: a rate for each number, learned with the prior (Meta-SGD).
        adapts: what the inner steps change, all of the role's network or its head alone (ANIL).
        inner_feedback: the rewards that inner steps are told of: each `step`'s, each inner `episode`'s mean,
            or those that the role has `observed`, which under split observability are none.
        tasks: tasks of a meta-iteration.
        trials: trials of each task before each inner step, and of the judgement after it.

    Raises:
        ValueError: a setting that cannot be.
    """

    role: ClassVar[str] = "meta_learning"
    core: str = CoreConfig.kind
    width: int = CoreConfig.width
    inner_steps: int = 0
    inner_rate: float = InnerConfig.rate
    learned_rates: bool = InnerConfig.learned_rates
    adapts: Literal["all", "head"] = InnerConfig.adapts
    inner_feedback: InnerFeedback = "step"
    tasks: int = 10
    trials: int = 10

    def __post_init__(self) -> None:
        check_core(self)
        check_count(self, "inner_steps", least=0)
        check_number(self, "inner_rate", least=0.0, above=True)
        check_choice(self, "adapts", ("all", "head"))
        check_choice(self, "inner_feedback", get_args(InnerFeedback))
        check_count(self, "tasks", least=1)
        check_count(self, "trials", least=1)

    def __repr__(self) -> str:
        return shown(self)

    @property
    def inner(self) -> InnerConfig:
        """The inner steps, of this role alone."""
        return InnerConfig(
            steps=self.inner_steps,
            rate=self.inner_rate,
            learned_rates=self.learned_rates,
            adapts=self.adapts,
            roles=(self.role,),
            feedback=self.inner_feedback,
        )
