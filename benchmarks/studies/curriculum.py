"""Which tasks to train on: `python -m benchmarks.studies.curriculum STUDY --seeds 0 1 2`, then `table`.

One agent is trained by the same PPO for the same number of control steps on tasks that different teachers
choose, and judged on the same held-out tasks, inside and outside of the training range. A teacher is a policy
of the environment role: what speaks its protocol is a line of `TEACHERS`, a trained one too. The next
task of a world is chosen when its present trial begins, so a teacher's knowledge is one trial old. Worlds
have ledgers of their own, as in the game.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.runner.software import versions_note
from benchmarks.studies.command import ALLOW_MIXED
from benchmarks.studies.learned_teacher import LearnedTeacher
from benchmarks.studies.over_seeds import over_seeds, unpaired
from benchmarks.studies.settings import Settings, SettingsError, is_done, read, write
from ma_ssm_env import Policy, __version__
from ma_ssm_env.commands import exit_with
from ma_ssm_env.curriculum import AlpGmm, UniformTeacher
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.ledger import Ledger, outcome
from ma_ssm_env.variations import Variation
from policies.config import WORLDS_OF_A_RUN, tuned
from policies.cores import CoreConfig
from policies.curriculum_learner import CurriculumConfig
from policies.game import Game
from policies.ppo import Ppo
from policies.rollout import Collector
from policies.team import NetworkConfig, TeamNetwork
from policies.train import players

RESULTS = Path("benchmarks/results/maml")

Teacher = Callable[[Game, int], Policy | None]
TEACHERS: dict[str, Teacher] = {
    "distribution": lambda game, seed: None,  # the scenario's own draws
    "uniform": lambda game, seed: UniformTeacher(game.scenario),
    "alp-gmm": lambda game, seed: AlpGmm(game.scenario),
    "learned": lambda game, seed: LearnedTeacher(game.scenario.variation.size, game.num_worlds, seed),
}
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Study:
    """What is trained and judged.

    Attributes:
        scenario: id.
        steps: control steps of training, all of them charged.
        core: memory of the agent.
        splits: whose tasks it is judged on.
        law: proposals in [-1, 1] [..., k] -> tasks; by default the scenario's normalised coordinates. The
            uniform teacher samples this law; the others propose in its coordinates.
        teachers: who is compared.
    """

    scenario: str
    steps: int
    core: str = "mlp"
    splits: tuple[str, ...] = ("test", "ood")
    law: Callable[[Array], Array] | None = None
    teachers: tuple[str, ...] = tuple(TEACHERS)


def rarely_far(proposals: Array) -> Array:
    """Goals of PointGoal up to 2.5 m away, the far ones rare: radius 2.5 q^3, q the first number in [0, 1].

    Under uniform proposals half of the goals are within 0.31 m, and 11% beyond the 1.75 m of the scenario.
    """
    share = (proposals[..., 0] + 1.0) / 2.0
    return np.stack([_FARTHEST * share**3, np.pi * proposals[..., 1]], axis=-1)


_FARTHEST = 2.5


def _within(variation: Variation, proposals: Array) -> Array:
    low, high = (np.array([getattr(c, end) for c in variation.coordinates]) for end in ("low", "high"))
    return np.clip(variation.denormalise(proposals), low, high)  # rounding may leave the range


_CHOOSING = ("uniform", "alp-gmm", "learned")  # where the scenario's own draws are uniform, or not the law

STUDIES = {
    "pointgoal-far": Study("PointGoal-v0", 300_000, core="s5", law=rarely_far, teachers=_CHOOSING),
    "hopper": Study("HopperRandParams-v0", 500_000, splits=("test",), teachers=_CHOOSING),
}


class TaughtGame:
    """A game whose tasks a teacher chooses; the face of `Game`.

    Attributes:
        ledger: what teachers observe of earlier trials.
        present, coming: proposals that are in play, and that each world's next trial is played on [B, k].
        played: proposals of the trials that ended, oldest first.

    Args:
        game: what is played.
        teacher: who chooses.
        rng: of the teacher.
        law: proposals to tasks; by default the scenario's normalised coordinates.
    """

    def __init__(
        self,
        game: Game,
        teacher: Policy,
        rng: np.random.Generator,
        law: Callable[[Array], Array] | None = None,
    ) -> None:
        self._game, self._teacher, self._rng = game, teacher, rng
        self._law = law or partial(_within, game.scenario.variation)
        B, coordinates = game.num_worlds, game.scenario.variation.coordinates
        self.ledger = Ledger(B, tuple(coordinate.kind for coordinate in coordinates))
        self._memory = teacher.initial_memory(B)
        self.present = self.coming = np.zeros((B, len(coordinates)), dtype=np.float32)
        self.played: list[NDArray[np.float32]] = []
        self._returns, self._episodes = np.zeros(B), np.zeros(B)
        self._choose(np.ones(B, dtype=bool))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._game, name)

    def reset(self, seed: int) -> dict[str, Tensor]:
        """Begin a trial in every world, on the teacher's tasks: role -> observations [B, O]."""
        observations = self._game.reset(seed)
        self._choose(np.ones(self._game.num_worlds, dtype=bool))
        return observations

    def step(self, actions: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor, Tensor, dict[str, Any]]:
        """One control step of the game within; where trials end, the teacher hears of it and goes on."""
        found = self._game.step(actions)
        infos = found[3]
        self._returns += np.where(infos["episode_ended"], infos["episode_return"], 0.0)
        self._episodes += infos["episode_ended"]
        ended = found[2].numpy() > 0
        done = np.flatnonzero(ended)
        if done.size:
            means = outcome(self._returns[done] / self._episodes[done], self._game.scenario.outcome_scale)
            trial = done, self.present[done], means
            if isinstance(self._teacher, LearnedTeacher):
                payments = np.zeros(self._game.num_worlds)
                payments[done] = self.ledger.learning_progress(*trial)
                self._teacher.pay(payments, ended)
            self.ledger.record(*trial)
            self.played.extend(self.present[done])
            self._returns[done] = self._episodes[done] = 0.0
            self._choose(ended)
        return found

    def _choose(self, begins: NDArray[np.bool_]) -> None:
        """Trials begin in `begins` [B]: what was coming is in play, and what comes after it is chosen."""
        header = np.ones((len(begins), 3), dtype=np.float32)
        header[:, 0], header[:, 2] = begins, 0.0
        observations = np.concatenate([header, self.ledger.rows()], axis=1)
        proposals, self._memory = self._teacher.act(observations, self._memory, self._rng)
        self.present = np.where(begins[:, None], self.coming, self.present)
        self.coming = np.where(begins[:, None], np.clip(proposals, -1.0, 1.0), self.coming)
        self._game.pin(self._law(self.coming.astype(np.float64)))


