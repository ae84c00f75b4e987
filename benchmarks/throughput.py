"""Speed, as ratios to named peers measured in turn in the same run: `python -m benchmarks.throughput`.

1. Environment: steps of `vector_env(scenario, B)` with all five roles acting at random, resets included, to
   the bare `mujoco.batch` loop that only writes controls and steps: per CPU-second on one physics thread, and
   per second on two.
2. Training: steps per CPU-second of one S5 agent and of the S5 team to tuned Stable-Baselines3 PPO, each on
   one torch thread, acting and learning, evaluation left out.

Each figure is the median over alternations; each ratio is the median of the ratios within an alternation,
because the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from mujoco.batch import Batch

from benchmarks.runner.execute import host, versions
from benchmarks.runner.methods import METHODS, Job
from ma_ssm_env import vector_env
from ma_ssm_env.scenarios import find_scenario

Clock = Callable[[], float]


@dataclass(frozen=True)
class Comparison:
    """One row: ours against a peer.

    Attributes:
        what: ours, against which peer, by which clock.
        ours, peer: median steps per second of that clock.
        ratio: median of ours/peer within each alternation; `lowest` and `highest` beside it.
    """

    what: str
    ours: float
    peer: float
    ratio: float
    lowest: float
    highest: float


def compare(what: str, ours: Callable[[], float], peer: Callable[[], float], alternations: int) -> Comparison:
    """Measure both in turn `alternations` times; each callable gives steps per second."""
    pairs = []
    for turn in range(alternations):
        first, second = (ours, peer) if turn % 2 == 0 else (peer, ours)
        a, b = first(), second()
        pairs.append((a, b) if turn % 2 == 0 else (b, a))
    ratios = [a / b for a, b in pairs]
    return Comparison(
        what,
        round(median(a for a, _ in pairs), 1),
        round(median(b for _, b in pairs), 1),
        round(median(ratios), 3),
        round(min(ratios), 3),
        round(max(ratios), 3),
    )


def bare_loop(scenario: str, worlds: int, threads: int, clock: Clock, steps: int) -> Callable[[], float]:
    """The floor of cost: write random controls, step the physics, nothing else."""
    body = find_scenario(scenario).body
    model = body.load()

    def measure() -> float:
        batch = Batch(model, worlds, nthread=threads)
        ctrl = batch.bind("ctrl")
        controls = np.random.default_rng(0).uniform(-1.0, 1.0, (64, worlds, model.nu))
        began = clock()
        for step in range(steps):
            ctrl[:] = controls[step % 64]
            batch.step(nstep=body.frame_skip)
        return worlds * steps / (clock() - began)

    return measure


def team_loop(scenario: str, worlds: int, threads: int, clock: Clock, steps: int) -> Callable[[], float]:
    """All five roles act at random; trials end and begin as they do."""

    def measure() -> float:
        env = vector_env(scenario, worlds, num_threads=threads)
        env.reset(seed=0)
        rng = np.random.default_rng(0)
        actions = [
            {
                agent: rng.uniform(-1.0, 1.0, (worlds, *env.single_action_space(agent).shape)).astype(
                    np.float32
                )
                for agent in env.agents
            }
            for _ in range(64)
        ]
        began = clock()
        for step in range(steps):
            env.step(actions[step % 64])
        return worlds * steps / (clock() - began)

    return measure


def training(method: str, scenario: str, steps: int) -> Callable[[], float]:
    """Steps per CPU-second of a method's training, without evaluations."""

    def measure() -> float:
        job = Job(scenario, 0, steps, ())
        began = time.process_time()
        _, charged = METHODS[method].run(job, lambda *_: None, lambda _: None)
        return charged / (time.process_time() - began)

    return measure


def measure_all(scenario: str, worlds: int, alternations: int, training_steps: int) -> list[Comparison]:
    """All rows, in order; each is printed when it is measured."""
    torch.set_num_threads(1)
    horizon = find_scenario(scenario).horizon * find_scenario(scenario).episodes_per_trial
    rows: list[Comparison] = []

    def add(row: Comparison) -> None:
        rows.append(row)
        print(
            f"{row.what}: {row.ours:,.0f} against {row.peer:,.0f}, ratio {row.ratio} "
            f"({row.lowest} to {row.highest})",
            flush=True,
        )

    for threads, clock, name in ((1, time.process_time, "CPU-second"), (2, time.perf_counter, "second")):
        add(
            compare(
                f"{scenario}, {worlds} worlds, five roles, {threads} thread(s), steps per {name}, "
                "against the bare mujoco.batch loop",
                team_loop(scenario, worlds, threads, clock, horizon),
                bare_loop(scenario, worlds, threads, clock, horizon),
                alternations,
            )
        )
    for method in ("mono-s5", "team-s5"):
        add(
            compare(
                f"{scenario}, training {method}, steps per CPU-second, against tuned SB3 PPO",
                training(method, scenario, training_steps),
                training("sb3-ppo", scenario, training_steps),
                max(1, alternations // 2 + 1),
            )
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput",
        description="Speed as ratios to named peers, measured in turn.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--scenario", default="HalfCheetahVel-v0", help="id of the scenario")
    parser.add_argument("--worlds", type=int, default=256, help="worlds of the environment rows")
    parser.add_argument("--alternations", type=int, default=5, help="times that both are measured in turn")
    parser.add_argument("--training-steps", type=int, default=25_600, help="control steps of a training row")
    parser.add_argument("--out", type=Path, help="write the rows as JSON here")
    given = parser.parse_args(arguments)
    try:
        find_scenario(given.scenario)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    rows = measure_all(given.scenario, given.worlds, given.alternations, given.training_steps)
    if given.out:
        content: dict[str, Any] = {
            "host": host(),
            "versions": versions(),
            "rows": [vars(row) for row in rows],
        }
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
