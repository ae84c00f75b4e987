"""One training of a team: to the target or to the end of the budget, interrupted and resumed at any time.

What a run leaves in its folder: `records/` (as the runner's, so `python -m benchmarks.report` reads it),
`checkpoint/`, `before.json` (the untrained team on the test tasks, and what a warm start brought), and while
it is under way `unfinished/`, from which the same call goes on, to the same bits.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.judged_return import judged_return
from benchmarks.record_store import find_record, write_record
from benchmarks.records import CurvePoint, Evaluation, Record, Result, Run, Timings, record_key
from benchmarks.report.references import Reference
from benchmarks.runner.claim import claimed
from benchmarks.runner.execute import TEST_TRIALS, VALIDATION_TRIALS
from benchmarks.runner.software import commit, differing, host, versions
from benchmarks.runner.unfinished import Unfinished
from benchmarks.workflows.learners import Judged, Learner
from benchmarks.workflows.modes import Mode
from ma_ssm_env import __version__
from ma_ssm_env.whole_file import replace_file
from policies import checkpoint

CHECKS = 20  # validations in a budget; after each the target is looked at
KEEP_EVERY_S = 20.0
CHECKPOINT, BEFORE = "checkpoint", "before.json"


def check_steps(budget: int) -> tuple[int, ...]:
    """Step counts at which a run is validated."""
    return tuple(sorted({max(1, round(budget * (i + 1) / CHECKS)) for i in range(CHECKS)}))


@dataclass(frozen=True)
class Task:
    """What is to be trained.

    Attributes:
        run: its identity.
        folder: of what it leaves.
        target: validation score at which it ends; None: it takes the whole budget.
        reference: of the scenario's scores; None where there is none.
    """

    run: Run
    folder: Path
    target: float | None
    reference: Reference | None


def task_of(
    learner: Learner,
    mode: Mode,
    target: float | None,
    reference: Reference | None,
    warm_start: Mapping[str, str],
    out: Path,
) -> Task:
    """A learner's training with its identity, in a folder of its own in `out`.

    Args:
        learner: what trains.
        mode: how the team works together; the method of the record.
        target: as `Task.target`.
        reference: as `Task.reference`.
        warm_start: digests of the recorded trials that it begins with, by name.
        out: where runs lie.
    """
    config = learner.training_config
    run = Run(
        scenario=config.scenario,
        method=f"team-{mode}",
        seed=config.seed,
        budget=config.steps,
        suite="workflow",
        configuration={
            "training": learner.configuration,
            "target": target,
            **({"warm_start": dict(warm_start)} if warm_start else {}),
        },
        code=__version__,
        command="benchmarks.workflows",
    )
    return Task(run, out / record_key(run), target, reference)


@dataclass(frozen=True)
class Trained:
    """What a training left.

    Attributes:
        record: curve and final evaluation.
        before: returns of the untrained team on the test tasks [N, trials, K].
        warm_start: what a warm start brought.
        reached: the target was reached.
    """

    record: Record
    before: NDArray[np.float64]
    warm_start: dict[str, Any]
    reached: bool


@dataclass
class _Book:
    """What was measured so far; it is kept with the learner's state."""

    before: list[Any] = field(default_factory=list)
    warm_start: dict[str, Any] = field(default_factory=dict)
    curve: list[CurvePoint] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    judging_s: float = 0.0

    @classmethod
    def read(cls, data: dict[str, Any]) -> _Book:
        curve = [CurvePoint(p["steps"], tuple(p["returns"])) for p in data["curve"]]
        return cls(**{**data, "curve": curve})


def train_team(
    task: Task,
    make: Callable[[], Learner],
    warm_up: Callable[[Learner], dict[str, Any]],
    on_progress: Callable[[int, float | None], None] = lambda steps, score: None,
) -> Trained:
    """Train, or go on, or read what was finished.

    Where another process trains the same team, this one waits and reads what came of it.

    Args:
        task: what.
        make: the learner, as it begins.
        warm_up: teaches a learner that begins what is known already.
        on_progress: gets the steps taken, and the validation score where one was measured.
    """
    with claimed(task.folder, task.run, lambda: say_waits(task.run)):
        return _train_team(task, make, warm_up, on_progress)


def say_waits(run: Run) -> None:
    """Tell whoever waits what for."""
    print(f"another process does {record_key(run)}: waiting for it", file=sys.stderr)


