"""How often each verdict is wrong on teams that do not communicate, and right on teams that do.

    python -m benchmarks.emergence.calibration --out benchmarks/results/emergence/calibration.json

Teams are drawn at random, each with weights, noise, tasks and worlds of its own, and play PointDir-v0 in
short trials. The families, of which each verdict has one null and one planted:

- `silent`: the sender says the same in every trial; all roles act on the body, on the torque that they feel,
  and on the channel's noise, which they share. Nothing is communicated, and outputs depend on each other.
- `babble`: the sender's belief is noise of its own, and listeners obey it: the body follows the belief.
- `equal`: prior and correction are draws of one behaviour.
- `deaf`: an informed sender and listeners without ears. Statistics are exactly 0 or tied there, so no verdict
  may ever be wrong; they are counted apart.
- `mask`: adaptation takes away what meta_learning adds of a random message; the coordinator answers to both.
- `told`: a sender that knows direction and velocity; prior and correction follow it, the trust lets them.
- `unlike`: the correction is noisier than the prior.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray

from benchmarks.emergence.influence import channel_influence
from benchmarks.emergence.judged_teams import OtherVersionsError, judged_teams
from benchmarks.emergence.outputs import played_replicates, task_features
from benchmarks.emergence.play import CHANNELS, Condition, Swap, Team, play
from benchmarks.emergence.scripted import DirectionModel, Layout
from benchmarks.metrics import ablations, coalitions, communication, diversity, influence, outputs, signalling
from benchmarks.metrics.finding import LEVEL
from benchmarks.metrics.surrogates import other_task
from ma_ssm_env import Policy
from ma_ssm_env.commands import exit_with
from ma_ssm_env.roles import ACTING_ROLES, BELIEF_SIZE
from ma_ssm_env.whole_file import replace_file

Array = NDArray[np.float64]
SCENARIO = "PointDir-v0"
HORIZON = 20
WORLDS_OF_A_TEAM = 10**4
FIRST_WORLD = 2 * 10**15
ALLOWED = (4, 18)  # wrong verdicts of 200: the 1% and 99% points of 200 draws at 0.05
NEEDED = 160  # right verdicts of 200

Verdicts = dict[str, float]  # verdict -> p value


def drawn_team(family: str, rng: np.random.Generator, layout: Layout) -> Team:
    """A team of a family."""
    d, m = BELIEF_SIZE, 2

    def listens(role: str, field: str, width: int) -> dict[tuple[str, str], Array]:
        return {
            ("received_belief", field): rng.normal(0.0, 0.3, (d, width)),
            **({} if role == "coordinator" else {("last_torque", field): rng.uniform(-0.4, 0.4) * np.eye(m)}),
        }

    quiet = {"rate": -0.75}
    players: dict[str, Policy]
    if family in ("silent", "babble"):
        noise = {"belief": 0.4} if family == "babble" else {}
        header = {("time_left", "belief"): rng.normal(0.0, 0.3, (1, d))}
        players = {
            "state_modeling": layout.role(
                "state_modeling", header, {"belief": rng.uniform(-0.5, 0.5, d)}, noise, 0.9 * rng.random()
            ),
            **{
                role: layout.role(role, listens(role, field, m), {}, {field: 0.15}, 0.9 * rng.random())
                for role, field in (("meta_learning", "prior"), ("adaptation", "correction"))
            },
            "coordinator": layout.role(
                "coordinator", listens("coordinator", "trust", m), quiet, {"trust": 0.2}, 0.9 * rng.random()
            ),
        }
    elif family == "deaf":
        # No noise of their own, so that what is heard is all that could differ.
        own = {
            role: layout.role(role, {("time_left", field): rng.normal(0.0, 0.4, (1, m))}, {})
            for role, field in (
                ("meta_learning", "prior"),
                ("adaptation", "correction"),
                ("coordinator", "trust"),
            )
        }
        players = {"state_modeling": DirectionModel(layout.observation["state_modeling"]), **own}
    elif family in ("equal", "unlike"):
        weights, slow = listens("meta_learning", "x", m), 0.9 * rng.random()
        players = {"state_modeling": layout.role("state_modeling", {}, {"belief": rng.uniform(-0.5, 0.5, d)})}
        for role, field in (("meta_learning", "prior"), ("adaptation", "correction")):
            own_noise = 0.5 if family == "unlike" and role == "adaptation" else 0.2
            named = {(source, field): block for (source, _), block in weights.items()}
            players[role] = layout.role(role, named, {}, {field: own_noise}, slow)
        players["coordinator"] = layout.role("coordinator", {}, {"trust": 1.0, **quiet})
    elif family == "mask":
        turn = rng.uniform(0.0, 2.0 * np.pi)
        mask = 0.8 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        both = 0.5 * np.eye(m)
        players = {
            "state_modeling": layout.role("state_modeling", {}, {}, {"belief": 0.4}),
            "meta_learning": layout.role(
                "meta_learning", {("received_belief", "prior"): mask}, {}, {"prior": 0.15}, 0.8
            ),
            "adaptation": layout.role(
                "adaptation", {("received_belief", "correction"): -mask}, {}, {"correction": 0.15}, 0.8
            ),
            "coordinator": layout.role(
                "coordinator",
                {("last_prior", "trust"): both, ("last_correction", "trust"): both},
                {"trust": 0.8, "rate": 0.0},
                {"trust": 0.05},
            ),
        }
    elif family == "told":
        players = {
            "state_modeling": DirectionModel(layout.observation["state_modeling"], noise=0.3),
            "meta_learning": layout.role(
                "meta_learning", {("received_belief", "prior"): 0.3 * np.eye(m)}, {}, {"prior": 0.3}, 0.5
            ),
            "adaptation": layout.role(
                "adaptation",
                {("received_belief", "correction"): 0.6 * np.eye(m)},
                {},
                {"correction": 0.25},
                0.5,
            ),
            "coordinator": layout.role("coordinator", {}, {"trust": 0.8, "rate": 0.0}),
        }
    else:
        raise ValueError(f"family {family!r}: unknown")
    return Team(SCENARIO, players, {}, {"episodes_per_trial": 1, "horizon": HORIZON})


@dataclass(frozen=True)
class _Case:
    """One team with its worlds."""

    team: Team
    tasks: Array
    seed: int
    rng: np.random.Generator


def _played_returns(case: _Case) -> Verdicts:
    """Everything that is judged by returns."""
    rng, trials = case.rng, 1

    def value(sets: list[frozenset[str]]) -> Array:
        gone = [Condition("absent", absent=frozenset(ACTING_ROLES) - present) for present in sets]
        return play(case.team, case.tasks, trials, gone, seed=case.seed, policy_seed=case.seed).returns

    v = coalitions.values_of(ACTING_ROLES, value)
    found = {f.name: f for f in coalitions.findings(ACTING_ROLES, v, "neutral", rng)}
    own, muted, elsewhere, sweep = _conditions(case, trials)
    _, bits = communication.return_against_bits(np.arange(len(sweep)), sweep, rng)
    heard = communication.listening("all messages", own, elsewhere, rng, whose="another task")
    removed = ablations.ablation("", own, v[frozenset(ACTING_ROLES) - {"meta_learning"}], rng)
    silenced = ablations.ablation("", own, muted, rng)
    judged = {
        "synergy": found["synergy (neutral)"].p,
        "complementarity": found["complementarity (neutral)"].p,
        "contribution of a role": found["contribution of meta_learning (neutral)"].p,
        "listening": heard.p,
        "return against bits": bits.p,
        "ablation: role removed": removed.p,
        "ablation: role muted": silenced.p,
    }
    return {name: float(p) for name, p in judged.items() if p is not None}


def _played_outputs(case: _Case) -> Verdicts:
    """The measures of information, by counterfactual messages."""
    series, _ = played_replicates(
        case.team, case.tasks[:4], 5, case.rng, seed=case.seed, policy_seed=case.seed
    )
    found, _ = outputs.findings(series, case.rng, shifts=5, shifts_each=1)
    return {f.name: float(f.p) for f in found if f.p is not None}


def _played_influence(case: _Case) -> Verdicts:
    edges, _ = channel_influence(case.team, case.tasks[:12], 6, case.rng, every=6, ahead=0, seed=case.seed)
    by_pool, by_noise = edges["received_belief", "meta_learning"]
    finding = influence.belief_finding("meta_learning", by_pool, by_noise, 1.0, case.rng)
    return {"influence": float(finding.p or 0.0)}


def _played_signals(case: _Case) -> Verdicts:
    tasks, trials = case.tasks[:12], 6
    played = play(
        case.team,
        tasks,
        trials,
        [Condition()],
        record=("state_modeling",),
        states=True,
        seed=case.seed,
        policy_seed=case.seed,
    )
    shape = (HORIZON, len(tasks), trials, -1)
    belief = played.actions["state_modeling"][0].reshape(shape)
    # Planar velocities are the fourth and fifth number of the state, after the header.
    velocities = played.states[0][..., 3:5].reshape(shape)
    features = task_features(SCENARIO, tasks)
    return {
        "signalling of the task": float(signalling.task_signalling(belief, features, case.rng).p or 0.0),
        "signalling of velocities": float(
            signalling.velocity_signalling(belief, velocities, case.rng).p or 0.0
        ),
    }


def _played_diversity(case: _Case) -> Verdicts:
    tasks, trials = case.tasks[:8], 6
    pair = ("meta_learning", "adaptation")
    played = play(case.team, tasks, trials, [Condition()], record=pair, seed=case.seed, policy_seed=case.seed)
    first, second = (played.actions[r][0].reshape(HORIZON, len(tasks), trials, -1) for r in pair)
    std = np.full(2, 0.1)
    return {"diversity": float(diversity.diversity(first, second, (std, std), case.rng).p or 0.0)}


def _conditions(case: _Case, trials: int) -> tuple[Array, Array, Array, Array]:
    """Returns as it is, with the belief muted, with another task's messages; at seven rates [7, N, J]."""
    elsewhere = Swap(dict.fromkeys(CHANNELS, other_task(len(case.tasks), trials, case.rng)))
    conditions = [
        Condition(),
        Condition("muted", muted=frozenset({"state_modeling"})),
        Condition("other task", swap=elsewhere),
        *[Condition("rate", rate=float(rate)) for rate in np.linspace(-1.0, 1.0, 7)],
    ]
    played = play(case.team, case.tasks, trials, conditions, seed=case.seed, policy_seed=case.seed)
    return played.returns[0], played.returns[1], played.returns[2], played.returns[3:]


