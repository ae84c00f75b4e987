"""Check scenarios, a line for each check: `python -m ma_ssm_env.testing [ID ...]`."""

from __future__ import annotations

import argparse
import json

from ma_ssm_env.commands import exit_with
from ma_ssm_env.scenarios import SCENARIOS, find_scenario
from ma_ssm_env.testing.conformance import check_env


def main(arguments: list[str] | None = None) -> int:
    """Check the scenarios that are named, or all; 0, 1 where one failed, or 2 on bad usage."""
    parser = argparse.ArgumentParser(prog="python -m ma_ssm_env.testing", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="ID", help="scenarios (default: all)")
    parser.add_argument("--horizon", type=int, default=8, help="control steps of an inner episode (8)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON: results by scenario")
    given = parser.parse_args(arguments)
    if given.horizon < 1:
        parser.error(f"--horizon {given.horizon}: at least 1 is expected")
    try:
        scenarios = [find_scenario(id) for id in given.scenarios or SCENARIOS]
    except ValueError as error:
        parser.error(str(error))
    found: dict[str, dict[str, str]] = {}
    failed = 0
    for scenario in scenarios:
        results = found.setdefault(scenario.id, {})
        if not given.json:
            print(scenario.id)
        try:
            report = None if given.json else _print_line
            results |= check_env(scenario, horizon=given.horizon, report=report)
        except AssertionError as failure:
            results["failed"] = str(failure)
            failed += 1
            if not given.json:
                print(f"  {failure}")
    if given.json:
        print(json.dumps(found))
    return min(failed, 1)


def _print_line(name: str, result: str, seconds: float) -> None:
    print(f"  {name:<26} {result} ({seconds:.2f} s)", flush=True)


if __name__ == "__main__":
    exit_with(main)