def _train_team(
    task: Task,
    make: Callable[[], Learner],
    warm_up: Callable[[Learner], dict[str, Any]],
    on_progress: Callable[[int, float | None], None],
) -> Trained:
    found = find_record(task.folder, task.run)
    there = (task.folder / CHECKPOINT / checkpoint.FILE).exists()
    unfinished = Unfinished(task.folder, task.run, KEEP_EVERY_S)
    if found is not None and there and not differing(found.versions):
        unfinished.clear()  # there is something where a process was killed just after it wrote the record
        on_progress(found.result.charged_steps, None)
        return _read(task, found)
    kept = unfinished.find()
    learner = make()
    book = _Book()
    if kept is not None:
        learner.resume(kept.folder)
        book = _Book.read(kept.runner)
    wall, cpu = time.monotonic() - book.wall_s, time.process_time() - book.cpu_s

    def judged(split: Any, trials: int, adapted: bool = True) -> Judged:
        began = time.process_time()
        result = learner.judge(split, trials, adapted)
        book.judging_s += time.process_time() - began
        return result

    def state() -> dict[str, Any]:
        book.wall_s, book.cpu_s = time.monotonic() - wall, time.process_time() - cpu
        return dataclasses.asdict(book)

    if kept is None:
        book.before = judged("test", TEST_TRIALS, False).returns.tolist()
        book.warm_start = warm_up(learner)
        if book.warm_start:
            began_with = judged("test", TEST_TRIALS, False).returns
            book.warm_start["test return"] = {
                "before": float(np.mean(book.before)),
                "after": float(began_with.mean()),
            }
    else:
        on_progress(learner.steps, _score(task, book.curve[-1].returns) if book.curve else None)
    done = book.curve[-1].steps if book.curve else 0
    due = [count for count in check_steps(task.run.budget) if count > done]
    while not (learner.finished or _reached(task, book)):
        learner.iterate()
        score = None
        if due and learner.steps >= due[0]:
            due = [count for count in due if count > learner.steps]
            found_returns = judged("validation", VALIDATION_TRIALS).returns
            book.curve.append(CurvePoint(learner.steps, tuple(found_returns.mean((0, 1)).tolist())))
            score = _score(task, book.curve[-1].returns)
        on_progress(learner.steps, score)
        unfinished.keep(learner.steps, learner.save, state)
    _finish(task, learner, book, judged("test", TEST_TRIALS), state)
    unfinished.clear()
    written = find_record(task.folder, task.run)  # with the digits that another call will find
    assert written is not None
    return _read(task, written)


def _finish(
    task: Task, learner: Learner, book: _Book, test: Judged, state: Callable[[], dict[str, Any]]
) -> None:
    checkpoint.save(task.folder / CHECKPOINT, learner.network, learner.training_config, learner.steps)
    state()  # brings the clocks up to date
    training_s = max(1e-9, book.cpu_s - book.judging_s)
    evaluation = Evaluation(
        steps=learner.steps,
        split="test",
        actions="mode",
        tasks=_tuples(test.tasks.tolist()),
        returns=_tuples(test.returns.tolist()),
    )
    record = Record(
        run=task.run,
        versions=versions() | commit(),
        result=Result(
            parameters=learner.parameter_counts(),
            charged_steps=learner.steps,
            curve=tuple(book.curve),
            evaluations=(evaluation,),
        ),
        timings=Timings(
            host=host(),
            wall_s=round(book.wall_s, 2),
            cpu_s=round(book.cpu_s, 2),
            train_steps_per_cpu_s=round(learner.steps / training_s, 1),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
    )
    write_json(task.folder / BEFORE, {"returns": book.before, "warm_start": book.warm_start})
    write_record(task.folder, record)


def _read(task: Task, record: Record) -> Trained:
    before = json.loads((task.folder / BEFORE).read_text())
    reached = bool(record.result.curve) and _met(task, record.result.curve[-1])
    return Trained(record, np.asarray(before["returns"]), before["warm_start"], reached)


def _reached(task: Task, book: _Book) -> bool:
    return bool(book.curve) and _met(task, book.curve[-1])


def _met(task: Task, point: CurvePoint) -> bool:
    score = _score(task, point.returns)
    return task.target is not None and score is not None and score >= task.target


def _score(task: Task, returns: tuple[float, ...]) -> float | None:
    reference = task.reference
    return None if reference is None else float(reference.score(judged_return(reference.scenario, returns)))


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all."""
    replace_file(path, json.dumps(value) + "\n")


def _tuples(values: Any) -> Any:
    return tuple(_tuples(value) for value in values) if isinstance(values, list) else float(values)
