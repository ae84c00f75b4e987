"""All measures of emergence of one team, as a JSON record.

Here worlds are played and arrays handed to the measures of `benchmarks.metrics`; what a measure is, when it
misleads and what its verdict means is written there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.emergence.influence import channel_influence, deviation
from benchmarks.emergence.outputs import (
    TrialsEndEarly,
    played_replicates,
    silent_roles,
    task_features,
    whole_trials,
)
from benchmarks.emergence.play import CHANNELS, SENDERS, Condition, Match, Played, Swap, Team, play
from benchmarks.metrics import ablations, coalitions, communication, diversity, influence, outputs, signalling
from benchmarks.metrics.conditioning import residuals
from benchmarks.metrics.finding import Finding
from benchmarks.metrics.gaussian_copula import gaussian_entropy, gaussian_mutual_information
from benchmarks.metrics.information import o_information, s_information
from benchmarks.metrics.nearest_neighbours import ksg_mutual_information
from benchmarks.metrics.nulls import holm
from benchmarks.metrics.principal import principal_components, principal_directions
from benchmarks.metrics.surrogates import other_task
from ma_ssm_env.evaluation import EVALUATION_SEED
from ma_ssm_env.roles import ACTING_ROLES
from ma_ssm_env.scenarios import find_scenario

Array = NDArray[np.float64]
SCHEMA = 1
CHUNK = 16  # conditions played side by side
KSG_SAMPLES = 1500


@dataclass(frozen=True)
class AnalysisConfig:
    """How much is played.

    Attributes:
        trials: trials of each test task, where returns are compared.
        message_tasks: tasks where messages are studied: so many of the test tasks, evenly spaced.
        message_trials: trials of each: the pool that counterfactual messages are drawn from.
        replicates: counterfactual replicates of the information measures, at least 19; O-information is
            judged on both sides, and not reported with fewer than 39.
        every: steps between those at which influence is measured.
        ahead: steps that a counterfactual message is followed.
        rates: points of the sweep of the channel's rate.
        seed: of permutations, surrogates and intervals.
        num_threads: physics threads.
    """

    trials: int = 5
    message_tasks: int = 20
    message_trials: int = 6
    replicates: int = 39
    every: int = 5
    ahead: int = 10
    rates: int = 9
    seed: int = 0
    num_threads: int = 2


def analyse(
    team: Team,
    config: AnalysisConfig = AnalysisConfig(),
    *,
    retrained: Mapping[str, tuple[Array, Array]] | None = None,
    progress: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """The record of one team, without its name and origin.

    Args:
        team: who plays; without `references` nothing is frozen.
        config: how much is played.
        retrained: role -> returns per task of runs with it [R, N], and of runs trained without it [R', N].
        progress: called with the name of each part before it starts.
    """
    rng = np.random.default_rng(config.seed)
    scenario = find_scenario(team.scenario)
    tasks = scenario.variation.tasks("test")
    clock = _Clock(progress)
    record: dict[str, Any] = {"schema": SCHEMA, "scenario": scenario.id, "settings": asdict(config)}
    findings: dict[str, list[Finding]] = {}

    with clock.part("coalitions"):
        record["coalitions"], findings["coalitions"], values = _coalitions(team, tasks, config, rng)
    with clock.part("ablations"):
        played = ladder(team, tasks, config, rng)
        findings["ablations"] = _rungs(played, values, retrained or {}, rng)
        sweep = [played[f"rate {i}"] for i in range(config.rates)]
        points, bits = communication.return_against_bits(
            [float(p.bits.mean()) for p in sweep], [p.returns[0] for p in sweep], rng
        )
        own = played["team"]
        record["bits"] = {
            "points": [asdict(point) for point in points],
            "own": {"bits": float(own.bits.mean()), "value": float(own.returns.mean())},
        }
    with clock.part("influence"):
        some = tasks[np.linspace(0, len(tasks) - 1, min(config.message_tasks, len(tasks))).astype(int)]
        edges, ahead = channel_influence(
            team,
            some,
            config.message_trials,
            rng,
            every=config.every,
            ahead=config.ahead,
            num_threads=config.num_threads,
        )
        listening = {
            channel: communication.listening(
                f"{channel[0]} by {channel[1]}",
                own.returns[0],
                played[f"{channel[0]} > {channel[1]}"].returns[0],
                rng,
                whose="another task",
            )
            for channel in CHANNELS
        }
        adjusted = dict(zip(CHANNELS, holm([listening[c].p or 0.0 for c in CHANNELS]), strict=True))
        heard = []
        for channel in CHANNELS:
            field, receiver = channel
            if field == "received_belief":
                heard.append(influence.belief_finding(receiver, *edges[channel], adjusted[channel], rng))
            else:
                word = field.removeprefix("last_")
                heard.append(
                    influence.post_finding(word, receiver, edges[channel][0], adjusted[channel], rng)
                )
        findings["communication"] = [
            *heard,
            communication.listening(
                "all messages", own.returns[0], played["other task"].returns[0], rng, whose="another task"
            ),
            communication.listening(
                "all messages",
                own.returns[0],
                played["other trial"].returns[0],
                rng,
                whose="another trial of the task",
            ),
            bits,
        ]
        record["graph"] = [
            {
                "field": field,
                "sender": SENDERS[field],
                "receiver": receiver,
                "nats": finding.value,
                "pays": listening[field, receiver].value,
                "pays_p": adjusted[field, receiver],
                "verdict": finding.verdict,
            }
            for (field, receiver), finding in zip(CHANNELS, heard, strict=True)
        ]
        record["ahead"] = ahead
    with clock.part("information"):
        try:
            series, recorded = played_replicates(
                team,
                some,
                config.message_trials,
                rng,
                replicates=config.replicates,
                num_threads=config.num_threads,
            )
        except TrialsEndEarly as error:
            for group in ("signalling", "information", "diversity"):
                findings[group] = [_not_reported(group, error)]
        else:
            early: TrialsEndEarly | None = None
            checks: dict[str, float] = {}
            try:
                worlds = whole_trials(scenario.id, recorded.whole[0], len(some))
                findings["signalling"], checks = of_signals(team, recorded, some, worlds, rng)
            except TrialsEndEarly as error:
                findings["signalling"], early = [_not_reported("signalling", error)], error
            findings["information"], spread, given = _information(series, recorded, rng)
            findings["diversity"] = [
                _not_reported("diversity", early) if early else of_proposals(team, recorded, worlds, rng)
            ]
            record["replicates"] = spread
            record["checks"] = checks | given
    record["returns"] = {"team": float(own.returns.mean()), "per_task": own.returns[0].mean(1).tolist()}
    record["findings"] = {group: [f.to_json() for f in found] for group, found in findings.items()}
    record["cost"] = clock.parts
    return record


# -- returns --------------------------------------------------------------------------------------------


def _coalitions(
    team: Team, tasks: Array, config: AnalysisConfig, rng: np.random.Generator
) -> tuple[dict[str, Any], list[Finding], dict[frozenset[str], Array]]:
    def value(frozen: bool) -> Callable[[list[frozenset[str]]], Array]:
        def of(sets: list[frozenset[str]]) -> Array:
            gone = [frozenset(ACTING_ROLES) - present for present in sets]
            conditions = [
                Condition("frozen", frozen=roles) if frozen else Condition("absent", absent=roles)
                for roles in gone
            ]
            return np.concatenate([p.returns for p in _chunks(team, tasks, config, conditions)])

        return of

    record, found = {}, []
    neutral = coalitions.values_of(ACTING_ROLES, value(False))
    kinds = {"neutral": neutral}
    if team.references:
        kinds["frozen"] = coalitions.values_of(ACTING_ROLES, value(True))
    for kind, v in kinds.items():
        found += coalitions.findings(ACTING_ROLES, v, kind, rng)
        shares = coalitions.shapley_values(ACTING_ROLES, v)
        parts = coalitions.dividends(ACTING_ROLES, v)
        record[kind] = {
            "values": {_name(c): float(x.mean()) for c, x in v.items()},
            "shapley": {role: float(x.mean()) for role, x in shares.items()},
            "dividends": {_name(c): float(x.mean()) for c, x in parts.items()},
        }
    return record, found, neutral


def _name(coalition: frozenset[str]) -> str:
    return "+".join(role for role in ACTING_ROLES if role in coalition)


def _chunks(
    team: Team,
    tasks: Array,
    config: AnalysisConfig,
    conditions: Sequence[Condition],
    seed: int = EVALUATION_SEED,
) -> Iterator[Played]:
    for start in range(0, len(conditions), CHUNK):
        part = conditions[start : start + CHUNK]
        yield play(
            team,
            tasks,
            config.trials,
            part,
            seed=seed,
            policy_seed=config.seed,
            num_threads=config.num_threads,
        )


def ladder(
    team: Team, tasks: Array, config: AnalysisConfig, rng: np.random.Generator, *, seed: int = EVALUATION_SEED
) -> dict[str, Played]:
    """The team under each condition of the ladder, the channels and the rate: name -> one condition."""
    N, J = len(tasks), config.trials
    elsewhere = other_task(N, J, rng)
    next_trial = (np.arange(N)[:, None] * J + np.roll(np.arange(J), -1)).reshape(-1)
    rates = np.linspace(-1.0, 1.0, config.rates)
    conditions = [
        Condition("team"),
        *[Condition(f"{role} muted", muted=frozenset({role})) for role in ACTING_ROLES],
        *[Condition(f"{role} frozen", frozen=frozenset({role})) for role in team.references],
        Condition("other trial", swap=Swap(dict.fromkeys(CHANNELS, next_trial))),
        Condition("other task", swap=Swap(dict.fromkeys(CHANNELS, elsewhere))),
        *[Condition(f"{f} > {r}", swap=Swap({(f, r): elsewhere})) for f, r in CHANNELS],
        *[Condition(f"rate {i}", rate=float(rate)) for i, rate in enumerate(rates)],
    ]
    found: dict[str, Played] = {}
    for part in _chunks(team, tasks, config, conditions, seed):
        for c in range(len(part.returns)):
            name = conditions[len(found)].name
            found[name] = Played(
                part.returns[c : c + 1],
                part.episodes[c : c + 1],
                part.bits[c : c + 1],
                {},
                part.states[:0],
                part.whole[c : c + 1],
            )
    return found


def _rungs(
    played: Mapping[str, Played],
    values: Mapping[frozenset[str], Array],
    retrained: Mapping[str, tuple[Array, Array]],
    rng: np.random.Generator,
) -> list[Finding]:
    whole = frozenset(ACTING_ROLES)
    own = played["team"].returns[0]
    removed = [ablations.ablation(f"{r} removed", own, values[whole - {r}], rng) for r in ACTING_ROLES]
    named = [
        ablations.ablation(name, own, found.returns[0], rng)
        for name, found in played.items()
        if name.endswith((" muted", " frozen"))
    ]
    shuffled = ablations.ablation(
        "messages shuffled within the task", own, played["other trial"].returns[0], rng
    )
    again = [
        ablations.retrained(f"retrained without {role}", full, without, rng)
        for role, (full, without) in retrained.items()
    ]
    return [*removed, *named, shuffled, *again]


# -- information ----------------------------------------------------------------------------------------


def _not_reported(what: str, error: TrialsEndEarly) -> Finding:
    nan = float("nan")
    return Finding(what, nan, "nats", nan, nan, None, "none", "not reported", str(error))


def _information(
    series: outputs.Series, played: Played, rng: np.random.Generator
) -> tuple[list[Finding], dict[str, Any], dict[str, Any]]:
    found, values = outputs.findings(series, rng)
    spread = {
        name: {"value": float(v[0]), "null": [float(x) for x in np.percentile(v[1:], [2.5, 50.0, 97.5])]}
        for name, v in values.items()
    }
    # The same outputs, given state and channel noise (through what came of it, the received belief).
    whole = played.whole.all(0)
    state = played.states[0][:, whole]
    given = principal_components(state.reshape(-1, state.shape[-1]), 8)
    left = [residuals(part[0].reshape(-1, part.shape[-1]), given) for part in series.parts]
    entropy = gaussian_entropy(left)
    conditioned = {
        "O-information given the state": float(o_information(entropy, len(left))),
        "S-information given the state": float(s_information(entropy, len(left))),
    }
    return found, spread, conditioned


def of_signals(
    team: Team, played: Played, tasks: Array, worlds: NDArray[np.int64], rng: np.random.Generator
) -> tuple[list[Finding], dict[str, float]]:
    """What the belief tells, and cross-checks of it in nats, from the first condition of what was played.

    Args:
        team: who played.
        played: with state_modeling's actions and the states.
        tasks: hidden tasks [N, k], each with J trials.
        worlds: trials that are used, as `whole_trials` gives them [N', J'].
        rng: of permutations and samples.
    """
    scenario = find_scenario(team.scenario)
    tasks = tasks[worlds[:, 0] // (played.whole.shape[1] // len(tasks))]
    belief = played.actions["state_modeling"][0][:, worlds]  # [T, N', J', d]
    if "state_modeling" in silent_roles(team):
        belief = np.zeros_like(belief)
    T, N, J, _ = belief.shape
    features = task_features(scenario.id, tasks)
    found = [signalling.task_signalling(belief, features, rng)]
    match_fields = Match(team, tasks[:1], 1, [Condition()]).env.state_fields
    velocities = played.states[0][:, worlds, match_fields["velocities"]]
    checks: dict[str, float] = {}
    if velocities.shape[-1]:
        found.append(signalling.velocity_signalling(belief, velocities, rng))
    # Nearest neighbours see what is not monotone; few numbers and few samples, as they need.
    few = (belief @ principal_directions(belief, 2)).reshape(T * N * J, -1)
    spread = np.broadcast_to(features[None, :, None, :], (T, N, J, features.shape[1])).reshape(T * N * J, -1)
    rows = rng.choice(len(few), size=min(KSG_SAMPLES, len(few)), replace=False)
    checks["belief and task, 2 components, copula"] = float(
        gaussian_mutual_information(few[rows], spread[rows])
    )
    checks["belief and task, 2 components, nearest neighbours"] = ksg_mutual_information(
        few[rows], spread[rows]
    )
    return found, checks


def of_proposals(team: Team, played: Played, worlds: NDArray[np.int64], rng: np.random.Generator) -> Finding:
    """How differently prior and correction act, in the first condition of what was played.

    Args:
        team: who played.
        played: with both roles' actions.
        worlds: trials that are used, as `whole_trials` gives them [N', J'].
        rng: of permutations and intervals.
    """
    pair = ("meta_learning", "adaptation")
    series, deviations = [], []
    for role in pair:
        action = played.actions[role][0][:, worlds]  # [T, N', J', m]
        series.append(action)
        deviations.append(deviation(team.players.get(role), action.shape[-1]))
    return diversity.diversity(series[0], series[1], (deviations[0], deviations[1]), rng)


class _Clock:
    """Wall and CPU seconds of each part."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self.parts: dict[str, dict[str, float]] = {}
        self._progress = progress

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._progress(name)
        wall, cpu = time.monotonic(), time.process_time()
        yield
        self.parts[name] = {
            "wall_s": round(time.monotonic() - wall, 2),
            "cpu_s": round(time.process_time() - cpu, 2),
        }