def _deaf_returns(case: _Case) -> Verdicts:
    own, muted, elsewhere, sweep = _conditions(case, 1)
    _, bits = communication.return_against_bits(np.arange(len(sweep)), sweep, case.rng)
    found = {
        "listening": communication.listening("", own, elsewhere, case.rng, whose="").p,
        "return against bits": bits.p,
        "ablation: role muted": ablations.ablation("", own, muted, case.rng).p,
    }
    return {name: float(p) for name, p in found.items() if p is not None}


def _retrained_runs(shift: float) -> Callable[[_Case], Verdicts]:
    def judge(case: _Case) -> Verdicts:
        # Five runs each, whose means differ by deviation 1, on 20 tasks.
        runs = case.rng.standard_normal((10, 1)) + 0.5 * case.rng.standard_normal((10, 20))
        p = ablations.retrained("", runs[:5] + shift, runs[5:], case.rng).p
        return {"ablation: retrained without": 1.0 if p is None else p}

    return judge


# What is judged on which family: (judge, null family, planted family).
STUDIES: tuple[tuple[Callable[[_Case], Verdicts], str, str], ...] = (
    (_played_returns, "babble", "told"),
    (_played_outputs, "silent", "mask"),
    (_played_influence, "silent", "told"),
    (_played_signals, "babble", "told"),
    (_played_diversity, "equal", "unlike"),
    (_retrained_runs(0.0), "babble", ""),
    (_retrained_runs(2.2), "", "told"),
)
DEAF_TEAMS = 40  # their verdicts cannot be wrong, so fewer will do
DEAF = (_deaf_returns, _played_influence, _played_outputs)

