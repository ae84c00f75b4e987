"""Which tasks to train on: `python -m benchmarks.studies.curriculum pointgoal --seeds 0 1 2`, then `table`.

One agent is trained by the same PPO for the same number of control steps on tasks that different teachers
choose, and judged on the same held-out tasks, inside and outside of the training range. A teacher is a policy
of the environment role: what speaks its protocol is a line of `TEACHERS`, a trained one too. The next
task of a world is chosen when its present trial begins, so a teacher's knowledge is one trial old.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.stats import bootstrap_interval
from ma_ssm_env import Policy
from ma_ssm_env.commands import exit_with
from ma_ssm_env.curriculum import AlpGmm, UniformTeacher
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.ledger import Ledger, outcome
from policies.config import WORLDS_OF_A_RUN, tuned
from policies.cores import CoreConfig
from policies.game import Game
from policies.ppo import Ppo
from policies.rollout import Collector
from policies.team import NetworkConfig, TeamNetwork
from policies.train import players

RESULTS = Path("benchmarks/results/maml")

TEACHERS: dict[str, Callable[[str], Policy | None]] = {
    "distribution": lambda scenario: None,  # the scenario's own draws
    "uniform": UniformTeacher,
    "alp-gmm": lambda scenario: AlpGmm(scenario, shared_ledger=True),
}


@dataclass(frozen=True)
class Study:
    """What is trained and judged.

    Attributes:
        scenario: id.
        steps: control steps of training, all of them charged.
        core: memory of the agent.
        splits: whose tasks it is judged on.
    """

    scenario: str
    steps: int
    core: str = "mlp"
    splits: tuple[str, ...] = ("test", "ood")


STUDIES = {
    "pointgoal": Study("PointGoal-v0", 300_000),
    "hopper": Study("HopperRandParams-v0", 1_000_000),
}


class TaughtGame:
    """A game whose tasks a teacher chooses; the face of `Game`."""

    def __init__(self, game: Game, teacher: Policy, rng: np.random.Generator) -> None:
        self._game, self._teacher, self._rng = game, teacher, rng
        self._law = game.scenario.variation
        kinds = tuple(coordinate.kind for coordinate in self._law.coordinates)
        self.ledger = Ledger(game.num_worlds, kinds, shared=True)
        self._memory = teacher.initial_memory(game.num_worlds)
        B = game.num_worlds
        self.present = self.coming = self._proposals()
        self._returns, self._episodes = np.zeros(B), np.zeros(B)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._game, name)

    def reset(self, seed: int) -> dict[str, Tensor]:
        """Begin a trial in every world, on the teacher's tasks: role -> observations [B, O]."""
        self._game.pin(self.coming)
        observations = self._game.reset(seed)
        self._next(np.arange(self._game.num_worlds))
        return observations

    def step(self, actions: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor, Tensor, dict[str, Any]]:
        """One control step of the game within; where trials end, the teacher hears of it and goes on."""
        found = self._game.step(actions)
        infos = found[3]
        self._returns += np.where(infos["episode_ended"], infos["episode_return"], 0.0)
        self._episodes += infos["episode_ended"]
        done = np.flatnonzero(found[2].numpy())
        if done.size:
            means = outcome(self._returns[done] / self._episodes[done], self._game.scenario.outcome_scale)
            tasks = self._law.normalise(self.present[done]).astype(np.float32)
            self.ledger.record(done, tasks, means)
            self._returns[done] = self._episodes[done] = 0.0
            self._next(done)
        return found

    def _next(self, worlds: np.ndarray) -> None:
        """Trials began in `worlds`: their task is in play, and the one after it is chosen."""
        self.present, self.coming = self.present.copy(), self.coming.copy()
        self.present[worlds] = self.coming[worlds]
        self.coming[worlds] = self._proposals()[worlds]
        self._game.pin(self.coming)

    def _proposals(self) -> np.ndarray:
        ledger = self.ledger.vector()
        header = np.tile(np.array([1.0, 1.0, 0.0], dtype=np.float32), (len(ledger), 1))
        observations = np.concatenate([header, ledger], axis=1)
        proposals, self._memory = self._teacher.act(observations, self._memory, self._rng)
        low, high = (np.array([getattr(c, end) for c in self._law.coordinates]) for end in ("low", "high"))
        return np.clip(self._law.denormalise(proposals.astype(np.float64)), low, high)


