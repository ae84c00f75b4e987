"""What training costs: `python -m benchmarks.training_cost`.

1. Steps per CPU-second of training, ours against Stable-Baselines3's tuned PPO (one reactive network of the
   same width, with as many updates for each sample), acting and learning, evaluation left out: on our batched
   environment, which gives Stable-Baselines3 the same fast worlds, and on its own `DummyVecEnv` of Gymnasium
   twins, as its users run it.
2. CPU-milliseconds of one acting step of the S5 team in 64 worlds.
3. Peak memory of a process that trains with the defaults.
4. The floor under 1: CPU-microseconds a step of the physics and of the networks' matrix products alone,
   forward and backward, in the shapes of a minibatch. Nothing that trains these networks with as many
   updates is faster.

Everything on one torch thread; ratios are medians over alternations, as in `benchmarks.throughput`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from baselines.sb3 import ppo_model, sb3_ppo_config
from benchmarks.runner.methods import METHODS as LADDER
from benchmarks.runner.methods import Job
from benchmarks.runner.software import host, versions
from benchmarks.throughput import bare_loop, compare
from ma_ssm_env import single_agent_env
from ma_ssm_env.commands import exit_with
from policies.config import TrainConfig, tuned
from policies.game import Game
from policies.team import TeamNetwork
from policies.train import train

OUT = Path(__file__).parent / "results" / "training_cost.json"
SCENARIO = "HalfCheetahVel-v0"
METHODS = ("mono-mlp", "mono-s5", "team-s5")


def training(method: str, scenario: str, steps: int) -> Callable[[], float]:
    """Steps per CPU-second of a method's training, without evaluations."""

    def measure() -> float:
        job = Job(scenario, 0, steps, ())
        began = time.process_time()
        _, charged = LADDER[method].run(job, lambda *_: None, lambda _: None)
        return charged / (time.process_time() - began)

    return measure


def sb3_as_its_users_run_it(scenario: str, steps: int) -> Callable[[], float]:
    """Steps per CPU-second of the tuned PPO on a `DummyVecEnv` of single worlds."""
    config = sb3_ppo_config(scenario)

    def measure() -> float:
        worlds = DummyVecEnv([lambda: single_agent_env(scenario)] * config.worlds)
        env = VecNormalize(worlds, clip_obs=config.clip_observation, gamma=config.gamma)
        model = ppo_model(env, config, 0)
        began = time.process_time()
        model.learn(steps)
        return model.num_timesteps / (time.process_time() - began)

    return measure


def acting_ms(scenario: str, worlds: int, steps: int = 400) -> float:
    """CPU-milliseconds in which all roles' networks answer the observations of all worlds once."""
    game = Game(scenario, worlds, True, {})
    network = TeamNetwork(game, TrainConfig().network, True, torch.Generator().manual_seed(0))
    seen, starts = game.reset(0), torch.zeros(worlds)
    memories = {role: network.actor(role).initial_memory(worlds) for role in network.roles}
    answers = {role: network.actor(role).stepper() for role in network.roles}
    with torch.no_grad():
        for step in range(steps + 50):
            if step == 50:
                began = time.process_time()
            for role in network.roles:
                _, _, memories[role] = answers[role](seen[role], starts, memories[role])
    return 1000.0 * (time.process_time() - began) / steps


