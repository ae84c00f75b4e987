"""Speed, as ratios to named peers measured in turn in the same run: `python -m benchmarks.throughput`.

1. Environment: steps of `vector_env(scenario, B)` with all five roles acting at random, resets included, to
   the bare `mujoco.batch` loop that only writes controls and steps: per CPU-second on one physics thread, and
   per second on two.
2. With `--peers`, the environments against what people use today: EnvPool, Gymnasium's vector environments,
   Multi-Agent MuJoCo (`benchmarks/peers.py`), and hidden dynamics against one model, all in turn in the run;
   and the memory of 1024 worlds.

Each figure is the median over alternations; each ratio is the median of the ratios within an alternation,
because the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from mujoco.batch import Batch

from benchmarks import peers
from benchmarks.runner.software import host, versions
from ma_ssm_env import parallel_env, single_agent_env, vector_env
from ma_ssm_env.commands import exit_with
from ma_ssm_env.scenarios import find_scenario
from ma_ssm_env.whole_file import replace_file

Clock = Callable[[], float]
PEERS = Path(__file__).parent / "results" / "peers.json"


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
    """The floor of cost: write random controls, step the physics, nothing else.

    The bodies start where the scenario's do and, where it has a model for each world, on the same models.
    """
    body = find_scenario(scenario).body
    model = body.load()
    start = _started(scenario, worlds)

    def measure() -> float:
        batch = Batch(model, worlds, nthread=threads)
        batch.state[:] = start["rows"]
        for field, values in start["fields"].items():
            batch.expand(field)[:] = values
        if start["fields"]:
            batch.set_const()
        ctrl = batch.bind("ctrl")
        controls = np.random.default_rng(0).uniform(-1.0, 1.0, (64, worlds, model.nu))
        began = clock()
        for step in range(steps):
            ctrl[:] = controls[step % 64]
            batch.step(nstep=body.frame_skip)
        return worlds * steps / (clock() - began)

    return measure


def _started(scenario: str, worlds: int) -> dict[str, Any]:
    """State and models of worlds whose trials have just begun."""
    env = single_agent_env(scenario, worlds)
    env.reset(seed=0)
    state: dict[str, Any] = env.game.trials.physics.clone_state()
    return state


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


def twin_loop(scenario: str, worlds: int, clock: Clock, steps: int, **options: Any) -> Callable[[], float]:
    """The single-agent twin's batch under random torques; trials end and begin as they do."""

    def measure() -> float:
        env = single_agent_env(scenario, worlds, **options)
        env.reset(seed=0)
        size = env.single_action_space.shape[0]
        torques = np.random.default_rng(0).uniform(-1.0, 1.0, (16, worlds, size)).astype(np.float32)
        began = clock()
        for step in range(steps):
            env.step(torques[step % 16])
        return worlds * steps / (clock() - began)

    return measure


def single_world_loop(scenario: str, clock: Clock, steps: int) -> Callable[[], float]:
    """One world through the PettingZoo API, five roles acting at random."""

    def measure() -> float:
        env = parallel_env(scenario)
        env.reset(seed=0)
        actions = {agent: env.action_space(agent).sample() for agent in env.possible_agents}
        began = clock()
        for _ in range(steps):
            if not env.agents:
                env.reset()
            env.step(actions)
        return steps / (clock() - began)

    return measure