EFFECTS = {
    "told": "prior 0.3 and correction 0.6 of the received direction, belief noise 0.3, own noise 0.3 "
    "and 0.25, trust 0.8",
    "mask": "0.8 of a message of deviation 0.4 added to the prior and taken from the correction, own "
    "noise 0.15 with persistence 0.8, trust 0.8 + half the sum of both",
    "unlike": "own noise 0.5 in the correction against 0.2 in the prior",
    "retrained": "a loss of 2.2 deviations between runs, 5 runs each",
}


def p_values(
    index: int, layout: Layout, studies: Sequence[str] = ("null", "planted", "deaf")
) -> dict[str, Verdicts]:
    """p values of team `index` of every family: kind -> verdict -> p."""
    found: dict[str, Verdicts] = {kind: {} for kind in studies}
    jobs = [
        *(("null", judge, null) for judge, null, _ in STUDIES if null),
        *(("planted", judge, planted) for judge, _, planted in STUDIES if planted),
        *(("deaf", judge, "deaf") for judge in DEAF),
    ]
    for number, (kind, judge, family) in enumerate(jobs):
        if kind not in studies or (kind == "deaf" and index >= DEAF_TEAMS):
            continue
        rng = np.random.default_rng([index, number])
        team = drawn_team(family, rng, layout)
        tasks = rng.uniform(-np.pi, np.pi, (20, 1))
        seed = FIRST_WORLD + (index * len(jobs) + number) * WORLDS_OF_A_TEAM
        found[kind] |= judge(_Case(team, tasks, seed, rng))
    return found


