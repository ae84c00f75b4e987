"""An index of a store of records, so that a hundred thousand of them are listed and summarised in seconds.

`DIRECTORY/index.jsonl` has one line a record: its file's name, size and time of change, who ran what, the
versions, and the mean returns of the last judged evaluation. The files stay the truth: a line counts only
while its file is there with that size and time, every other file is read, checked and entered, and a lost or
damaged index is built anew. What is damaged among the records is set aside and named, as by `read_records`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.record_store import read_record
from benchmarks.records import Record
from ma_ssm_env.whole_file import replace_file

INDEX = "index.jsonl"
FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """What the index knows of one record.

    Attributes:
        key: name of the record, `benchmarks.records.record_key` of its run.
        size, changed_ns: of its file.
        scenario, method, seed, budget, suite: of its run.
        steps: control steps charged before the last judged evaluation by mode actions on `test`.
        returns: mean of that evaluation over tasks and trials, one for each inner episode; empty without one.
        versions: packages that it was made with.
        train_steps_per_cpu_s: speed of training, None for a method that does not train.
    """

    key: str
    size: int
    changed_ns: int
    scenario: str
    method: str
    seed: int
    budget: int
    suite: str
    steps: int
    returns: tuple[float, ...]
    versions: dict[str, str]
    train_steps_per_cpu_s: float | None


def read_index(directory: str | os.PathLike[str]) -> dict[str, Entry]:
    """All records of a folder by key; the index on disk is brought up to date where it was behind."""
    folder = Path(directory)
    try:
        with os.scandir(folder / "records") as files:
            named = [f for f in files if f.name.endswith(".json") and f.name[0] != "."]
    except FileNotFoundError:
        return {}
    there = {}
    for file in named:
        with contextlib.suppress(FileNotFoundError):  # moved by another reader in the meantime
            there[file.name[:-5]] = file.stat()
    known = _load(folder / INDEX)
    entries: dict[str, Entry] = {}
    for key in sorted(there):
        stat, entry = there[key], known.get(key)
        if entry is None or (entry.size, entry.changed_ns) != (stat.st_size, stat.st_mtime_ns):
            record = read_record(folder / "records" / f"{key}.json")
            if record is None:
                continue
            entry = _entry(key, stat, record)
        entries[key] = entry
    if entries != known:
        _write(folder / INDEX, entries.values())
    return entries


def _entry(key: str, stat: os.stat_result, record: Record) -> Entry:
    run = record.run
    judged = record.result.judged
    last = judged[-1] if judged else None
    return Entry(
        key=key,
        size=stat.st_size,
        changed_ns=stat.st_mtime_ns,
        scenario=run.scenario,
        method=run.method,
        seed=run.seed,
        budget=run.budget,
        suite=run.suite,
        steps=last.steps if last is not None else 0,
        returns=tuple(last.array().mean((0, 1)).tolist()) if last is not None else (),
        versions=record.versions,
        train_steps_per_cpu_s=record.timings.train_steps_per_cpu_s,
    )


def _load(path: Path) -> dict[str, Entry]:
    """The entries of an index; none where it is missing, damaged or of another format."""
    entries: dict[str, Entry] = {}
    try:
        with open(path, encoding="utf-8") as file:
            if json.loads(file.readline()) != {"index": FORMAT}:
                return {}
            for line in file:
                values: dict[str, Any] = json.loads(line)
                values["returns"] = tuple(values["returns"])
                entries[values["key"]] = Entry(**values)
    except (OSError, ValueError, TypeError, KeyError):
        return {}
    return entries


def _write(path: Path, entries: Iterable[Entry]) -> None:
    names = [field.name for field in dataclasses.fields(Entry)]
    lines = [json.dumps({"index": FORMAT})]
    lines += [json.dumps({name: getattr(entry, name) for name in names}) for entry in entries]
    with contextlib.suppress(OSError):  # a store that may only be read needs no index on disk
        replace_file(path, "\n".join(lines) + "\n")
