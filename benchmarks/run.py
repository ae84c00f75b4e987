"""Run a suite: `python -m benchmarks.run --suite quick --out runs/quick`.

A second call reuses what is finished and goes on with what is not. A suite is a name or a file (`--suite
mine.toml`). Runs are done by processes of this machine, or with `--backend ray` by a Ray cluster.
`python -m benchmarks.report DIR` makes the page of it.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.runner.execute import plan
from benchmarks.runner.methods import METHODS, find_methods
from benchmarks.runner.schedule import Backend, MixedVersionsError, local, run_all
from benchmarks.runner.suite_file import read_suite
from benchmarks.runner.suites import SUITES, Suite, find_suite
from benchmarks.runner.unfinished import KEEP_EVERY_S
from ma_ssm_env.commands import exit_with, shown_path


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when all runs are there, 1 when some failed, 2 on bad usage."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        suite = _suite(given)
        backend = _backend(given, suite.imports)
    except (ValueError, ModuleNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    command = f"python -m benchmarks.run --suite {shown_path(given.suite)} --out {shown_path(given.out)}"
    command += f" --seeds {given.seeds}" if given.seeds is not None else ""
    command += f" --methods {' '.join(given.methods)}" if given.methods else ""
    command += f" --scenarios {' '.join(given.scenarios)}" if given.scenarios else ""
    try:
        # What is said on the way does not mix with the result.
        with contextlib.redirect_stdout(sys.stderr if given.json else sys.stdout):
            done = run_all(
                plan(suite, command),
                given.out,
                backend,
                allow_mixed=given.allow_mixed,
                keep_every_s=given.keep_every,
            )
    except MixedVersionsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            f"interrupted; finished runs are in {given.out}/records: the same command goes on",
            file=sys.stderr,
        )
        return 130
    if given.json:
        print(
            json.dumps(
                {
                    "records": f"{given.out}/records",
                    "finished": done.finished,
                    "reused": done.reused,
                    "failed": done.failed,
                }
            )
        )
        return 1 if done.failed else 0
    print(f"{done.finished} runs finished, {done.reused} reused, {len(done.failed)} failed", end="; ")
    print(f"records: {given.out}/records")
    for key, reason in done.failed.items():
        print(f"failed: {key}\n{reason}", file=sys.stderr)
    return 1 if done.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description="Train and evaluate the methods of a suite; finished runs are reused.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--suite", required=True, help=f"one of {', '.join(SUITES)}, or a file that ends in .toml or .py"
    )
    parser.add_argument("--out", required=True, type=Path, help="folder for the records")
    parser.add_argument("--seeds", type=int, help="seeds of each method, instead of the suite's number")
    parser.add_argument("--methods", nargs="+", help=f"of {', '.join(METHODS)}, instead of the suite's")
    parser.add_argument("--scenarios", nargs="+", help="ids, instead of the suite's")
    parser.add_argument("--backend", choices=("local", "ray"), default="local", help="processes here, or Ray")
    parser.add_argument(
        "--jobs",
        type=int,
        help="runs at a time (default: as many as this machine, or the cluster, has cores)",
    )
    parser.add_argument(
        "--ray-address", help="of an existing Ray cluster, such as auto; without it Ray is started here"
    )
    parser.add_argument(
        "--allow-mixed", action="store_true", help="reuse records of other package versions too"
    )
    parser.add_argument(
        "--keep-every", type=float, default=KEEP_EVERY_S, help="seconds between two kept states of a run"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    return parser


def suite_of(arguments: Sequence[str]) -> Suite:
    """The suite that the command with these arguments runs.

    Raises:
        ValueError: a name, a number or a file of them cannot be used.
    """
    return _suite(_parser().parse_args(arguments))


def _suite(given: argparse.Namespace) -> Suite:
    path = Path(given.suite)
    suite = read_suite(path) if path.suffix in (".toml", ".py") else find_suite(given.suite)
    if given.seeds is not None:
        if given.seeds < 1:
            raise ValueError(f"--seeds {given.seeds}: at least 1 is expected")
        suite = dataclasses.replace(suite, seeds=given.seeds)
    if given.methods:
        suite = dataclasses.replace(suite, methods=tuple(find_methods(given.methods)))
    if given.scenarios:
        unknown = [name for name in given.scenarios if name not in suite.scenarios]
        if unknown:
            raise ValueError(
                f"--scenarios {unknown[0]}: not of suite {suite.name}; one of {', '.join(suite.scenarios)} "
                "is expected"
            )
        suite = dataclasses.replace(suite, scenarios=tuple(dict.fromkeys(given.scenarios)))
    if given.keep_every < 0:
        raise ValueError(f"--keep-every {given.keep_every}: 0 or more seconds are expected")
    return suite


def _backend(given: argparse.Namespace, imports: Sequence[str]) -> Backend:
    if given.jobs is not None and given.jobs < 1:
        raise ValueError(f"--jobs {given.jobs}: at least 1 is expected")
    if given.backend == "local":
        if given.ray_address is not None:
            raise ValueError(f"--ray-address {given.ray_address}: it needs --backend ray")
        return local(given.jobs or os.cpu_count() or 1, imports)
    from benchmarks.runner.on_ray import on_ray  # Ray is an extra: large, and not needed by anything else

    return on_ray(given.jobs, given.ray_address, allow_mixed=given.allow_mixed, imports=imports)


if __name__ == "__main__":
    exit_with(main)
