"""How often the 95% intervals hold the truth, by simulation: `python -m benchmarks.coverage`.

Scores of runs are drawn from distributions whose interquartile mean is known, an interval is made of each
sample, and counted is how often it holds that value. What is meant to be held is the IQM over infinitely many
seeds on the same test tasks. `--write` puts the table into docs/statistics.md.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarks.stats import (
    Interval,
    bootstrap_difference,
    bootstrap_interval,
    interquartile_mean,
    iqm_difference,
    iqm_interval,
)
from ma_ssm_env.commands import exit_with
from ma_ssm_env.whole_file import replace_file

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "statistics.md"
SEEDS = (3, 5, 10)
TASKS = 20
REPLICATES = 1000
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Shape:
    """A distribution of the scores of runs: its name, how it is drawn, and its interquartile mean."""

    name: str
    draw: Draw
    iqm: float


@dataclass(frozen=True)
class Row:
    """What was counted: share of intervals that held the truth, and their median width, for one case."""

    method: str
    shape: str
    seeds: int
    held: float
    width: float


def _mixture_iqm(share: float, shift: float) -> float:
    """IQM of a standard normal of which `share` is moved by `shift`; quartiles by bisection."""

    def cdf(x: float) -> float:
        return (1 - share) * _NORMAL.cdf(x) + share * _NORMAL.cdf(x - shift)

    def quantile(p: float) -> float:
        low, high = -20.0, 20.0
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if cdf(middle) < p else (low, middle)
        return (low + high) / 2

    def part(a: float, b: float, mean: float) -> float:  # integral of x over (a, b) under N(mean, 1)
        a, b = a - mean, b - mean
        return _NORMAL.pdf(a) - _NORMAL.pdf(b) + mean * (_NORMAL.cdf(b) - _NORMAL.cdf(a))

    first, third = quantile(0.25), quantile(0.75)
    return 2 * ((1 - share) * part(first, third, 0.0) + share * part(first, third, shift))


SHAPES = (
    Shape("normal", lambda rng, size: np.asarray(rng.normal(size=size)), 0.0),
    Shape(
        "skewed (minus an exponential)",
        lambda rng, size: np.asarray(-rng.exponential(size=size)),
        -2 * (0.75 * (math.log(4 / 3) + 1) - 0.25 * (math.log(4) + 1)),
    ),
    Shape("heavy tails (t, 3 df)", lambda rng, size: np.asarray(rng.standard_t(3, size=size)), 0.0),
    Shape(
        "1 run in 10 collapses (by 6 sd)",
        lambda rng, size: np.asarray(rng.normal(size=size) - 6 * (rng.random(size) < 0.1)),
        _mixture_iqm(0.1, -6.0),
    ),
)

Maker = Callable[[Array, np.random.Generator], Interval]


def _tasks(runs: Array, rng: np.random.Generator) -> Array:
    """Runs [R] spread over a fixed list of tasks [R, N]: tasks differ by twice as much as runs do."""
    tasks = 2 * rng.normal(size=TASKS)
    noise = rng.normal(size=(len(runs), TASKS))
    noise -= noise.mean(axis=1, keepdims=True)
    return np.asarray(runs[:, None] + (tasks - tasks.mean()) + noise)


def bca_interval(runs: Array, rng: np.random.Generator) -> Interval:
    """Bias-corrected and accelerated bootstrap of the IQM (Efron 1987)."""
    estimate = float(interquartile_mean(runs))
    samples = np.sort(_bootstrapped(runs, rng)[0])
    below = float(np.mean(samples < estimate) + 0.5 * np.mean(samples == estimate))
    bias = _NORMAL.inv_cdf(min(max(below, 0.5 / REPLICATES), 1 - 0.5 / REPLICATES))
    left_out = np.array([float(interquartile_mean(np.delete(runs, i))) for i in range(len(runs))])
    gaps = left_out.mean() - left_out
    spread = float((gaps**2).sum()) ** 1.5
    acceleration = float((gaps**3).sum()) / (6 * spread) if spread else 0.0
    ends = []
    for z in (_NORMAL.inv_cdf(0.025), _NORMAL.inv_cdf(0.975)):
        place = _NORMAL.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
        ends.append(float(np.quantile(samples, place)))
    return Interval(estimate, *ends)


def bootstrap_t_interval(runs: Array, rng: np.random.Generator) -> Interval:
    """Studentised bootstrap of the IQM, with s / sqrt(R) as its error (Efron 1981)."""
    estimate, error = float(interquartile_mean(runs)), float(runs.std(ddof=1)) / math.sqrt(len(runs))
    samples, drawn = _bootstrapped(runs, rng)
    errors = drawn.std(axis=1, ddof=1) / math.sqrt(len(runs))
    varied = errors > 1e-9 * error  # a sample of one run, drawn again and again, has no error to divide by
    low, high = np.percentile((samples[varied] - estimate) / errors[varied], [2.5, 97.5])
    return Interval(estimate, estimate - float(high) * error, estimate - float(low) * error)


def _bootstrapped(runs: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    drawn = runs[rng.integers(len(runs), size=(REPLICATES, len(runs)))]
    return interquartile_mean(drawn, axis=1), np.asarray(drawn)


ONE_METHOD: dict[str, Maker] = {
    "IQM \N{PLUS-MINUS SIGN} Student's t (the report)": lambda runs, rng: iqm_interval([runs]),
    "percentile bootstrap over seeds (rliable)": lambda runs, rng: bootstrap_interval(
        [runs[:, None]], rng, sampled_tasks=False, replicates=REPLICATES
    ),
    "percentile bootstrap over seeds and tasks": lambda runs, rng: bootstrap_interval(
        [_tasks(runs, rng)], rng, replicates=REPLICATES
    ),
    "BCa bootstrap over seeds": bca_interval,
    "bootstrap-t over seeds": bootstrap_t_interval,
}
TWO_METHODS: dict[str, Callable[[Array, Array, np.random.Generator], Interval]] = {
    "difference: Welch's t on IQMs (the report)": lambda a, b, rng: iqm_difference([a], [b]),
    "difference: percentile bootstrap over seeds": lambda a, b, rng: bootstrap_difference(
        [a[:, None]], [b[:, None]], rng, sampled_tasks=False, replicates=REPLICATES
    ),
}
WIDER = 3.0  # the runs of the second method of a difference spread so much more


def simulate(
    simulations: int,
    rng: np.random.Generator,
    *,
    seeds: Sequence[int] = SEEDS,
    shapes: Sequence[Shape] = SHAPES,
    methods: Sequence[str] | None = None,
) -> list[Row]:
    """Coverage of every kind of interval.

    Args:
        simulations: Samples a case.
        rng: Source of the draws.
        seeds: Numbers of runs a method.
        shapes: Distributions of the scores of runs.
        methods: Names among `ONE_METHOD` and `TWO_METHODS`; all by default.
    """
    rows = []
    for shape in shapes:
        for count in seeds:
            for name, make in ONE_METHOD.items():
                if methods is None or name in methods:
                    found = [make(shape.draw(rng, (count,)), rng) for _ in range(simulations)]
                    rows.append(_row(name, shape, count, found, shape.iqm))
            for name, contrast in TWO_METHODS.items():
                if methods is None or name in methods:
                    found = [
                        contrast(shape.draw(rng, (count,)), WIDER * shape.draw(rng, (count,)), rng)
                        for _ in range(simulations)
                    ]
                    rows.append(_row(name, shape, count, found, (1 - WIDER) * shape.iqm))
    return rows


def markdown_table(rows: Sequence[Row]) -> str:
    """The rows as a table: a line a kind of interval and distribution, a column a seed count."""
    seeds = sorted({row.seeds for row in rows})
    lines = [
        "| interval | runs are | " + " | ".join(f"{n} seeds" for n in seeds) + " |",
        "|---|---|" + "---:|" * len(seeds),
    ]
    for method in dict.fromkeys(row.method for row in rows):
        for shape in dict.fromkeys(row.shape for row in rows):
            cells = {r.seeds: r for r in rows if (r.method, r.shape) == (method, shape)}
            told = [f"{cells[n].held:.1%} ({cells[n].width:.2f})" for n in seeds]
            lines.append(f"| {method} | {shape} | " + " | ".join(told) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.coverage", description="Measure the coverage of the 95% intervals."
    )
    parser.add_argument("--simulations", type=int, default=4000, help="samples a case (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the simulation (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    given = parser.parse_args(arguments)
    if given.simulations < 1:
        parser.error(f"--simulations {given.simulations}: at least 1 is expected")
    rows = simulate(given.simulations, np.random.default_rng(given.seed))
    error = math.sqrt(0.95 * 0.05 / given.simulations)
    told = (
        f"Made by `python -m benchmarks.coverage --simulations {given.simulations} --seed {given.seed} "
        f"--write`; simulation error of a 95% cell: {error:.1%}. In brackets: median width, in units of the "
        "spread of one run."
    )
    text = f"{told}\n\n{markdown_table(rows)}"
    print(text)
    if given.write:
        pattern = re.compile(r"(<!-- coverage -->\n).*?(<!-- /coverage -->)", re.DOTALL)
        page, found = pattern.subn(lambda m: f"{m[1]}{text}\n{m[2]}", PAGE.read_text(encoding="utf-8"))
        if not found:
            print(f"{PAGE}: no markers <!-- coverage -->, <!-- /coverage -->", file=sys.stderr)
            return 1
        replace_file(PAGE, page)
    return 0


def _row(method: str, shape: Shape, seeds: int, found: Sequence[Interval], truth: float) -> Row:
    held = float(np.mean([interval.contains(truth) for interval in found]))
    width = float(np.median([interval.high - interval.low for interval in found]))
    return Row(method, shape.name, seeds, held, width)


if __name__ == "__main__":
    exit_with(main)
