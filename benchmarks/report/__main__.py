"""Write the report of a folder of records: `python -m benchmarks.report DIRECTORY`."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import benchmarks
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
    records, said = read_folder(directory)
    earlier, said_earlier = read_folder(beside) if beside is not None else ([], ())
    methods = methods_by_name(record.run.method for record in [*records, *earlier])
    table = read_references(references or default_path())
    report = Report(
        study=summarise(records, table, methods),
        methods=methods,
        directory=directory,
        warnings=(*said, *said_earlier),
        earlier=summarise(earlier, table, methods) if earlier else None,
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


def read_folder(directory: Path) -> tuple[list[Record], tuple[str, ...]]:
    """The records of a folder, and what was said while they were read (said on the console too).

    Raises:
        ReportError: The folder is missing or has no record that can be read.
    """
    if not directory.is_dir():
        raise ReportError(f"{directory}: no such folder; name one that `python -m benchmarks.run` wrote")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        records = read_records(directory)
    said = tuple(str(warning.message) for warning in caught)
    for line in said:
        print(f"warning: {line}", file=sys.stderr)
    if not records:
        reason = f"none of {len(said)} records can be read" if said else "no records"
        raise ReportError(
            f"{directory / 'records'}: {reason}; run `python -m benchmarks.run` into this folder first"
        )
    return records, said


if __name__ == "__main__":
    exit_with(main)
