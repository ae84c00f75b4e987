"""One run: train by a method, evaluate at fixed step counts, give a record."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from benchmarks.records import CurvePoint, Evaluation, Record, Result, Run, Timings
from benchmarks.runner.methods import METHODS, Job
from benchmarks.runner.software import commit, host, versions
from benchmarks.runner.suites import ALL, Suite
from benchmarks.runner.unfinished import Kept, Unfinished
from ma_ssm_env import __version__
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.policy import Players
from ma_ssm_env.scenarios import find_scenario

TEST_TRIALS, VALIDATION_TRIALS = 5, 2


def plan(suite: Suite, command: str) -> list[Run]:
    """The runs of a suite, the longest first, so that the processes end together."""
    methods = list(METHODS) if suite.methods == ALL else suite.methods
    runs = []
    for scenario in suite.scenarios:
        for seed in range(suite.seeds):
            for name in methods:
                method = METHODS[name]
                budget, judged = suite.of(name, method.kind)
                configuration = {
                    **method.configuration(scenario, budget),
                    "judged": list(judged),
                    "curve_points": suite.curve_points,
                }
                runs.append(
                    Run(
                        scenario=scenario,
                        method=name,
                        seed=seed,
                        budget=budget,
                        suite=suite.name,
                        configuration=configuration,
                        code=__version__,
                        command=command,
                    )
                )
    return sorted(runs, key=lambda run: (-METHODS[run.method].cost, run.seed))


@dataclass
class _Evaluator:
    """Evaluates what a method hands out, and keeps the time that it took apart from the training's."""

    run: Run
    options: dict[str, Any]
    judged: list[int]
    curve_steps: list[int]
    curve: list[CurvePoint] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    cpu_s: float = 0.0

    def resume(self, steps: int, state: Mapping[str, Any]) -> None:
        """Take up what had been evaluated when the state after `steps` was kept."""
        self.curve = [CurvePoint(p["steps"], tuple(p["returns"])) for p in state["curve"]]
        self.evaluations = [
            Evaluation(**{**e, "tasks": _tuples(e["tasks"]), "returns": _tuples(e["returns"])})
            for e in state["evaluations"]
        ]
        self.judged = [count for count in self.judged if count > steps]
        self.curve_steps = [count for count in self.curve_steps if count > steps]
        self.cpu_s = float(state["evaluation_cpu_s"])

    def __call__(self, steps: int, mode: Players, sampled: Players) -> None:
        began = time.process_time()
        budget = self.run.budget
        if self.curve_steps and steps >= self.curve_steps[0]:
            while self.curve_steps and steps >= self.curve_steps[0]:
                self.curve_steps.pop(0)
            found = evaluate(
                self.run.scenario, mode, split="validation", trials=VALIDATION_TRIALS, **self.options
            )
            self.curve.append(CurvePoint(steps, tuple(found.returns.mean((0, 1)).tolist())))
        if not METHODS[self.run.method].trains or (self.judged and steps >= self.judged[0]):
            while self.judged and steps >= self.judged[0]:
                self.judged.pop(0)
            self._judge(steps, mode, "mode")
            if steps >= budget:
                self._judge(steps, sampled, "sampled")
        self.cpu_s += time.process_time() - began

    def _judge(self, steps: int, players: Players, actions: str) -> None:
        found = evaluate(
            self.run.scenario,
            players,
            split="test",
            trials=TEST_TRIALS,
            policy_seed=self.run.seed,
            **self.options,
        )
        normalised = find_scenario(self.run.scenario).variation.normalise(found.tasks)
        self.evaluations.append(
            Evaluation(
                steps=steps,
                split="test",
                actions=actions,
                tasks=_nested(normalised),
                returns=_nested(found.returns),
                phases=None if found.phases is None else _nested(found.phases),
            )
        )


def execute(run: Run, progress: Callable[[int], None], unfinished: Unfinished | None = None) -> Record:
    """Do one run on one torch thread.

    Args:
        run: what to do.
        progress: gets the control steps done so far.
        unfinished: where its state is kept; a state that is there is gone on from, where the method can.
    """
    torch.set_num_threads(1)
    software = versions() | commit()  # of the start: a checkout may move on while a run goes on
    method = METHODS[run.method]
    judged = list(run.configuration["judged"])
    points = int(run.configuration["curve_points"])
    curve = [round(run.budget * (i + 1) / points) for i in range(points)] if method.trains else []
    evaluator = _Evaluator(run, method.evaluation_options, list(judged), list(curve))
    kept = unfinished.find() if unfinished is not None else None
    clock = _Clock(kept)
    if kept is not None:
        evaluator.resume(kept.steps, kept.runner)

    def runner_state() -> dict[str, Any]:
        return {
            "curve": [dataclasses.asdict(point) for point in evaluator.curve],
            "evaluations": [dataclasses.asdict(evaluation) for evaluation in evaluator.evaluations],
            "evaluation_cpu_s": evaluator.cpu_s,
            "wall_s": clock.wall_s(),
            "cpu_s": clock.cpu_s(),
        }

    job = Job(
        run.scenario,
        run.seed,
        run.budget,
        checkpoints=tuple(count for count in sorted({*judged, *curve}) if kept is None or count > kept.steps),
        kept=None if kept is None else kept.folder,
        keep=lambda steps, write: unfinished is not None and unfinished.keep(steps, write, runner_state),
    )
    parameters, charged = method.run(job, evaluator, progress)
    cpu_s = clock.cpu_s()
    training = cpu_s - evaluator.cpu_s
    return Record(
        run=run,
        versions=software,
        result=Result(
            parameters=parameters,
            charged_steps=charged,
            curve=tuple(evaluator.curve),
            evaluations=tuple(evaluator.evaluations),
        ),
        timings=Timings(
            host=host(),
            wall_s=round(clock.wall_s(), 2),
            cpu_s=round(cpu_s, 2),
            train_steps_per_cpu_s=round(charged / training, 1) if method.trains else None,
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
    )


class _Clock:
    """Wall and CPU time of a run, those until its kept state included."""

    def __init__(self, kept: Kept | None) -> None:
        before = {"wall_s": 0.0, "cpu_s": 0.0} if kept is None else kept.runner
        self._wall = time.monotonic() - float(before["wall_s"])
        self._cpu = time.process_time() - float(before["cpu_s"])

    def wall_s(self) -> float:
        return time.monotonic() - self._wall

    def cpu_s(self) -> float:
        return time.process_time() - self._cpu


def _nested(array: np.ndarray[Any, Any]) -> tuple[Any, ...]:
    return tuple(_nested(row) if row.ndim else float(row) for row in array)


def _tuples(values: Any) -> Any:
    return tuple(_tuples(value) for value in values) if isinstance(values, list) else values
