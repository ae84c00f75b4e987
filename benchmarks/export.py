"""Export records: `python -m benchmarks.export DIRECTORY --marl-eval FILE --parquet FILE`.

- *marl-eval* reads one JSON file, {environment: {task: {algorithm: {run: {step_k: {...}, absolute_metrics:
  {...}}}}}}, and wants the same tasks, runs and step counts for every algorithm. So only what all methods
  have is exported - scenarios, seeds, points of the curve - and what was left out is said.
- *Parquet* has one row for each evaluation, task, trial and inner episode, with who ran it; it needs the
  extra `export` (pyarrow).
- *TensorBoard* gets the validation curve of each run; it needs the package tensorboard.
- Anything else (MLflow, W&B, ...) is one `Tracker`: an object with a `log` method, see `track`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.configurations import distinct, one_configuration
from benchmarks.judged_return import judged_return
from benchmarks.record_store import read_records
from benchmarks.records import Record, record_key
from ma_ssm_env.commands import exit_with
from ma_ssm_env.whole_file import replace_file, replaced

ENVIRONMENT = "ma-ssm-env"
RETURN = "return"


class Tracker(Protocol):
    """What any tracker of experiments is wrapped as: MLflow's and W&B's own log calls fit in one line."""

    def log(self, run: str, step: int, values: Mapping[str, float]) -> None:
        """Take `values` of a run (its record's name) after `step` control steps."""
        ...


def track(records: Sequence[Record], tracker: Tracker) -> None:
    """Tell `tracker` the validation curve and the judged returns of every record, in the order of steps.

    With MLflow, for example:

        class Mlflow:
            def log(self, run, step, values):
                with mlflow.start_run(run_id=ids[run]):
                    mlflow.log_metrics(dict(values), step=step)
    """
    for record in records:
        points: list[tuple[int, dict[str, float]]] = [
            (point.steps, _named("validation", point.returns)) for point in record.result.curve
        ]
        for evaluation in record.result.evaluations:
            means = evaluation.array().mean((0, 1))
            points.append((evaluation.steps, _named(f"{evaluation.split}/{evaluation.actions}", means)))
        for step, values in sorted(points, key=lambda point: point[0]):
            tracker.log(record_key(record.run), step, values)


def marl_eval(records: Sequence[Record]) -> tuple[dict[str, Any], list[str]]:
    """The JSON that marl-eval reads, and what was left out to make it even.

    The metric is the return that trials are judged by (`judged_return`). `step_k` are the points of
    the validation curve (marl-eval's training-time evaluations); methods that do not learn have their judged
    return at each. `absolute_metrics` hold the last judged return of every task and trial by mode actions.
    marl-eval takes no commas in names; names in records have none.
    """
    left_out: list[str] = []
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in distinct(records):
        groups.setdefault((record.run.scenario, record.run.method), []).append(record)
    for (scenario, method), group in groups.items():
        groups[scenario, method], note = one_configuration(method, group)
        left_out += [f"{scenario}: {note}"] if note else []
    others = _of_other_budgets(groups)
    left_out += [
        f"{method}: its budget is not that of most methods, and marl-eval has one axis of steps for all; "
        "export it by itself"
        for method in others
    ]
    methods = sorted({method for _, method in groups} - others)
    found: dict[tuple[str, int], dict[str, Record]] = {}
    for (scenario, method), kept in groups.items():
        for record in kept if method in methods else ():
            found.setdefault((scenario, record.run.seed), {})[method] = record
    data: dict[str, Any] = {}
    for (scenario, seed), by_method in sorted(found.items()):
        missing = [method for method in methods if method not in by_method]
        if missing:
            left_out.append(f"{scenario} seed {seed}: without {', '.join(missing)}")
            continue
        curves = [len(r.result.curve) for r in by_method.values() if r.result.curve]
        points = min(curves) if curves else 1
        if curves and max(curves) != points:
            left_out.append(f"{scenario} seed {seed}: points after number {points}, which not all have")
        steps = _steps(by_method, points)
        for method, record in by_method.items():
            task = data.setdefault(scenario, {}).setdefault(method, {})
            task[f"seed_{seed}"] = _one_run(record, steps)
    return ({ENVIRONMENT: data} if data else {}), left_out


def _of_other_budgets(groups: Mapping[tuple[str, str], Sequence[Record]]) -> set[str]:
    """Methods that learned for another budget than most on a scenario; of equal numbers the larger stays."""
    budgets: dict[str, dict[str, int]] = {}
    for (scenario, method), kept in groups.items():
        if kept[0].result.curve:
            budgets.setdefault(scenario, {})[method] = kept[0].run.budget
    found: set[str] = set()
    for by_method in budgets.values():
        common = max(by_method.values(), key=lambda budget: (list(by_method.values()).count(budget), budget))
        found |= {method for method, budget in by_method.items() if budget != common}
    return found


def _steps(by_method: Mapping[str, Record], points: int) -> list[int]:
    """Common step counts: of each point the largest over the methods; they differ by less than a rollout."""
    curves = [record.result.curve for record in by_method.values() if record.result.curve]
    if not curves:
        return [max(record.result.evaluations[-1].steps for record in by_method.values())]
    return [max(curve[point].steps for curve in curves) for point in range(points)]


def _one_run(record: Record, steps: Sequence[int]) -> dict[str, Any]:
    scenario = record.run.scenario
    judged = judged_return(scenario, record.result.judged[-1].array())  # [N tasks, trials]
    run: dict[str, Any] = {}
    for number, step in enumerate(steps):
        curve = record.result.curve
        value = float(judged_return(scenario, curve[number].returns)) if curve else float(judged.mean())
        run[f"step_{number}"] = {"step_count": step, RETURN: [value]}
    run["absolute_metrics"] = {RETURN: judged.flatten().tolist()}
    return run


def rows(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """One flat row for each evaluation, task, trial and inner episode of every record."""
    for record in records:
        run = record.run
        who = {
            "record": record_key(record.run),
            "scenario": run.scenario,
            "method": run.method,
            "seed": run.seed,
            "budget": run.budget,
            "suite": run.suite,
            "code": run.code,
            "mujoco": record.versions.get("mujoco", ""),
        }
        for evaluation in record.result.evaluations:
            values = evaluation.array()
            for task, trial, episode in np.ndindex(values.shape):
                yield {
                    **who,
                    "steps": evaluation.steps,
                    "split": evaluation.split,
                    "actions": evaluation.actions,
                    "task": task,
                    "coordinates": json.dumps(evaluation.tasks[task]),
                    "trial": trial,
                    "episode": episode,
                    "return": float(values[task, trial, episode]),
                }


def write_parquet(records: Sequence[Record], path: Path) -> int:
    """Write `rows` as Parquet; returns how many there are.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise ModuleNotFoundError("pyarrow is not installed; pip install -e .[export]") from None
    table = pyarrow.Table.from_pylist(list(rows(records)))
    with replaced(path) as beside:
        pyarrow.parquet.write_table(table, beside)
    return int(table.num_rows)


class TensorBoard:
    """A `Tracker` that writes one TensorBoard run a record into a folder."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError:
            raise ModuleNotFoundError("tensorboard is not installed; pip install tensorboard") from None
        self._make: Any = SummaryWriter
        self._folder = folder
        self._writers: dict[str, Any] = {}

    def log(self, run: str, step: int, values: Mapping[str, float]) -> None:
        """See `Tracker.log`."""
        if run not in self._writers:
            self._writers[run] = self._make(str(self._folder / run))
        for name, value in values.items():
            self._writers[run].add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        for writer in self._writers.values():
            writer.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when all is written, 2 when something cannot be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export", description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, help="folder that holds records/")
    parser.add_argument("--marl-eval", type=Path, metavar="FILE", help="JSON for marl-eval")
    parser.add_argument("--parquet", type=Path, metavar="FILE", help="one row a return")
    parser.add_argument("--tensorboard", type=Path, metavar="FOLDER", help="curves of all runs")
    given = parser.parse_args(arguments)
    if given.marl_eval is None and given.parquet is None and given.tensorboard is None:
        print("error: nothing to write; name --marl-eval, --parquet or --tensorboard", file=sys.stderr)
        return 2
    records = read_records(given.directory)
    if not records:
        print(f"error: {given.directory}/records: no records", file=sys.stderr)
        return 2
    try:
        if given.marl_eval is not None:
            data, left_out = marl_eval(records)
            for line in left_out:
                print(f"left out: {line}", file=sys.stderr)
            if not data:
                print("error: no scenario and seed has all methods; export fewer methods", file=sys.stderr)
                return 2
            replace_file(given.marl_eval, json.dumps(data) + "\n")
            print(given.marl_eval)
        if given.parquet is not None:
            print(f"{given.parquet}: {write_parquet(records, given.parquet)} rows")
        if given.tensorboard is not None:
            board = TensorBoard(given.tensorboard)
            track(records, board)
            board.close()
            print(given.tensorboard)
    except (OSError, ModuleNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _named(prefix: str, returns: Any) -> dict[str, float]:
    return {f"{prefix}/episode_{number}": float(value) for number, value in enumerate(returns)}


if __name__ == "__main__":
    exit_with(main)
