"""Records: what one finished training run asked for and gave, as typed values and as JSON.

A record says what ran (`Run`), with which software, what came out (`Result`) and how long it took
(`Timings`). Two runs are equal when everything but their suite and their command is equal; `record_key` is
that identity as a name. Where records lie, and how they get there, is in `benchmarks.record_store`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCHEMA = 1
SIGNIFICANT_DIGITS = 6
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class RecordError(ValueError):
    """A record that cannot be used; the message names the file, the field, the value and the remedy."""


class NewerSchemaError(RecordError):
    """A record that a newer version of this code wrote: nothing is wrong with it."""


@dataclass(frozen=True)
class Run:
    """What was asked for. Equal runs give the same record; the suite and the command take no part in that.

    Attributes:
        scenario: Versioned id, such as `PointDir-v0`.
        method: Name of the method, such as `team-s5`.
        seed: Seed of the run.
        budget: Control steps that the run may be charged.
        suite: Name of the suite that asked for it.
        configuration: Everything that was set, as JSON.
        code: Version of this project.
        command: The command line that started it.
    """

    scenario: str
    method: str
    seed: int
    budget: int
    suite: str = field(compare=False)
    configuration: dict[str, Any] = field(hash=False)
    code: str
    command: str = field(compare=False)

    def __post_init__(self) -> None:
        for name in ("scenario", "method"):
            _require(
                isinstance(getattr(self, name), str) and _NAME.fullmatch(getattr(self, name)) is not None,
                f"run.{name}",
                getattr(self, name),
                "use letters, digits, '.', '_' and '-': it becomes a file name",
            )
        _require_count(self.seed, "run.seed")
        _require_count(self.budget, "run.budget")
        for name in ("suite", "code", "command"):
            _require(isinstance(getattr(self, name), str), f"run.{name}", getattr(self, name), "give a text")
        _require(
            isinstance(self.configuration, dict), "run.configuration", self.configuration, "give a mapping"
        )
        try:
            canonical = json.loads(json.dumps(self.configuration, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise RecordError(f"run.configuration: {error}; give plain, finite JSON values") from None
        object.__setattr__(
            self, "configuration", canonical
        )  # tuples become lists, as they will when read back


@dataclass(frozen=True)
class CurvePoint:
    """Validation return after `steps` charged control steps: one mean over tasks for each inner episode."""

    steps: int
    returns: tuple[float, ...]  # [K]


@dataclass(frozen=True)
class Evaluation:
    """Returns on a split's fixed task list after `steps` charged control steps.

    Attributes:
        steps: Control steps charged before this evaluation.
        split: `test`, `validation`, `train` or `ood`.
        actions: `mode` or `sampled`.
        tasks: Normalised coordinates of the tasks, [N, k].
        returns: Return of each inner episode, [N tasks, trials, K].
        phases: Where the task changes in mid-trial: mean reward of a step before the change, in the shock and
            in the recovery, [N tasks, trials, 3]; else None.
    """

    steps: int
    split: str
    actions: str
    tasks: tuple[tuple[float, ...], ...]
    returns: tuple[tuple[tuple[float, ...], ...], ...]
    phases: tuple[tuple[tuple[float, ...], ...], ...] | None = None

    def array(self) -> NDArray[np.float64]:
        """The returns as an array [N, trials, K]; NaN where a return was not finite."""
        return np.asarray(self.returns, dtype=np.float64)

    def array_of_phases(self) -> NDArray[np.float64] | None:
        """The rewards by phase [N, trials, 3], NaN where a trial has no such step; None without any."""
        return None if self.phases is None else np.asarray(self.phases, dtype=np.float64)


@dataclass(frozen=True)
class Result:
    """What came out: parameter counts, control steps charged, the validation curve and the evaluations."""

    parameters: dict[str, int] = field(hash=False)
    charged_steps: int
    curve: tuple[CurvePoint, ...]
    evaluations: tuple[Evaluation, ...]

    def __post_init__(self) -> None:
        _require_count(self.charged_steps, "result.charged_steps")
        for name, count in self.parameters.items():
            _require_count(count, f"result.parameters.{name}")
        _require(
            len(self.evaluations) > 0, "result.evaluations", [], "evaluate the run once before it is recorded"
        )
        for number, evaluation in enumerate(self.evaluations):
            where = f"result.evaluations[{number}]"
            _require_count(evaluation.steps, f"{where}.steps")
            try:
                shape = evaluation.array().shape
            except ValueError:
                shape = ()
            _require(
                len(shape) == 3 and 0 not in shape,
                f"{where}.returns",
                f"shape {shape or 'ragged'}",
                "give [tasks][trials][inner episodes], all of one length",
            )
            _require(
                len(evaluation.tasks) == shape[0],
                f"{where}.tasks",
                f"{len(evaluation.tasks)} tasks",
                f"give one for each of the {shape[0]} rows of returns",
            )
            _require(
                evaluation.phases is None or np.shape(evaluation.phases) == (*shape[:2], 3),
                f"{where}.phases",
                f"shape {np.shape(evaluation.phases or ())}",
                "give [tasks][trials][3]: before, shock, recovery; or null",
            )
            _require(
                evaluation.actions in ("mode", "sampled"),
                f"{where}.actions",
                evaluation.actions,
                "mode or sampled",
            )
            _require(isinstance(evaluation.split, str), f"{where}.split", evaluation.split, "name the split")
        episodes = {len(point.returns) for point in self.curve} | {
            e.array().shape[2] for e in self.evaluations
        }
        _require(
            len(episodes) == 1, "inner episodes", sorted(episodes), "curve and evaluations must agree on K"
        )
        steps = [point.steps for point in self.curve]
        for count in steps:
            _require_count(count, "result.curve.steps")
        _require(steps == sorted(set(steps)), "result.curve", steps, "order the points by steps, each once")

    @property
    def judged(self) -> tuple[Evaluation, ...]:
        """The evaluations that a run is judged by: test tasks, mode actions; in the order of the record."""
        return tuple(e for e in self.evaluations if (e.split, e.actions) == ("test", "mode"))


@dataclass(frozen=True)
class Timings:
    """How long it took and where. `train_steps_per_cpu_s` is None for a method that does not train."""

    host: dict[str, Any] = field(hash=False)
    wall_s: float
    cpu_s: float
    train_steps_per_cpu_s: float | None
    finished: str

    def __post_init__(self) -> None:
        for name in ("wall_s", "cpu_s", "train_steps_per_cpu_s"):
            value = getattr(self, name)
            optional = name == "train_steps_per_cpu_s" and value is None
            _require(
                optional or (_is_number(value) and math.isfinite(value) and value >= 0),
                f"timings.{name}",
                value,
                "give a finite number, 0 or more",
            )
        _require(
            isinstance(self.finished, str), "timings.finished", self.finished, "give a UTC time as ISO 8601"
        )


@dataclass(frozen=True)
class Record:
    """One finished run."""

    run: Run
    versions: dict[str, str] = field(hash=False)
    result: Result
    timings: Timings

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values: bulky arrays to six significant digits, what is not finite as null."""
        run, result, timings = self.run, self.result, self.timings
        return {
            "schema": SCHEMA,
            "run": run_to_json(run),
            "versions": dict(self.versions),
            "result": {
                "parameters": dict(result.parameters),
                "charged_steps": result.charged_steps,
                "curve": [{"steps": p.steps, "returns": _rounded(p.returns)} for p in result.curve],
                "evaluations": [
                    {
                        "steps": e.steps,
                        "split": e.split,
                        "actions": e.actions,
                        "tasks": _rounded(e.tasks),
                        "returns": _rounded(e.returns),
                        **({} if e.phases is None else {"phases": _rounded(e.phases)}),
                    }
                    for e in result.evaluations
                ],
            },
            "timings": {
                "host": dict(timings.host),
                "wall_s": timings.wall_s,
                "cpu_s": timings.cpu_s,
                "train_steps_per_cpu_s": timings.train_steps_per_cpu_s,
                "finished": timings.finished,
            },
        }

    @classmethod
    def from_json(cls, data: Any) -> Record:
        """Read a record from JSON values.

        Raises:
            RecordError: A field is missing or has a wrong value.
            NewerSchemaError: The record has a schema that this code does not know.
        """
        root = _mapping(data, "record")
        schema = root.get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise NewerSchemaError(
                f"schema {schema}: this code reads schema {SCHEMA}; read it with newer code"
            )
        _require(schema == SCHEMA, "schema", schema, f"this code reads schema {SCHEMA}")
        result = _fields(root, "result", Result.__dataclass_fields__)
        timings = _fields(root, "timings", Timings.__dataclass_fields__)
        curve = [
            _fields({"point": point}, "point", CurvePoint.__dataclass_fields__) for point in result["curve"]
        ]
        evaluations = [
            _fields({"evaluation": e}, "evaluation", Evaluation.__dataclass_fields__)
            for e in result["evaluations"]
        ]
        return cls(
            run=run_from_json(root.get("run")),
            versions={str(k): str(v) for k, v in _mapping(root.get("versions"), "versions").items()},
            result=Result(
                parameters=_mapping(result["parameters"], "result.parameters"),
                charged_steps=result["charged_steps"],
                curve=tuple(CurvePoint(p["steps"], _floats(p["returns"], "curve.returns")) for p in curve),
                evaluations=tuple(
                    Evaluation(
                        steps=e["steps"],
                        split=e["split"],
                        actions=e["actions"],
                        tasks=_floats(e["tasks"], "evaluations.tasks"),
                        returns=_floats(e["returns"], "evaluations.returns"),
                        phases=_floats(e["phases"], "evaluations.phases") if e["phases"] else None,
                    )
                    for e in evaluations
                ),
            ),
            timings=Timings(**timings | {"host": _mapping(timings["host"], "timings.host")}),
        )


