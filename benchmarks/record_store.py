"""Where records lie: one JSON file for each finished run, `DIRECTORY/records/<key>.json`.

A record is written beside its place and renamed into it, so a killed run leaves no half record. A file that
cannot be read is moved to `records/damaged/` and named in a `RecordWarning`: reading never stops for it. A
file's name is its run's identity, so `find_record(directory, run)` tells a runner whether a run is finished.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

from benchmarks.records import NewerSchemaError, Record, RecordError, Run, record_key
from ma_ssm_env.whole_file import replace_file


class RecordWarning(UserWarning):
    """A file in the records folder was set aside or left out."""


def record_path(directory: str | os.PathLike[str], run: Run) -> Path:
    """Where the record of `run` is, or will be."""
    return Path(directory) / "records" / f"{record_key(run)}.json"


def write_record(directory: str | os.PathLike[str], record: Record) -> Path:
    """Write a record so that it is either there and whole, or not there; returns its path.

    A record of an equal run is replaced.
    """
    path = record_path(directory, record.run)
    text = json.dumps(record.to_json(), indent=None, separators=(",", ":"), allow_nan=False) + "\n"
    replace_file(path, text)
    return path


def read_records(directory: str | os.PathLike[str]) -> list[Record]:
    """All records of a folder in the order of their names; an empty list where there is none.

    A damaged file is moved to `records/damaged/` and named in a `RecordWarning`.
    """
    paths = sorted((Path(directory) / "records").glob("*.json"))
    return [record for path in paths if (record := read_record(path)) is not None]


def find_record(directory: str | os.PathLike[str], run: Run) -> Record | None:
    """The record of `run`, or None where the run has not finished: what a runner asks before it trains."""
    path = record_path(directory, run)
    return read_record(path) if path.is_file() else None


def read_record(path: Path) -> Record | None:
    """The record in a file; None where it cannot be used: it is then set aside and named in a warning."""
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None  # moved by another reader in the meantime
    except OSError as error:
        warnings.warn(f"{path}: left out: {error}", RecordWarning, stacklevel=3)
        return None
    except UnicodeDecodeError as error:
        _set_aside(path, str(error))
        return None
    try:
        record = Record.from_json(json.loads(text))
        if path.stem != record_key(record.run):
            raise RecordError(f"name: its run says {record_key(record.run)}.json; it was edited or copied")
    except NewerSchemaError as error:
        warnings.warn(f"{path}: left out: {error}", RecordWarning, stacklevel=3)
    except (ValueError, TypeError, RecursionError) as error:
        _set_aside(path, str(error))
    else:
        return record
    return None


def _set_aside(path: Path, reason: str) -> None:
    folder = path.parent / "damaged"
    target = folder / path.name
    number = 1
    while target.exists():
        target = folder / f"{path.stem}.{number}{path.suffix}"
        number += 1
    try:
        folder.mkdir(exist_ok=True)
        os.replace(path, target)
        outcome = f"moved to {target}"
    except OSError as error:
        outcome = f"left out, and could not be moved ({error})"
    warnings.warn(f"{path}: damaged: {reason}; {outcome}; run it again", RecordWarning, stacklevel=4)
