"""Records that repeat each other: equal but for the seed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.records import Record, Run, record_key


def without_seed(value: Any) -> Any:
    """A configuration without its seeds: what the runs of one method have in common."""
    if isinstance(value, dict):
        return {k: without_seed(v) for k, v in value.items() if k != "seed"}
    return [without_seed(v) for v in value] if isinstance(value, list) else value


def flat(value: Any) -> dict[str, Any]:
    """A configuration as one mapping: names of nested settings are joined by dots."""
    found: dict[str, Any] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, dict) and (value or not prefix):
            for name, inner in value.items():
                add(f"{prefix}.{name}" if prefix else name, inner)
        else:
            found[prefix] = value

    add("", value)
    return found


def distinct(records: Iterable[Record]) -> list[Record]:
    """Each run once, the latest record of it: two folders may hold the same run."""
    found: dict[str, Record] = {}
    for record in records:
        key = record_key(record.run)
        if key not in found or found[key].timings.finished <= record.timings.finished:
            found[key] = record
    return list(found.values())


def repetition_key(run: Run) -> str:
    """What the repetitions of one run have in common: budget, code version and configuration."""
    return json.dumps([run.budget, run.code, without_seed(run.configuration)], sort_keys=True)


def one_configuration(method: str, records: Sequence[Record]) -> tuple[list[Record], str | None]:
    """The records that count as repetitions, by seed, and what is to be said of the others.

    Runs that differ in more than the seed are not repetitions: the largest group is kept, of equal ones the
    latest.

    Args:
        method: their name.
        records: of one method on one scenario; not empty.
    """
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[repetition_key(record.run)].append(record)
    kept = max(groups.values(), key=lambda group: (len(group), max(r.timings.finished for r in group)))
    note = None
    if len(groups) > 1:
        note = (
            f"{method}: {len(records)} records of {len(groups)} different configurations, budgets or code "
            "versions; "
            f"shown are the {len(kept)} of the largest group (budget {kept[0].run.budget:,}, "
            f"code {kept[0].run.code}), the others are left out."
        )
    return sorted(kept, key=lambda record: record.run.seed), note


def repetitions(records: Sequence[Record]) -> list[Record]:
    """Each run once, where those of a method on a scenario differ in their seed alone.

    Raises:
        ValueError: a method has several configurations, budgets or code versions on a scenario.
    """
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in distinct(records):
        groups[record.run.scenario, record.run.method].append(record)
    for (scenario, method), group in groups.items():
        _, note = one_configuration(method, group)
        if note is not None:
            raise ValueError(f"{scenario}: {note} A table wants one: move the others away")
    return [record for group in groups.values() for record in group]
