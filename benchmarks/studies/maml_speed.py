"""CPU-seconds of a meta-iteration, beside a plain loop over tasks: `python -m benchmarks.studies.maml_speed`.

20 tasks x 20 episodes x 100 steps of HalfCheetahDir before adaptation, and as many after; an MLP of 2 x 64;
one inner step with second derivatives, 5 outer steps. The loop plays and adapts one task after the other; the
outer step is the same. Both in turn in one process, several times; CPU time, one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
import torch

from ma_ssm_env.commands import exit_with
from ma_ssm_env.whole_file import replace_file
from policies.cores import CoreConfig
from policies.game import Game
from policies.maml.inner import by_task, one_task
from policies.maml.train import MamlConfig, MetaTraining, maml_ppo
from policies.maml.trials import Sampler
from policies.team import NetworkConfig

TASKS, EPISODES, STEPS, EPOCHS = 20, 20, 100, 5
OUT = Path("benchmarks/results/maml/speed.json")


def new_run() -> MetaTraining:
    """A run of the literature's size, at its start."""
    network = NetworkConfig(core=CoreConfig(kind="mlp", width=64))
    return MetaTraining(
        MamlConfig(
            scenario="HalfCheetahDir-v0",
            tasks=TASKS,
            trials=EPISODES,
            options={"episodes_per_trial": 1, "horizon": STEPS},
            network=network,
            ppo=maml_ppo(TASKS * EPISODES, STEPS, 1, epochs=EPOCHS, target_kl=1e9),
        )
    )


class PlainLoop:
    """The same iteration, one task at a time."""

    def __init__(self, run: MetaTraining) -> None:
        self.run = run
        config = run.config
        game = Game(config.scenario, EPISODES, False, config.options)
        run.adaptation.batched = False
        self.sampler = Sampler(game, run.network, run.adaptation, run.generator)

    def iterate(self, seed: int) -> None:
        """Play, adapt and learn once, from worlds with seeds from `seed` on."""
        run, sampler = self.run, self.sampler
        tasks = np.stack([run.scenario.variation.sample(run.rng, "train") for _ in range(TASKS)])
        data = []
        for i in range(TASKS):
            task = tasks[i : i + 1]
            inner = sampler.inner_data(sampler.play(task, seed + 2 * i * EPISODES), 1)
            adapted = run.adaptation.adapt_all(None, inner, 1)
            after = sampler.play(task, seed + (2 * i + 1) * EPISODES, adapted)
            segments = sampler.segments(after, 1, run.config.ppo.gamma, run.config.ppo.lam)
            data.append((one_task(by_task(inner, 1), 0), segments))
        for _ in range(EPOCHS):
            run.ppo.optimiser.zero_grad(set_to_none=True)
            for inner, segments in data:
                torch.autograd.backward(run.outer.objective([inner], segments)[0] / TASKS)
            run.ppo.optimiser.step()


def measure(repeats: int) -> dict[str, object]:
    """CPU seconds of an iteration, batched and looped in turn, after one of each that does not count."""
    batched, loop = new_run(), PlainLoop(new_run())
    times: dict[str, list[float]] = {"batched": [], "loop": []}
    for repeat in range(repeats + 1):
        for name in times:
            began = time.process_time()
            if name == "batched":
                batched.iterate()
            else:
                loop.iterate(repeat * 10**4)
            if repeat:  # the first warms up
                times[name].append(time.process_time() - began)
    steps = 2 * TASKS * EPISODES * STEPS
    ratios = [b / a for a, b in zip(times["batched"], times["loop"], strict=True)]
    return {
        "what": f"{TASKS} tasks x {EPISODES} episodes x {STEPS} steps, before and after: {steps} steps",
        "command": f"python -m benchmarks.studies.maml_speed --repeats {repeats}",
        "batched_cpu_s": [round(x, 3) for x in times["batched"]],
        "loop_cpu_s": [round(x, 3) for x in times["loop"]],
        "median_batched": round(median(times["batched"]), 3),
        "median_loop": round(median(times["loop"]), 3),
        "median_ratio": round(median(ratios), 3),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the result as JSON; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.maml_speed",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--repeats", type=int, default=5, help="times that both are measured in turn")
    parser.add_argument("--out", type=Path, default=OUT, help="write the figures as JSON here")
    given = parser.parse_args(arguments)
    if given.repeats < 1:
        parser.error(f"--repeats {given.repeats}: at least 1 is expected")
    torch.set_num_threads(1)
    found = measure(given.repeats)
    replace_file(given.out, json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    exit_with(main)
