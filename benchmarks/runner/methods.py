"""The table of methods: each trains (or does not) on a scenario and hands out policies at step counts.

Adding a method is a line of `METHODS`, or, for a new kind of learner, one function and its lines.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from baselines.reference import Floor, twin_floor
from baselines.sb3 import Sb3Policy, sb3_ppo_config, train_sb3_ppo
from ma_ssm_env import Policy
from policies.config import WORLDS_OF_A_RUN, TrainConfig, to_json, tuned
from policies.cores import CoreConfig
from policies.team import NetworkConfig, TeamNetwork
from policies.train import players, train

Kind = Literal["floor", "on-policy", "off-policy"]
Players = Policy | Mapping[str, Policy]


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


def _floor(floor: Floor) -> Method:
    def run(job: Job, report: Report, progress: Callable[[int], None]) -> tuple[dict[str, int], int]:
        policy = twin_floor(floor, job.scenario)
        report(0, policy, policy)
        progress(job.budget)
        return {}, 0

    return Method(0.01, lambda scenario, budget: {"floor": floor}, run, trains=False, kind="floor")


def _sb3_ppo(reveal_task: bool) -> Method:
    def configuration(scenario: str, budget: int) -> dict[str, Any]:
        return {"reveal_task": reveal_task, **dataclasses.asdict(sb3_ppo_config(scenario))}

    def run(job: Job, report: Report, progress: Callable[[int], None]) -> tuple[dict[str, int], int]:
        def on_checkpoint(steps: int, policy: Policy) -> None:
            assert isinstance(policy, Sb3Policy)
            report(steps, policy, policy.with_mode(False))

        trained = train_sb3_ppo(
            job.scenario,
            job.seed,
            job.budget,
            sb3_ppo_config(job.scenario),
            reveal_task=reveal_task,
            world_seed=job.seed * WORLDS_OF_A_RUN,
            checkpoints=job.checkpoints,
            on_checkpoint=on_checkpoint,
            progress=progress,
        )
        return trained.parameters, trained.steps

    return Method(2.0, configuration, run, {"reveal_task": True} if reveal_task else {})


def _ours(core: str, team: bool, options: dict[str, Any] | None = None, cost: float = 1.0) -> Method:
    options = options or {}

    def config(scenario: str, seed: int, budget: int) -> TrainConfig:
        network = NetworkConfig(core=CoreConfig(kind=core))
        return TrainConfig(
            scenario=scenario,
            team=team,
            steps=budget,
            seed=seed,
            network=network,
            ppo=tuned(scenario),
            options=options,
        )

    def run(job: Job, report: Report, progress: Callable[[int], None]) -> tuple[dict[str, int], int]:
        def on_checkpoint(steps: int, network: TeamNetwork) -> None:
            report(steps, players(network), players(network, deterministic=False))

        trained = train(
            config(job.scenario, job.seed, job.budget),
            checkpoints=job.checkpoints,
            on_checkpoint=on_checkpoint,
            on_iteration=lambda steps, metrics: progress(steps),
        )
        return trained.network.parameter_counts(), trained.steps

    return Method(cost, lambda scenario, budget: to_json(config(scenario, 0, budget)), run, options)


METHODS: dict[str, Method] = {
    "random": _floor("random"),
    "zero": _floor("zero"),
    "sb3-ppo": _sb3_ppo(reveal_task=False),
    "sb3-ppo-oracle": _sb3_ppo(reveal_task=True),
    "mono-mlp": _ours("mlp", team=False, cost=0.7),
    "mono-s5": _ours("s5", team=False, cost=1.0),
    "mono-gru": _ours("gru", team=False, cost=2.0),
    "mono-mlp-oracle": _ours("mlp", team=False, options={"reveal_task": True}, cost=0.7),
    "team-s5": _ours("s5", team=True, cost=2.5),
    "team-mlp": _ours("mlp", team=True, cost=1.6),
    "team-s5-muted": _ours("s5", team=True, options={"muted_roles": ["state_modeling"]}, cost=2.3),
    "team-s5-full": _ours("s5", team=True, options={"observability": "full"}, cost=2.5),
}


def find_methods(names: Sequence[str]) -> list[str]:
    """`names`, each once, if all are in the table.

    Raises:
        ValueError: one is not; the message names it and the table.
    """
    for name in names:
        if name not in METHODS:
            raise ValueError(f"method {name!r}: unknown; one of {', '.join(METHODS)} is expected")
    return list(dict.fromkeys(names))
