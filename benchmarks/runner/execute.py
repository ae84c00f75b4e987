"""One run: train by a method, evaluate at fixed step counts, give a record."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.records import CurvePoint, Evaluation, Record, Result, Run, Timings
from benchmarks.runner.methods import METHODS, Job, Players
from benchmarks.runner.suites import Suite
from ma_ssm_env import __version__
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.scenarios import find_scenario

PACKAGES = ("mujoco", "gymnasium", "pettingzoo", "numpy", "torch", "stable-baselines3")
TEST_TRIALS, VALIDATION_TRIALS = 5, 2


def plan(suite: Suite, command: str) -> list[Run]:
    """The runs of a suite, the longest first, so that the processes end together."""
    runs = [
        Run(
            scenario=scenario,
            method=method,
            seed=seed,
            budget=suite.budget,
            suite=suite.name,
            configuration={
                **METHODS[method].configuration(scenario, suite.budget),
                "judged": list(suite.judged),
                "curve_points": suite.curve_points,
            },
            code=__version__,
            command=command,
        )
        for scenario in suite.scenarios
        for seed in range(suite.seeds)
        for method in suite.methods
    ]
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


def execute(run: Run, progress: Callable[[int], None]) -> Record:
    """Do one run on one torch thread; `progress` gets the control steps done so far."""
    torch.set_num_threads(1)
    method = METHODS[run.method]
    judged = list(run.configuration["judged"])
    points = int(run.configuration["curve_points"])
    curve = [round(run.budget * (i + 1) / points) for i in range(points)] if method.trains else []
    evaluator = _Evaluator(run, method.evaluation_options, list(judged), list(curve))
    wall, cpu = time.monotonic(), time.process_time()
    checkpoints = tuple(sorted({*judged, *curve}))
    parameters, charged = method.run(
        Job(run.scenario, run.seed, run.budget, checkpoints), evaluator, progress
    )
    cpu_s = time.process_time() - cpu
    training = cpu_s - evaluator.cpu_s
    return Record(
        run=run,
        versions=versions(),
        result=Result(
            parameters=parameters,
            charged_steps=charged,
            curve=tuple(evaluator.curve),
            evaluations=tuple(evaluator.evaluations),
        ),
        timings=Timings(
            host=host(),
            wall_s=round(time.monotonic() - wall, 2),
            cpu_s=round(cpu_s, 2),
            train_steps_per_cpu_s=round(charged / training, 1) if method.trains else None,
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
    )


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    found = {"python": platform.python_version(), "ma-ssm-env": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def host() -> dict[str, Any]:
    """What the run ran on, without naming the machine."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.system(), "torch_threads": 1}


def _nested(array: np.ndarray[Any, Any]) -> tuple[Any, ...]:
    return tuple(_nested(row) if row.ndim else float(row) for row in array)
