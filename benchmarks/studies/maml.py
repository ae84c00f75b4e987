"""What MAML is worth: `python -m benchmarks.studies.maml RUN --seed 0`, then `... table`.

One process trains and judges one row of the study and writes one compact record; a row whose record is there
is not run again, and an interrupted meta-training goes on. The table is made of the records alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.studies.command import run_study
from benchmarks.studies.maml_rows import Row, make_record
from benchmarks.studies.maml_table import maml_table
from ma_ssm_env.commands import exit_with
from policies.maml.inner import InnerConfig
from policies.maml.outer import OuterConfig

RESULTS = Path("benchmarks/results/maml")

_CHEETAH = {"episodes_per_trial": 1, "horizon": 100}
_BLIND = {**_CHEETAH, "feedback": "none"}
_TOLD = InnerConfig(feedback="step")
_FAST = {"learning_rate": 3e-3}
_NEVER = 10**6  # frozen: the speeds of a cheetah grow for a long time
_ONE = {"episodes_per_trial": 1}
_POINT: dict[str, Any] = {"tasks": 10, "trials": 10}
_ROLES = ("state_modeling", "meta_learning", "adaptation", "coordinator")


def _point(scenario: str, rate: float) -> dict[str, Row]:
    """Rows of a law of Point; the inner rate was chosen among 0.05 to 0.8 on validation tasks."""
    name = scenario.removesuffix("-v0").lower()
    both = Row(scenario, "maml", core="s5", width=96, tasks=10, trials=5, judged=(0, 1, 5, 10), ppo=_FAST)
    return {
        f"{name}-maml": Row(scenario, "maml", options=_ONE, inner=InnerConfig(rate=rate), **_POINT),
        f"{name}-multitask": Row(scenario, "multitask", options=_ONE, **_POINT),
        f"{name}-memory": Row(scenario, "memory", core="s5"),
        f"{name}-maml-memory": both,
        f"{name}-maml-memory-before": replace(both, outer=OuterConfig(before=1.0)),
    }


ROWS: dict[str, Row] = {
    "dir-maml": Row(
        "HalfCheetahDir-v0", "maml", steps=4_500_000, options=_CHEETAH, ppo=_FAST, statistics=_NEVER
    ),
    "vel-maml": Row(
        "HalfCheetahVel-v0",
        "maml",
        steps=4_000_000,
        options=_BLIND,
        inner=_TOLD,
        ppo=_FAST,
        statistics=_NEVER,
    ),
    "vel-multitask": Row("HalfCheetahVel-v0", "multitask", steps=4_000_000, options=_BLIND, inner=_TOLD),
    **_point("PointDir-v0", 0.4),
    **_point("PointGoal-v0", 0.2),
    "team-maml": Row(
        "PointDir-v0",
        "maml",
        options={**_ONE, "feedback": "none"},
        inner=InnerConfig(rate=0.4, feedback="step"),
        team=True,
        judged_roles=_ROLES,
        **_POINT,
    ),
}


def run_row(name: str, seed: int, out: Path, scratch: Path, allow_mixed: bool = False) -> Path:
    """Train and judge a row; the path of its record."""
    return make_record(name, ROWS[name], seed, out, scratch, allow_mixed)


def table(out: Path, rows: Collection[str] | None = None) -> str:
    """Markdown of the records of `rows` (None: all), as `maml_table` makes it."""
    return maml_table(out, ROWS, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run rows of the study, or print its table; the exit code."""
    return run_study(
        arguments,
        prog="python -m benchmarks.studies.maml",
        description=__doc__,
        rows=ROWS,
        run_row=run_row,
        table=table,
        out=RESULTS,
        scratch=Path("runs/maml_study"),
    )


if __name__ == "__main__":
    exit_with(main)