def worlds_memory(scenario: str, worlds: int) -> float:
    """Resident memory that a batch of worlds adds to a fresh process after a step, in MiB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        added: float = pool.apply(_added_memory, (scenario, worlds))
    return added


def _added_memory(scenario: str, worlds: int) -> float:

    def resident() -> float:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20

    before = resident()
    env = vector_env(scenario, worlds)
    env.reset(seed=0)
    env.step({a: np.zeros((worlds, *env.single_action_space(a).shape), np.float32) for a in env.agents})
    return resident() - before


def peer_rows(alternations: int) -> Iterator[Comparison]:
    """The environments against their peers; a peer that is not installed is said and left out."""
    cpu, wall = time.process_time, time.perf_counter

    def row(
        what: str, ours: Callable[[], float], peer: Callable[[], Callable[[], float]]
    ) -> Iterator[Comparison]:
        try:
            yield compare(what, ours, peer(), alternations)
        except peers.PeerMissing as missing:
            print(f"{what}: left out: {missing}")

    for body, steps in (("HalfCheetah", 400), ("Ant", 100)):
        team = f"{body}Vel-v0"
        yield from row(
            f"{team}, 256 worlds, five roles, steps per CPU-second, against the bare mujoco.batch loop",
            team_loop(team, 256, 1, cpu, steps),
            lambda team=team, steps=steps: bare_loop(team, 256, 1, cpu, steps),  # type: ignore[misc]
        )
        for worlds in (64, 256):
            count = steps * 256 // worlds // 2
            yield from row(
                f"{body}-v0 twin, {worlds} worlds, steps per CPU-second, against EnvPool {body}-v5",
                twin_loop(f"{body}-v0", worlds, cpu, count),
                lambda body=body, w=worlds, n=count: peers.envpool(body, w, n),  # type: ignore[misc]
            )
            yield from row(  # the most that anything on this physics could reach
                f"{body} bare mujoco.batch loop, {worlds} worlds, steps per CPU-second, "
                f"against EnvPool {body}-v5",
                bare_loop(f"{body}-v0", worlds, 1, cpu, count),
                lambda body=body, w=worlds, n=count: peers.envpool(body, w, n),  # type: ignore[misc]
            )
            if body == "Ant":
                yield from row(
                    f"{body} bare mujoco.batch loop, {worlds} worlds, one thread, steps per second, "
                    "against Gymnasium make_vec sync",
                    bare_loop(f"{body}-v0", worlds, 1, wall, count // 4),
                    lambda body=body, w=worlds, n=count // 4: peers.gymnasium_vector(  # type: ignore[misc]
                        body, w, n, "sync"
                    ),
                )
            for mode in ("sync", "async"):
                yield from row(
                    f"{body}-v0 twin, {worlds} worlds, one thread, steps per second, "
                    f"against Gymnasium make_vec {mode}",
                    twin_loop(f"{body}-v0", worlds, wall, count // 4),
                    lambda body=body, w=worlds, n=count // 4, mode=mode: peers.gymnasium_vector(  # type: ignore[misc]
                        body, w, n, mode
                    ),
                )
    yield from row(
        "HalfCheetahVel-v0, 64 worlds, five roles, steps per CPU-second, against 64 of Multi-Agent MuJoCo",
        team_loop("HalfCheetahVel-v0", 64, 1, cpu, 400),
        lambda: peers.multi_agent_mujoco(64, 100),
    )
    yield from row(
        "HalfCheetahVel-v0, one world, five roles, steps per CPU-second, against one of Multi-Agent MuJoCo",
        single_world_loop("HalfCheetahVel-v0", cpu, 4000),
        lambda: peers.multi_agent_mujoco(1, 4000),
    )
    # What differs in RandParams is the physics: heavier bodies meet the ground more often. The bare
    # loop over the same models, against the bare loop over one, says how much of the ratio that is.
    random, one = "HalfCheetahRandParams-v0", "HalfCheetah-v0"
    rows = (
        ("twin", "one model", twin_loop(random, 256, cpu, 400), twin_loop(one, 256, cpu, 400)),
        (
            "twin",
            "the bare mujoco.batch loop on the same models",
            twin_loop(random, 256, cpu, 400),
            bare_loop(random, 256, 1, cpu, 400),
        ),
        (
            "bare mujoco.batch loop on its models",
            "the bare loop on one model",
            bare_loop(random, 256, 1, cpu, 400),
            bare_loop(one, 256, 1, cpu, 400),
        ),
    )
    for ours, peer, first, second in rows:
        yield from row(
            f"{random} {ours}, 256 worlds, steps per CPU-second, against {peer}",
            first,
            lambda second=second: second,  # type: ignore[misc]
        )


def measure_all(scenario: str, worlds: int, alternations: int, with_peers: bool = False) -> list[Comparison]:
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

    if with_peers:
        for row in peer_rows(alternations):
            add(row)
        return rows
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
    parser.add_argument(
        "--peers", action="store_true", help="measure the environments against their peers instead"
    )
    parser.add_argument("--out", type=Path, help=f"write the rows as JSON here (with --peers: {PEERS})")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    given = parser.parse_args(arguments)
    for name in ("worlds", "alternations"):
        if getattr(given, name) < 1:
            parser.error(f"--{name} {getattr(given, name)}: at least 1 is expected")
    try:
        find_scenario(given.scenario)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if given.peers and given.out is None:
        given.out = PEERS
    # What is said on the way is for people: with --json it goes where it does not mix with the result.
    with contextlib.redirect_stdout(sys.stderr if given.json else sys.stdout):
        rows = measure_all(given.scenario, given.worlds, given.alternations, given.peers)
        content: dict[str, Any] = {
            "host": host(),
            "versions": versions(),
            "rows": [vars(row) for row in rows],
        }
        if given.peers:
            content["memory_of_1024_worlds_mib"] = round(worlds_memory(given.scenario, 1024))
            print(f"1024 worlds of {given.scenario}: {content['memory_of_1024_worlds_mib']} MiB")
    if given.json:
        print(json.dumps(content))
    if given.out:
        replace_file(given.out, json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    exit_with(main)