def run_one(name: str, teacher: str, seed: int, out: Path, allow_mixed: bool = False) -> Path:
    """Train and judge; the path of the record."""
    study, path = STUDIES[name], out / f"curriculum-{name}-{teacher}-seed{seed}.json"
    if is_done(path, settings(study, teacher), allow_mixed):
        return path
    began = time.process_time()
    config = tuned(study.scenario)
    generator = torch.Generator().manual_seed(seed)
    game: Any = Game(study.scenario, config.num_worlds, False, {})
    chosen = TEACHERS[teacher](game, seed)
    if chosen is not None:
        game = TaughtGame(game, chosen, np.random.default_rng([seed, 7]), study.law)
    network = TeamNetwork(game, _network(study), False, generator)
    learner = Ppo(network, config, "reinforced", generator)
    collector = Collector(game, network, seed * WORLDS_OF_A_RUN, generator)
    steps, bandit = 0, []
    while steps < study.steps:
        rollout = collector.collect(config.rollout, config.segment)
        learner.learn(rollout, steps / study.steps)
        if isinstance(chosen, LearnedTeacher):
            bandit.append(chosen.learner.learn())
        steps += config.num_worlds * config.rollout
    record: dict[str, Any] = {
        "study": name,
        "scenario": study.scenario,
        "teacher": teacher,
        "seed": seed,
        "steps": steps,
        "command": f"python -m benchmarks.studies.curriculum {name} --seeds {seed} --teachers {teacher}",
        "code": __version__,
    }
    if chosen is not None:
        record |= _what_was_played(np.array(game.played))
    if bandit:
        paid = [entry["curriculum_payment"] for entry in bandit if entry]
        record |= {"updates": len(paid), "paid": np.round(paid[:1] + paid[-1:], 4).tolist()}
    for split in study.splits:
        found = evaluate(study.scenario, players(network), split=split)  # type: ignore[arg-type]
        record[split] = np.round(found.returns.mean((1, 2)), 3).tolist()
    record["cpu_s"] = round(time.process_time() - began, 1)
    write(path, record, settings(study, teacher))
    return path


