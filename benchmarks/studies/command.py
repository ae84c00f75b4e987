"""The command line of a study of rows: `python -m benchmarks.studies.STUDY ROW --seeds 0 1`, then `table`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path

import torch

from benchmarks.studies.settings import SettingsError

TABLE = "table"
ALLOW_MIXED = "reuse records of other package versions too"


def run_study(
    arguments: Sequence[str] | None,
    *,
    prog: str,
    description: str | None,
    rows: Collection[str],
    run_row: Callable[[str, int, Path, Path, bool], Path],
    table: Callable[[Path], str],
    out: Path,
    scratch: Path,
) -> int:
    """Run rows, or print the table of their records; the exit code, 2 for a row that there is not and for a
    record of other settings or versions than its row's, 1 where a run diverged, which ends no other.

    Args:
        arguments: of the command line; None: those of the process.
        prog: what is typed.
        description: of the study.
        rows: names of the rows.
        run_row: (row, seed, folder of records, folder for what is unfinished, whether records of other
            versions are reused) -> path of its record.
        table: folder of records -> Markdown.
        out: default folder of records.
        scratch: default folder for what is unfinished.
    """
    parser = argparse.ArgumentParser(
        prog=prog, description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("what", nargs="+", help=f"rows ({', '.join(rows)}), or: {TABLE}")
    parser.add_argument("--seeds", "--seed", type=int, nargs="+", default=[0], help="a run each")
    parser.add_argument("--out", type=Path, default=out, help="folder of the records")
    parser.add_argument("--scratch", type=Path, default=scratch, help="unfinished trainings")
    parser.add_argument("--allow-mixed", action="store_true", help=ALLOW_MIXED)
    given = parser.parse_args(arguments)
    unknown = [name for name in given.what if name not in rows and name != TABLE]
    if unknown:
        print(f"error: {unknown[0]!r}: one of {', '.join([*rows, TABLE])} is expected", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    try:
        code = run_each(
            (
                f"{name} of seed {seed}",
                partial(run_row, name, seed, given.out, given.scratch, given.allow_mixed),
            )
            for name in given.what
            if name != TABLE
            for seed in given.seeds
        )
        if TABLE in given.what:
            print(table(given.out), end="")
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return code


def run_each(runs: Iterable[tuple[str, Callable[[], Path]]]) -> int:
    """Do runs one after another and print where their records are; the exit code, 1 where a run diverged.

    A run that diverges ends no other; those that did are listed in the end.

    Args:
        runs: what each is in words, and what does it: a path of its record, or FloatingPointError.
    """
    diverged = []
    for name, run in runs:
        try:
            print(run(), flush=True)
        except FloatingPointError as error:
            print(f"diverged: {name}: {error}", file=sys.stderr)
            diverged.append(name)
    if diverged:
        print(f"diverged, without a record: {'; '.join(diverged)}", file=sys.stderr)
    return int(bool(diverged))
