"""Runs that ended without a record, and why: `DIRECTORY/failed/<key>.json`, until a record takes their place.

An average of the runs that lived flatters a method that loses some. So a run that fails leaves its name and
its reason beside the records, where whoever reads the folder, on whatever day, finds them.
"""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.record_store import RecordWarning, record_path
from benchmarks.records import RecordError, Run, record_key, run_from_json, run_to_json
from ma_ssm_env.whole_file import replace_file

SCHEMA = 1


@dataclass(frozen=True)
class Failure:
    """One run that gave no record.

    Attributes:
        run: what was asked for.
        reason: the end of its traceback, or how its process ended.
        versions: packages that it was tried with.
        when: UTC, ISO 8601.
    """

    run: Run
    reason: str
    versions: Mapping[str, str]
    when: str

    @property
    def in_short(self) -> str:
        """The last line of the reason: the error itself."""
        return self.reason.strip().splitlines()[-1] if self.reason.strip() else "no reason is known"

    @property
    def diverged(self) -> bool:
        """Whether learning itself broke, rather than its process or its machine."""
        return self.in_short.startswith(FloatingPointError.__name__)


def failure_path(directory: str | os.PathLike[str], run: Run) -> Path:
    """Where the failure of `run` is told, if it failed."""
    return Path(directory) / "failed" / f"{record_key(run)}.json"


def write_failure(
    directory: str | os.PathLike[str], run: Run, reason: str, versions: Mapping[str, str]
) -> Failure:
    """Tell that `run` gave no record; what was told of it before is replaced."""
    failure = Failure(run, reason, dict(versions), datetime.now(UTC).isoformat(timespec="seconds"))
    told = {"schema": SCHEMA, **vars(failure), "run": run_to_json(run)}
    replace_file(failure_path(directory, run), json.dumps(told, indent=1) + "\n")
    return failure


def clear_failure(directory: str | os.PathLike[str], run: Run) -> None:
    """Forget the failure of `run`: its record is there now."""
    failure_path(directory, run).unlink(missing_ok=True)


def read_failures(directory: str | os.PathLike[str]) -> list[Failure]:
    """The runs of a folder that failed and have no record since, in the order of their names.

    A file that cannot be read is named in a `RecordWarning` and left where it is.
    """
    found = []
    for path in sorted((Path(directory) / "failed").glob("*.json")):
        try:
            failure = _from_json(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:  # done again in the meantime
            continue
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            warnings.warn(f"{path}: left out: {error}; remove it", RecordWarning, stacklevel=2)
            continue
        if not record_path(directory, failure.run).is_file():
            found.append(failure)
    return found


def with_lost(table: str, failures: Sequence[Failure]) -> str:
    """A Markdown table of runs that lived; below it, if any failed, how many of which methods."""
    if not failures:
        return table
    counts = Counter(f"{failure.run.method} on {failure.run.scenario}" for failure in failures)
    runs = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"{table}\n\nFailed and left out, which flatters those methods: {runs}."


def _from_json(told: Any) -> Failure:
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise RecordError(f"this code reads failures of schema {SCHEMA}")
    versions = {str(name): str(version) for name, version in dict(told["versions"]).items()}
    return Failure(run_from_json(told["run"]), str(told["reason"]), versions, str(told["when"]))
