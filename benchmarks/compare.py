"""Whether two results folders differ, how, and how sure: `python -m benchmarks.compare A B`.

For every scenario and method that both have: B minus A in the final return on the test tasks, with its 95%
interval (Welch's t over seeds), p by the same t, and p after Holm's correction for the number of comparisons
(Holm 1979). Beside that, what differs in what was asked for: settings, budgets, versions, hosts.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.configurations import flat, without_seed
from benchmarks.failures import Failure
from benchmarks.metrics.nulls import holm
from benchmarks.records import Record
from benchmarks.report import numbers
from benchmarks.report.__main__ import ReportError, read_folder
from benchmarks.report.references import ReferenceTable, default_path, read_references
from benchmarks.report.study import MethodSummary, Study
from benchmarks.report.summary import summarise
from benchmarks.stats import Interval, difference_p_value, iqm_difference
from ma_ssm_env.commands import exit_with

LEVEL = 0.05


@dataclass(frozen=True)
class Cell:
    """One method on one scenario in both folders.

    Attributes:
        scenario: Its id.
        method: Its name.
        first: Final return in A, IQM over seeds.
        second: The same in B.
        difference: B minus A in return, with its interval.
        score: B minus A in normalised score; None without reference values.
        runs: Runs in A and in B.
        p: p of no difference; NaN where a folder has one run only, and of constants that differ, whose seeds
            are no replicates.
        corrected: p after Holm's correction; NaN as well.
        identical: All seeds are there twice and gave the same numbers to the last digit that is kept.
    """

    scenario: str
    method: str
    first: float
    second: float
    difference: Interval
    score: float | None
    runs: tuple[int, int]
    p: float
    corrected: float
    identical: bool

    @property
    def differs(self) -> bool:
        """Whether the two differ at the 5% level, after correction."""
        return self.corrected < LEVEL

    @property
    def constants(self) -> bool:
        """Whether no seed of either side differs from its fellows, and the sides do."""
        return _constants(self.difference)

    @property
    def verdict(self) -> str:
        """A few words."""
        if self.identical:
            return "identical"
        if self.constants:
            return "constants that differ"
        if math.isnan(self.p):
            return "one seed: open"
        if not self.differs:
            return "no difference shown"
        return "B is better" if self.difference.estimate > 0 else "B is worse"


@dataclass(frozen=True)
class Comparison:
    """Two folders beside each other.

    Attributes:
        cells: What both have.
        only_first: (scenario, method) of A alone.
        only_second: (scenario, method) of B alone.
        settings: What differs in settings, versions and hosts, a line each.
        notes: Which records of a folder were left out, and why, a line each.
    """

    cells: tuple[Cell, ...]
    only_first: tuple[tuple[str, str], ...]
    only_second: tuple[tuple[str, str], ...]
    settings: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether any cell differs, after correction."""
        return any(cell.differs for cell in self.cells)

    @property
    def sentence(self) -> str:
        """The answer."""
        if not self.cells:
            return "Nothing to compare: the two folders have no scenario and method in common."
        found = [cell for cell in self.cells if cell.differs]
        of = f"{len(self.cells)} comparison{'s' if len(self.cells) > 1 else ''}"
        if found:
            names = numbers.listed([f"{c.method} on {c.scenario}" for c in found])
            return f"They differ in {len(found)} of {of}: {names} (p < {LEVEL:g} after Holm's correction)."
        if all(cell.identical for cell in self.cells):
            return f"They are identical in all of {of}: the same numbers, seed by seed."
        if all(math.isnan(cell.p) or cell.identical for cell in self.cells):
            if any(cell.constants for cell in self.cells):
                return "Not decided: what differs does so by constants, of which more seeds say nothing."
            return "Not decided: with one seed on a side nothing is known about the next."
        seen = [max(-c.difference.low, c.difference.high) for c in self.cells if c.difference.bounded]
        return (
            f"No difference is shown in {of}. That is not equality: differences of up to about "
            f"{numbers.decimal(max(seen))} in return would be hidden in the intervals."
        )


