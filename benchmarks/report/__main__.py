"""Write the report of a folder of records: `python -m benchmarks.report DIRECTORY`."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import benchmarks
from benchmarks.failures import Failure, read_failures
from benchmarks.record_store import read_records
from benchmarks.records import Record
from benchmarks.report.fragment import Report
from benchmarks.report.methods import methods_by_name
from benchmarks.report.page import html_page, markdown_report
from benchmarks.report.references import default_path, read_references
from benchmarks.report.summary import summarise
from ma_ssm_env.commands import exit_with
from ma_ssm_env.whole_file import replace_file

_EPILOG = """\
The folder is one that `python -m benchmarks.run` wrote: it holds records/*.json, one file for each finished
run, and, where they were made, films/ (`python -m benchmarks.films`) and emergence/. Written are
DIRECTORY/report/index.html (one file, no network, light and dark) and DIRECTORY/report/report.md. Records
that cannot be read are moved to DIRECTORY/records/damaged/ and named on the page. Exit code: 0 when the page
was written, 2 when there is nothing to report.
"""


class ReportError(Exception):
    """There is nothing to report, and the message says why in one line."""


def write_report(directory: Path, *, beside: Path | None = None, references: Path | None = None) -> Path:
    """Write `directory/report/index.html` and `report.md`; returns the path of the page.

    Args:
        directory: Folder with records.
        beside: Folder with records computed earlier: shown in a part of their own, never in an aggregate
            of the others.
        references: The reference table; by default the one of the environments' package.

    Raises:
        ReportError: A folder is missing or has no record that can be read.
    """
    found = read_folder(directory)
    earlier = read_folder(beside) if beside is not None else Folder([], [], ())
    methods = methods_by_name(name for folder in (found, earlier) for name in folder.methods)
    table = read_references(references or default_path())
    report = Report(
        study=summarise(found.records, table, methods, found.failures),
        methods=methods,
        directory=directory,
        warnings=(*found.said, *earlier.said),
        earlier=summarise(earlier.records, table, methods, earlier.failures) if earlier.records else None,
    )
    folder = directory / "report"
    folder.mkdir(exist_ok=True)
    replace_file(folder / "report.md", markdown_report(report))
    replace_file(folder / "index.html", html_page(report))
    return folder / "index.html"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report",
        description="Compare the methods of a folder of records and write one page about it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="folder that holds records/")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--beside",
        type=Path,
        metavar="DIRECTORY",
        help="folder of records computed earlier, shown apart "
        "(default: benchmarks/results/demo, where it exists)",
    )
    group.add_argument(
        "--no-beside", action="store_true", help="show nothing beside the folder's own records"
    )
    parser.add_argument("--references", type=Path, metavar="FILE", help="another reference table (JSON)")
    options = parser.parse_args(arguments)
    beside = options.beside
    if beside is None and not options.no_beside:
        demo = Path(benchmarks.__file__).parent / "results" / "demo"
        beside = (
            demo if (demo / "records").is_dir() and demo.resolve() != options.directory.resolve() else None
        )
    try:
        page = write_report(options.directory, beside=beside, references=options.references)
    except (ReportError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    print(page.resolve())
    return 0


@dataclass(frozen=True)
class Folder:
    """What a results folder holds.

    Attributes:
        records: of the runs that finished.
        failures: runs that gave no record.
        said: what was said while they were read, and failures on scenarios that have no record at all.
    """

    records: list[Record]
    failures: list[Failure]
    said: tuple[str, ...]

    @property
    def methods(self) -> list[str]:
        """Names of the methods that were run."""
        return [record.run.method for record in self.records] + [f.run.method for f in self.failures]


def read_folder(directory: Path) -> Folder:
    """What a results folder holds; what is wrong with it is said on the console too.

    Raises:
        ReportError: The folder is missing or has no record that can be read.
    """
    if not directory.is_dir():
        raise ReportError(f"{directory}: no such folder; name one that `python -m benchmarks.run` wrote")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        records, failures = read_records(directory), read_failures(directory)
    said = [str(warning.message) for warning in caught]
    shown = {record.run.scenario for record in records}
    said += [
        f"{f.run.method} on {f.run.scenario}, seed {f.run.seed}: failed: {f.in_short}; that scenario has no "
        "record at all"
        for f in failures
        if f.run.scenario not in shown
    ]
    for line in said:
        print(f"warning: {line}", file=sys.stderr)
    if not records:
        reason = f"none of {len(caught)} records can be read" if caught else "no records"
        if failures:
            reason += f", and {len(failures)} runs failed ({failures[-1].in_short})"
        raise ReportError(
            f"{directory / 'records'}: {reason}; run `python -m benchmarks.run` into this folder first"
        )
    return Folder(records, failures, tuple(said))


if __name__ == "__main__":
    exit_with(main)