def settings(study: Study, teacher: str) -> Settings:
    """What a record of the study must have been made with; `teachers` says who is compared, not how."""
    asked = {field.name: getattr(study, field.name) for field in fields(study) if field.name != "teachers"}
    training = {"ppo": tuned(study.scenario), "network": _network(study)}
    learned = {"curriculum": CurriculumConfig()} if teacher == "learned" else {}
    return {"study": asked, "teacher": teacher, **training, **learned}


def _network(study: Study) -> NetworkConfig:
    return NetworkConfig(core=CoreConfig(kind=study.core))


def _what_was_played(proposals: NDArray[np.float32]) -> dict[str, Any]:
    """How many trials, and mean and deviation of the proposals' numbers in each quarter of them."""
    quarters = np.array_split(proposals.astype(np.float64), 4)
    return {
        "trials": len(proposals),
        "proposals_mean": [np.round(quarter.mean(0), 3).tolist() for quarter in quarters],
        "proposals_std": [np.round(quarter.std(0), 3).tolist() for quarter in quarters],
    }


def table(out: Path) -> str:
    """Markdown of all records: return of an inner episode, and what a teacher has over uniform proposals."""
    records: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for name, study in STUDIES.items():
        for teacher in study.teachers:
            for path in sorted(out.glob(f"curriculum-{name}-{teacher}-seed*.json")):
                record = read(path, settings(study, teacher))
                records.setdefault((name, teacher), []).append(record)
    lines = [
        "| study | teacher | seeds | training steps | CPU-s a seed | held-out tasks | minus uniform "
        "| out of range | minus uniform |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, study in STUDIES.items():
        for teacher in study.teachers:
            found, uniform = records.get((name, teacher)), records.get((name, "uniform"), [])
            if not found:
                continue
            cells = [f"`{name}`", teacher, str(len(found)), f"{found[0]['steps']:,}"]
            cells.append(f"{np.mean([record['cpu_s'] for record in found]):.0f}")
            for split in ("test", "ood"):
                if split not in study.splits:
                    cells += ["", ""]
                    continue
                values, base = ([record[split] for record in of] for of in (found, uniform))
                cells += [over_seeds(values), "" if teacher == "uniform" else unpaired(values, base)]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n" + versions_note([r for found in records.values() for r in found])


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
        "--teachers",
        nargs="+",
        choices=list(TEACHERS),
        help="who chooses the tasks; all of the study without it",
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the records")
    parser.add_argument("--allow-mixed", action="store_true", help=ALLOW_MIXED)
    given = parser.parse_args(arguments)
    try:
        return _do(given)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _do(given: argparse.Namespace) -> int:
    if given.what == "table":
        print(table(given.out), end="")
        return 0
    if given.what not in STUDIES:
        print(f"error: {given.what!r}: one of {', '.join([*STUDIES, 'table'])} is expected", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    for seed in given.seeds:
        for teacher in given.teachers or STUDIES[given.what].teachers:
            print(run_one(given.what, teacher, seed, given.out, given.allow_mixed), flush=True)
    return 0


if __name__ == "__main__":
    exit_with(main)
