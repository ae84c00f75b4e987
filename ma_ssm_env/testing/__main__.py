"""`python -m ma_ssm_env.testing [ID ...]`: check scenarios, a line for each check."""

from __future__ import annotations

import argparse
import sys

from ma_ssm_env.scenarios import SCENARIOS, find_scenario
from ma_ssm_env.testing.conformance import check_env


def main(arguments: list[str] | None = None) -> int:
    """Check the scenarios that are named, or all; the number of scenarios that failed."""
    parser = argparse.ArgumentParser(prog="python -m ma_ssm_env.testing", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="ID", help="scenarios (default: all)")
    parser.add_argument("--horizon", type=int, default=8, help="control steps of an inner episode (8)")
    given = parser.parse_args(arguments)
    try:
        scenarios = [find_scenario(id) for id in given.scenarios or SCENARIOS]
    except ValueError as error:
        parser.error(str(error))
    failed = 0
    for scenario in scenarios:
        print(scenario.id)
        try:
            check_env(scenario, horizon=given.horizon, report=_print_line)
        except AssertionError as failure:
            print(f"  {failure}")
            failed += 1
    return failed


def _print_line(name: str, result: str, seconds: float) -> None:
    print(f"  {name:<26} {result} ({seconds:.2f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
