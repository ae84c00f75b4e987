"""Search a method's settings with Optuna: `python -m benchmarks.tune --methods sb3-ppo --steps 50000`.

Every method gets the same budget: `--trials` settings, each trained once for `--steps` control steps, judged
on the `validation` split (10 tasks x 3 trials, mode actions, judged as results are), which no result is
computed on. Trial 0 has the settings that the method had when its search began (the outcome's `before`, which
a later change of its settings does not alter). The best trial minus trial 0 is an optimistic figure, the best
of several draws of one seed each; so both settings are then trained with `--confirm` seeds that the search
has not used, and what those gain, with its interval, is what tuning gained.

The search is kept in `--out`: a journal that a killed search goes on from (a trial that was cut off is run
again with its settings; the sampler of trial n is seeded with n, so the order of interruptions changes
nothing), and `<scenario>.json`, the outcome in brief, from which it goes on too where there is no journal.
Each outcome says the package versions of its trainings; a search does not go on with others unasked.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import torch

from benchmarks.runner.claim import locked
from benchmarks.runner.schedule import MixedVersionsError
from benchmarks.tune.methods import SEARCHED
from benchmarks.tune.search import search
from ma_ssm_env.commands import exit_with
from ma_ssm_env.scenarios import find_scenario
from ma_ssm_env.whole_file import replace_file


def _outcomes(path: Path, scenario: str) -> dict[str, Any]:
    """The outcomes of a scenario that there are, each with a list of the versions that trained for it.

    A mapping without versions stands for trainings of which they are not known. The first files said versions
    once, for whoever wrote last; that is all that is known of their methods.
    """
    if not path.exists():
        return {"scenario": scenario, "methods": {}}
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    said = [table.pop("versions", {})]
    table["methods"] = {name: {"versions": said, **found} for name, found in table["methods"].items()}
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 2 on bad usage."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tune",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--scenario", default="PointDir-v0", help="id of the scenario")
    parser.add_argument("--methods", nargs="+", default=list(SEARCHED), help=f"of {', '.join(SEARCHED)}")
    parser.add_argument("--trials", type=int, default=8, help="settings that each method may try")
    parser.add_argument(
        "--confirm", type=int, default=3, help="seeds that the former and the best settings are trained with"
    )
    parser.add_argument("--steps", type=int, default=50_000, help="control steps of a trial")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/tuning"), help="folder of the outcomes"
    )
    parser.add_argument(
        "--allow-mixed", action="store_true", help="go on with searches of other package versions too"
    )
    given = parser.parse_args(arguments)
    unknown = [name for name in given.methods if name not in SEARCHED]
    if unknown or given.trials < 1 or given.steps < 1 or given.confirm < 0:
        told = (
            f"method {unknown[0]!r}: one of {', '.join(SEARCHED)}"
            if unknown
            else "--trials and --steps: 1 or more, --confirm: 0 or more"
        )
        print(f"error: {told} is expected", file=sys.stderr)
        return 2
    try:
        find_scenario(given.scenario)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"{given.scenario}.json"
    for method in given.methods:
        earlier = _outcomes(path, given.scenario)["methods"].get(method)
        try:
            outcome = search(
                given.scenario,
                method,
                given.trials,
                given.steps,
                given.out,
                given.confirm,
                earlier,
                given.allow_mixed,
            )
        except MixedVersionsError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        with locked(path.with_suffix(".lock"), lambda: None):  # searches of other methods write to it too
            table = _outcomes(path, given.scenario)
            table["methods"][method] = {"steps": given.steps, **outcome}
            replace_file(path, json.dumps(table, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    exit_with(main)