def run_one(name: str, teacher: str, seed: int, out: Path) -> Path:
    """Train and judge; the path of the record."""
    study, path = STUDIES[name], out / f"curriculum-{name}-{teacher}-seed{seed}.json"
    if path.exists():
        return path
    began = time.process_time()
    config = tuned(study.scenario)
    generator = torch.Generator().manual_seed(seed)
    game: Any = Game(study.scenario, config.num_worlds, False, {})
    chosen = TEACHERS[teacher](study.scenario)
    if chosen is not None:
        game = TaughtGame(game, chosen, np.random.default_rng([seed, 7]))
    network = TeamNetwork(game, NetworkConfig(core=CoreConfig(kind=study.core)), False, generator)
    learner = Ppo(network, config, "reinforced", generator)
    collector = Collector(game, network, seed * WORLDS_OF_A_RUN, generator)
    steps = 0
    while steps < study.steps:
        rollout = collector.collect(config.rollout, config.segment)
        learner.learn(rollout, steps / study.steps)
        steps += config.num_worlds * config.rollout
    record: dict[str, Any] = {
        "study": name,
        "scenario": study.scenario,
        "teacher": teacher,
        "seed": seed,
        "steps": steps,
        "command": f"python -m benchmarks.studies.curriculum {name} --seeds {seed}",
        "trials": len(getattr(chosen, "tasks", [])),
    }
    for split in study.splits:
        found = evaluate(study.scenario, players(network), split=split)  # type: ignore[arg-type]
        record[split] = np.round(found.returns.mean((1, 2)), 3).tolist()
    record["cpu_s"] = round(time.process_time() - began, 1)
    out.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    beside.write_text(json.dumps(record, separators=(",", ":")) + "\n")
    os.replace(beside, path)
    return path


def table(out: Path) -> str:
    """Markdown of all records: interquartile means over seeds, 95% intervals over seeds and tasks."""
    records: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in sorted(out.glob("curriculum-*-seed*.json")):
        record = json.loads(path.read_text())
        records.setdefault((record["study"], record["teacher"]), []).append(record)
    lines = [
        "| scenario | teacher | seeds | training steps | held-out tasks | out of range |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for name, study in STUDIES.items():
        for teacher in TEACHERS:
            found = records.get((name, teacher))
            if found:
                cells = [f"`{study.scenario}`", teacher, str(len(found)), f"{found[0]['steps']:,}"]
                cells += [_interval([record[split] for record in found]) for split in study.splits]
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _interval(values: Sequence[Sequence[float]]) -> str:
    found = bootstrap_interval([np.array(values, dtype=float)], np.random.default_rng(0))
    return f"{found.estimate:.1f} ({found.low:.1f} to {found.high:.1f})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a row of the study, or write its table; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.curriculum",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("what", help=f"one of {', '.join(STUDIES)}, or: table")
    parser.add_argument("--seeds", "--seed", type=int, nargs="+", default=[0], help="a run each")
    parser.add_argument(
        "--teachers", nargs="+", choices=list(TEACHERS), default=list(TEACHERS), help="who chooses the tasks"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the records")
    given = parser.parse_args(arguments)
    if given.what == "table":
        print(table(given.out), end="")
        return 0
    if given.what not in STUDIES:
        print(f"error: {given.what!r}: one of {', '.join([*STUDIES, 'table'])} is expected", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    for seed in given.seeds:
        for teacher in given.teachers:
            print(run_one(given.what, teacher, seed, given.out), flush=True)
    return 0


if __name__ == "__main__":
    exit_with(main)
