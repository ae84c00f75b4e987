"""What a method of the comparison is: it trains (or does not) and hands out policies at step counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from ma_ssm_env.policy import Players

Kind = Literal["floor", "on-policy", "off-policy"]


class Report(Protocol):
    """What a method calls at a checkpoint: steps charged, players by mode, players that sample."""

    def __call__(self, steps: int, mode: Players, sampled: Players) -> None: ...


@dataclass(frozen=True)
class Job:
    """One training to do.

    Attributes:
        scenario: id.
        seed: of the learner; also chooses the run's worlds.
        budget: control steps.
        checkpoints: step counts at which players are handed out; those of a kept state are not among them.
        kept: folder of the state that an interrupted run left, to go on from; None for a fresh run.
        keep: called at every boundary at which the method could go on later, after its checkpoints, with the
            steps charged and a function that writes its state into a folder; says whether it was written.
    """

    scenario: str
    seed: int
    budget: int
    checkpoints: tuple[int, ...]
    kept: Path | None = None
    keep: Callable[[int, Callable[[Path], None]], bool] = lambda steps, write: False


@dataclass(frozen=True)
class Method:
    """A method of the comparison.

    Attributes:
        cost: CPU time of a step, relative to the others; for the order of runs and the time left.
        configuration: (scenario, budget) -> everything that was set, as JSON.
        run: (job, report, progress) -> numbers of trained parameters, and control steps charged.
        evaluation_options: options of the environment in evaluation.
        trains: whether it learns; floors do not.
        resumes: whether an interrupted run goes on from its kept state; else it begins anew.
        kind: `floor`; `on-policy` and `off-policy` learners get budgets of their own in token suites.
    """

    cost: float
    configuration: Callable[[str, int], dict[str, Any]]
    run: Callable[[Job, Report, Callable[[int], None]], tuple[dict[str, int], int]]
    evaluation_options: dict[str, Any] = field(default_factory=dict)
    trains: bool = True
    resumes: bool = False
    kind: Kind = "on-policy"