def run_to_json(run: Run) -> dict[str, Any]:
    """What was asked for, as JSON values."""
    return _identity(run) | {"suite": run.suite, "command": run.command}


def run_from_json(values: Any) -> Run:
    """Read what was asked for from JSON values.

    Raises:
        RecordError: A field is missing or has a wrong value.
    """
    return Run(**_fields({"run": values}, "run", Run.__dataclass_fields__))


def record_key(run: Run) -> str:
    """Name of a run's record: scenario, method, seed and a digest of all that makes the run what it is."""
    canonical = json.dumps(
        _identity(run), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:12]
    return f"{run.scenario}--{run.method}--seed{run.seed}--{digest}"


def _identity(run: Run) -> dict[str, Any]:
    return {
        "scenario": run.scenario,
        "method": run.method,
        "seed": run.seed,
        "budget": run.budget,
        "configuration": run.configuration,
        "code": run.code,
    }


def _rounded(values: Any) -> Any:
    if isinstance(values, Sequence | np.ndarray):
        return [_rounded(value) for value in values]
    number = float(values)
    return float(f"{number:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(number) else None


def _floats(values: Any, name: str) -> Any:
    if isinstance(values, list):
        return tuple(_floats(value, name) for value in values)
    if values is None:
        return math.nan
    _require(_is_number(values), name, values, "give a number, or null where it was not finite")
    return float(values)


def _fields(parent: Mapping[str, Any], name: str, names: Mapping[str, Any]) -> dict[str, Any]:
    values = _mapping(parent.get(name), name)
    optional = {key for key, field_ in names.items() if getattr(field_, "default", MISSING) is not MISSING}
    missing = sorted(set(names) - set(values) - optional)
    _require(not missing, name, f"without {', '.join(missing)}", "every field of the schema is needed")
    for key in ("curve", "evaluations"):
        if key in names:
            _require(isinstance(values[key], list), f"{name}.{key}", values[key], "give a list")
    return {key: values.get(key) for key in names}


def _mapping(value: Any, name: str) -> dict[str, Any]:
    _require(isinstance(value, dict), name, value, "give a mapping")
    return dict(value)


def _require_count(value: Any, name: str) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    _require(whole and value >= 0, name, value, "give a whole number, 0 or more")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require(condition: bool, name: str, value: Any, remedy: str) -> None:
    if not condition:
        shown = repr(value)
        raise RecordError(f"{name}: {shown if len(shown) <= 80 else shown[:77] + '...'}: {remedy}")