def compare(
    first: Sequence[Record],
    second: Sequence[Record],
    table: ReferenceTable,
    failures: tuple[Sequence[Failure], Sequence[Failure]] = ((), ()),
) -> Comparison:
    """Compare the records of two folders.

    Args:
        first: Records of A.
        second: Records of B.
        table: Reference values, for scores beside the returns.
        failures: Runs of A and of B that gave no record.
    """
    studies = (
        summarise(first, table, failures=failures[0]),
        summarise(second, table, failures=failures[1]),
    )
    found = [_summaries(study) for study in studies]
    common = [key for key in found[0] if key in found[1]]
    cells = [_cell(*key, found[0][key], found[1][key], studies) for key in common]
    return Comparison(
        cells=tuple(_corrected(cells)),
        only_first=tuple(key for key in found[0] if key not in found[1]),
        only_second=tuple(key for key in found[1] if key not in found[0]),
        settings=tuple(_settings(first, second, common, found)),
        notes=tuple(
            f"{side}, {scenario.name}: {note}"
            for side, study in zip("AB", studies, strict=True)
            for scenario in study.scenarios
            for note in scenario.notes
        ),
    )


def text(comparison: Comparison, names: tuple[str, str]) -> str:
    """The comparison as text: the answer, a table, and what else differs."""
    lines = [comparison.sentence, f"A: {names[0]}", f"B: {names[1]}", ""]
    if comparison.cells:
        heads = (
            "scenario",
            "method",
            "A",
            "B",
            "B - A [95%]",
            "in score",
            "p",
            "p, Holm",
            "seeds",
            "verdict",
        )
        rows = [heads, *map(_texts, comparison.cells)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines += ["  ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    for title, keys in (("only in A", comparison.only_first), ("only in B", comparison.only_second)):
        if keys:
            lines.append(f"{title}: " + ", ".join(f"{method} on {scenario}" for scenario, method in keys))
    lines += [f"asked for differently: {line}" for line in comparison.settings] or [
        "settings, versions and hosts: the same"
    ]
    lines += [f"left out: {note}" for note in comparison.notes]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 when no difference is shown, 1 when there is one, 2 when it cannot be told."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description="Tell whether two results folders differ, how, and how sure.",
        epilog="Exit code, as of diff: 0 no difference shown, 1 they differ, 2 nothing could be compared.",
    )
    parser.add_argument("first", type=Path, metavar="A", help="results folder with records/")
    parser.add_argument("second", type=Path, metavar="B", help="the folder that is compared with it")
    parser.add_argument("--json", action="store_true", help="write JSON instead of text")
    given = parser.parse_args(arguments)
    try:
        first, second = (read_folder(directory) for directory in (given.first, given.second))
    except (ReportError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    comparison = compare(
        first.records, second.records, read_references(default_path()), (first.failures, second.failures)
    )
    if given.json:
        print(json.dumps(_json(comparison), indent=1, allow_nan=False))
    else:
        print(text(comparison, (str(given.first), str(given.second))))
    return 2 if not comparison.cells else int(comparison.differs)


def _summaries(study: Study) -> dict[tuple[str, str], MethodSummary]:
    return {(s.name, m.method.name): m for s in study.scenarios for m in s.methods if m.runs}


def _cell(
    scenario: str, method: str, first: MethodSummary, second: MethodSummary, studies: tuple[Study, Study]
) -> Cell:
    a, b = first.run_returns, second.run_returns
    gap = iqm_difference([b], [a])
    reference = next(s for s in studies[0].scenarios if s.name == scenario).reference
    scale = reference.judged("oracle") - reference.judged("random") if reference else None
    return Cell(
        scenario,
        method,
        first.judged.estimate if first.judged else math.nan,
        second.judged.estimate if second.judged else math.nan,
        gap,
        gap.estimate / scale if scale else None,
        (first.runs, second.runs),
        math.nan if _constants(gap) else difference_p_value([b], [a]),
        math.nan,
        _identical(first, second)
        and all(
            summary.runs == sum((r.run.scenario, r.run.method) == (scenario, method) for r in study.records)
            for summary, study in zip((first, second), studies, strict=True)
        ),
    )


def _constants(gap: Interval) -> bool:
    return gap.low == gap.high != 0.0


def _identical(first: MethodSummary, second: MethodSummary) -> bool:
    runs = [{r.run.seed: i for i, r in enumerate(s.records)} for s in (first, second)]
    return (
        runs[0].keys() == runs[1].keys()
        and sorted(first.failed) == sorted(second.failed)
        and first.returns.shape == second.returns.shape
        and all(np.array_equal(first.returns[runs[0][s]], second.returns[runs[1][s]]) for s in runs[0])
    )


def _corrected(cells: Sequence[Cell]) -> list[Cell]:
    corrected = holm([cell.p for cell in cells])
    return [replace(cell, corrected=p) for cell, p in zip(cells, corrected, strict=True)]


def _settings(
    first: Sequence[Record],
    second: Sequence[Record],
    common: Sequence[tuple[str, str]],
    found: Sequence[Mapping[tuple[str, str], MethodSummary]],
) -> list[str]:
    lines = []
    for key in common:
        asked = [_flat(summaries[key].records[0]) for summaries in found]
        for name in sorted(set(asked[0]) | set(asked[1])):
            values = [a.get(name, "not set") for a in asked]
            if values[0] != values[1]:
                lines.append(f"{key[1]} on {key[0]}: {name} {values[0]} in A, {values[1]} in B")
        lists = [summaries[key].tasks for summaries in found]
        if lists[0] != lists[1]:
            lines.append(f"{key[1]} on {key[0]}: judged on another list of test tasks")
    for what, facts in (
        ("versions", [[r.versions for r in records] for records in (first, second)]),
        ("host", [[r.timings.host for r in records] for records in (first, second)]),
    ):
        for name in sorted({name for records in facts for fact in records for name in fact}):
            a, b = (
                " / ".join(sorted({str(fact.get(name, "not recorded")) for fact in records}))
                for records in facts
            )
            if a != b:
                lines.append(f"{what}: {name} {a} in A, {b} in B")
    return list(dict.fromkeys(lines))


def _flat(record: Record) -> dict[str, Any]:
    """Settings of a run as a flat mapping, seeds apart."""
    settings = {"budget": record.run.budget, "code": record.run.code}
    return settings | flat(without_seed(record.run.configuration))


def _texts(cell: Cell) -> tuple[str, ...]:
    score = numbers.decimal(cell.score, signed=True, places=2) if cell.score is not None else numbers.DASH
    ps = [numbers.p_value(p).removeprefix("p = ").removeprefix("p ") for p in (cell.p, cell.corrected)]
    return (
        cell.scenario,
        cell.method,
        numbers.decimal(cell.first),
        numbers.decimal(cell.second),
        numbers.estimated(cell.difference, signed=True),
        score,
        *(p or numbers.DASH for p in ps),
        f"{cell.runs[0]}, {cell.runs[1]}",
        cell.verdict,
    )


def _json(comparison: Comparison) -> dict[str, Any]:
    cells = []
    for cell in comparison.cells:
        values = asdict(cell) | {"verdict": cell.verdict}
        values["difference"] = [cell.difference.estimate, cell.difference.low, cell.difference.high]
        cells.append(values)
    whole = {
        "sentence": comparison.sentence,
        "differs": comparison.differs,
        "cells": cells,
        "only_first": comparison.only_first,
        "only_second": comparison.only_second,
        "settings": comparison.settings,
        "notes": comparison.notes,
    }
    return dict(_finite(whole))


def _finite(value: Any) -> Any:
    """What is not finite as null."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    exit_with(main)