def summary(per_team: Sequence[dict[str, Verdicts]]) -> dict[str, Any]:
    """Counts of verdicts at the level for each kind of team, and the p values behind them."""
    result: dict[str, Any] = {"teams": len(per_team), "level": LEVEL, "effects": EFFECTS}
    values: dict[str, dict[str, list[float]]] = {}
    for kind, names in {kind: list(verdicts) for kind, verdicts in per_team[0].items()}.items():
        judged = [team[kind] for team in per_team if team[kind]]
        result[kind] = {name: sum(p[name] <= LEVEL for p in judged) for name in names}
        values[kind] = {name: [round(p[name], 3) for p in judged] for name in names}
    result["p"] = values
    return result


def write(path: Path, content: dict[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    replace_file(path, json.dumps(content, separators=(",", ":")) + "\n")


@dataclass(frozen=True)
class Command:
    """Calibrate the verdicts on random teams.

    Attributes:
        out: JSON file of the counts and p values. Until it is written, finished teams are kept beside it as
            JSON lines, and an interrupted call goes on from them if the packages are still the same.
        teams: of each family.
    """

    out: Path
    teams: int = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where a count is out of bounds, 2 on bad usage or what cannot be gone on from."""
    command = tyro.cli(Command, args=arguments, prog="python -m benchmarks.emergence.calibration")
    if command.teams < 1:
        print(f"--teams {command.teams}: at least 1 is expected", file=sys.stderr)
        return 2
    partial = command.out.with_suffix(".partial.jsonl")
    try:
        done = judged_teams(partial)
    except OtherVersionsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    layout = Layout.of(SCENARIO)
    with open(partial, "a") as file:
        for index in range(len(done), command.teams):
            began = time.process_time()
            done.append(p_values(index, layout))
            done[-1]["cost"] = {"cpu_s": time.process_time() - began}
            print(json.dumps(done[-1]), file=file, flush=True)
    done = done[: command.teams]
    cost = [team.pop("cost")["cpu_s"] for team in done]
    found = summary(done) | {"cpu_s": round(sum(cost), 1)}
    write(command.out, found)
    partial.unlink()
    print(json.dumps({key: value for key, value in found.items() if key != "p"}, indent=1))
    low, high = (bound * command.teams / 200 for bound in ALLOWED)
    bad = [name for name, wrong in found["null"].items() if not low <= wrong <= high]
    bad += [name for name, right in found["planted"].items() if right < NEEDED * command.teams / 200]
    bad += [name for name, wrong in found["deaf"].items() if wrong]
    for name in bad:
        print(f"out of bounds: {name}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    exit_with(main)
