"""Run a suite: `python -m benchmarks.run --suite quick --out runs/quick`.

A second call reuses what is finished. `python -m benchmarks.report DIR` makes the page of it.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.runner.execute import plan
from benchmarks.runner.methods import METHODS, find_methods
from benchmarks.runner.schedule import run_all
from benchmarks.runner.suites import SUITES, find_suite


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when all runs are there, 1 when some failed, 2 on bad usage."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description="Train and evaluate the methods of a suite; finished runs are reused.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--suite", required=True, help=f"one of {', '.join(SUITES)}")
    parser.add_argument("--out", required=True, type=Path, help="folder for the records")
    parser.add_argument("--seeds", type=int, help="seeds of each method, instead of the suite's number")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--methods", nargs="+", help=f"of {', '.join(METHODS)}, instead of the suite's")
    given = parser.parse_args(arguments)
    try:
        suite = find_suite(given.suite)
        if given.seeds is not None:
            if given.seeds < 1:
                raise ValueError(f"--seeds {given.seeds}: at least 1 is expected")
            suite = dataclasses.replace(suite, seeds=given.seeds)
        if given.jobs < 1:
            raise ValueError(f"--jobs {given.jobs}: at least 1 is expected")
        if given.methods:
            suite = dataclasses.replace(suite, methods=tuple(find_methods(given.methods)))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    command = f"python -m benchmarks.run --suite {suite.name} --out {given.out}"
    command += f" --seeds {given.seeds}" if given.seeds is not None else ""
    command += f" --methods {' '.join(given.methods)}" if given.methods else ""
    try:
        done = run_all(plan(suite, command), given.out, given.jobs)
    except KeyboardInterrupt:
        print(
            f"interrupted; finished runs are in {given.out}/records: the same command goes on",
            file=sys.stderr,
        )
        return 130
    print(f"{done.finished} runs finished, {done.reused} reused, {len(done.failed)} failed", end="; ")
    print(f"records: {given.out}/records")
    for key, reason in done.failed.items():
        print(f"failed: {key}\n{reason}", file=sys.stderr)
    return 1 if done.failed else 0


if __name__ == "__main__":
    sys.exit(main())