def floor_us(scenario: str, team: bool) -> float:
    """CPU-microseconds a control step: bare physics, and the matrix products of acting and of all updates."""
    config = TrainConfig(scenario=scenario, team=team, ppo=tuned(scenario))
    ppo = config.ppo
    game = Game(scenario, ppo.num_worlds, team, {})
    network = TeamNetwork(game, config.network, True, torch.Generator().manual_seed(0))
    weights = [p.detach() for p in network.parameters() if p.ndim == 2 and min(p.shape) > 1]
    steps = ppo.num_worlds * ppo.rollout
    forward, both = (_products_us(weights, rows) for rows in (ppo.num_worlds, steps // ppo.minibatches))
    learning = both[1] * ppo.epochs * ppo.minibatches / steps
    physics = 1e6 / bare_loop(scenario, ppo.num_worlds, 1, time.process_time, 2000)()
    return physics + forward[0] / ppo.num_worlds + learning


def _products_us(weights: Sequence[torch.Tensor], rows: int, repeats: int = 200) -> tuple[float, float]:
    """Microseconds of the products of a forward pass of `rows` inputs, and of one with its backward pass."""
    inputs = [torch.randn(rows, w.shape[1]) for w in weights]
    gradients = [torch.randn(rows, w.shape[0]) for w in weights]

    def forward() -> None:
        for x, w in zip(inputs, weights, strict=True):
            torch.mm(x, w.t())

    def backward() -> None:
        for x, w, g in zip(inputs, weights, gradients, strict=True):
            torch.mm(g, w)
            torch.mm(g.t(), x)

    found = []
    for parts in ((forward,), (forward, backward)):
        began = time.process_time()
        for _ in range(repeats):
            for part in parts:
                part()
        found.append(1e6 * (time.process_time() - began) / repeats)
    return found[0], found[1]


def peak_memory(scenario: str, team: bool) -> float:
    """Peak resident memory of a fresh process that trains for a few iterations with the defaults, in MiB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        peak: float = pool.apply(_trained, (scenario, team))
    return peak


def _trained(scenario: str, team: bool) -> float:
    torch.set_num_threads(1)
    train(TrainConfig(scenario=scenario, team=team, steps=20_000, ppo=tuned(scenario)))
    # Not `ru_maxrss`: Linux lets a new program begin with that of the process that started it.
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) / 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training_cost",
        description="What training costs: speed against Stable-Baselines3, acting, memory.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--alternations", type=int, default=5, help="times that both are measured in turn")
    parser.add_argument("--steps", type=int, default=25_600, help="control steps of a training")
    parser.add_argument("--out", type=Path, default=OUT, help="write the figures as JSON here")
    given = parser.parse_args(arguments)
    if given.alternations < 1 or given.steps < 1:
        parser.error(f"--alternations {given.alternations}, --steps {given.steps}: at least 1 is expected")
    torch.set_num_threads(1)
    peers = {
        "tuned SB3 PPO on the same batched worlds": training("sb3-ppo", SCENARIO, given.steps),
        "tuned SB3 PPO on its DummyVecEnv": sb3_as_its_users_run_it(SCENARIO, given.steps),
    }
    rows = []
    for method in METHODS:
        for peer, measure in peers.items():
            what = f"{SCENARIO}, training {method}, steps per CPU-second, against {peer}"
            row = compare(what, training(method, SCENARIO, given.steps), measure, given.alternations)
            rows.append(vars(row))
            print(f"{row.what}: {row.ours:,.0f} against {row.peer:,.0f}, ratio {row.ratio}", flush=True)
    facts: dict[str, Any] = {
        "mono_s5_floor_us_a_step": round(median(floor_us(SCENARIO, False) for _ in range(5)), 1),
        "team_s5_floor_us_a_step": round(median(floor_us(SCENARIO, True) for _ in range(5)), 1),
        "team_acting_step_64_worlds_cpu_ms": round(
            median(acting_ms(SCENARIO, 64) for _ in range(given.alternations)), 3
        ),
        "team_training_peak_mib": round(peak_memory(SCENARIO, True)),
        "mono_training_peak_mib": round(peak_memory(SCENARIO, False)),
    }
    print(json.dumps(facts, indent=1))
    content = {"host": host(), "versions": versions(), "rows": rows, **facts}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    beside = given.out.with_suffix(".tmp")
    beside.write_text(json.dumps(content, indent=1) + "\n")
    beside.replace(given.out)
    return 0


if __name__ == "__main__":
    exit_with(main)
