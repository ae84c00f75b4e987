"""All measures of emergence of one team, as a JSON record: coalitions, channels, information, diversity, ladder.

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
import torch
from numpy.typing import NDArray

from benchmarks.emergence_play import CHANNELS, SENDERS, Condition, Match, Played, Swap, Team, play
from benchmarks.metrics import ablations, coalitions, communication, diversity, influence, outputs, signalling
from benchmarks.metrics.conditioning import residuals
from benchmarks.metrics.finding import Finding
from benchmarks.metrics.gaussian_copula import gaussian_entropy, gaussian_mutual_information
from benchmarks.metrics.information import o_information, s_information
from benchmarks.metrics.nearest_neighbours import ksg_mutual_information
from benchmarks.metrics.nulls import holm
from benchmarks.metrics.principal import principal_directions
from benchmarks.metrics.surrogates import other_task, permuted_within
from ma_ssm_env import Policy
from ma_ssm_env.blackboard import combine, receive
from ma_ssm_env.evaluation import EVALUATION_SEED
from ma_ssm_env.roles import ACTING_ROLES
from ma_ssm_env.scenarios import find_scenario
from policies.role_network import NetworkPolicy

Array = NDArray[np.float64]
SCHEMA = 1
RESOLUTION = 0.1  # deviation of the actions of roles that have no distribution of their own
MOST_NUMBERS = 3  # principal components of a role's output that the information measures use
CHUNK = 16  # conditions played side by side
KSG_SAMPLES = 1500


@dataclass(frozen=True)
class AnalysisConfig:
    """How much is played.

    Attributes:
        trials: trials of each test task, where returns are compared.
        message_tasks: tasks where messages are studied: so many of the test tasks, evenly spaced.
        message_trials: trials of each: the pool that counterfactual messages are drawn from.
        replicates: counterfactual replicates of the information measures, at least 19.
        every: steps between those at which influence is measured.
        ahead: steps that a counterfactual message is followed.
        rates: points of the sweep of the channel's rate.
        seed: of permutations, surrogates and intervals.
        num_threads: physics threads.
    """

    trials: int = 5
    message_tasks: int = 20
    message_trials: int = 8
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
        edges, ahead = channel_influence(team, some, config, rng)
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
        series, recorded = _replicates(team, some, config, rng)
        told, checks = _signalling(team, recorded, some, config, rng)
        findings["signalling"] = told
        findings["information"], spread, given = _information(series, recorded, rng)
        record["replicates"] = spread
        record["checks"] = checks | given
    with clock.part("diversity"):
        findings["diversity"] = [_diversity(team, recorded, len(some), config.message_trials, rng)]
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
    """The team under every condition of the ladder, of the channels and of the rate: name -> one condition."""
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


# -- messages -------------------------------------------------------------------------------------------


def channel_influence(
    team: Team,
    tasks: Array,
    config: AnalysisConfig,
    rng: np.random.Generator,
    *,
    seed: int = EVALUATION_SEED,
) -> tuple[dict[tuple[str, str], tuple[Array, Array]], dict[str, Any]]:
    """Influence of each channel per task, by the pool and by noise alone; and of the belief k steps ahead."""
    N, J = len(tasks), config.message_trials
    match = Match(team, tasks, J, [Condition()], seed=seed, num_threads=config.num_threads)
    options = match.env.options
    length = options.episodes_per_trial * options.horizon
    anchors = {length // 4, length // 2, 3 * length // 4}
    pools: dict[tuple[str, str], list[Array]] = {channel: [] for channel in CHANNELS}
    noises: dict[tuple[str, str], list[Array]] = {channel: [] for channel in CHANNELS}
    later: list[dict[str, Array]] = []

    def per_task(values: Array) -> Array:
        return values.reshape(N, J).mean(1)

    for t in range(length):
        if t and t % config.every == 0:
            for field, role in CHANNELS:
                messages = match.observations[role][:, match.fields[role][field]]
                pools[field, role].append(per_task(_moved(match, role, field, _pool(messages, N, J), rng)))
                if field == "received_belief":
                    noise = _pool(match.posted("noise"), N, J)
                    again = [receive(match.posted("belief"), match.posted("rate"), eps) for eps in noise]
                    silent = match.silent("state_modeling")
                    fresh = [np.where(silent[:, None], np.float32(0.0), message) for message in again]
                    noises[field, role].append(per_task(_moved(match, role, field, fresh, rng)))
        if t in anchors:
            later.append(_followed(match, N, J, config, rng))
        match.step(match.act())
    edges = {
        channel: (
            np.mean(pools[channel], axis=0),
            np.mean(noises[channel], axis=0) if noises[channel] else np.zeros(N),
        )
        for channel in CHANNELS
    }
    ahead = {
        role: np.mean([each[role] for each in later], axis=0).tolist() for role in later[0]
    }  # role -> nats at k = 0..ahead
    return edges, ahead


def _pool(
    messages: NDArray[np.float32], N: int, J: int, most: int | None = None
) -> list[NDArray[np.float32]]:
    """The messages of all trials of the task in turn, the own first: J arrays [N J, d]."""
    by_task = messages.reshape(N, J, -1)
    return [np.roll(by_task, -j, axis=1).reshape(N * J, -1) for j in range(min(J, most or J))]


def _moved(
    match: Match, role: str, field: str, messages: Sequence[NDArray[np.float32]], rng: np.random.Generator
) -> Array:
    """Influence on a role of the first of these messages [N J]."""
    if role not in match.team.players:
        return np.zeros(match.count)
    means, deviation = [], np.zeros(0)
    for message in messages:
        observation = match.observations[role].copy()
        observation[:, match.fields[role][field]] = message
        mean, deviation = distribution(match.team.players[role], observation, match.memories[role])
        means.append(mean)
    return influence.influence(np.stack(means), deviation, rng)


def distribution(policy: Policy, observation: NDArray[np.float32], memory: Any) -> tuple[Array, Array]:
    """Mean [B, A] and deviation [A] of a policy's actions: a network's own, else its action and a resolution."""
    if isinstance(policy, NetworkPolicy):
        with torch.no_grad():
            starts = torch.zeros(len(observation))
            mean, _, _ = policy.network.step(torch.from_numpy(observation), starts, memory)
            return mean.numpy().astype(np.float64), torch.exp(policy.network.log_std).numpy().astype(
                np.float64
            )
    # The same generator in each call: a scripted role's own noise is no answer to the message.
    action, _ = policy.act(observation, memory, np.random.default_rng(0))
    return np.asarray(action, dtype=np.float64), np.full(action.shape[1], RESOLUTION)


def _followed(
    match: Match, N: int, J: int, config: AnalysisConfig, rng: np.random.Generator
) -> dict[str, Array]:
    """Influence of one belief on each listener k steps later, simulator, memories and noise as they were."""
    listeners = [r for f, r in CHANNELS if f == "received_belief" and r in match.team.players]
    start = match.clone()
    received = {r: match.observations[r][:, match.fields[r]["received_belief"]].copy() for r in listeners}
    means: dict[str, list[list[Array]]] = {r: [] for r in listeners}
    deviations: dict[str, Array] = {}
    for j in range(min(J, 6)):
        match.restore(start)
        for r in listeners:
            match.observations[r][:, match.fields[r]["received_belief"]] = _pool(received[r], N, J)[j]
            means[r].append([])
        for _ in range(config.ahead + 1):
            for r in listeners:
                mean, deviations[r] = distribution(
                    match.team.players[r], match.observations[r], match.memories[r]
                )
                means[r][j].append(mean)
            match.step(match.act())
    match.restore(start)
    return {r: influence.influence(np.array(means[r]), deviations[r], rng).mean(-1) for r in listeners}


# -- information ----------------------------------------------------------------------------------------


def _replicates(
    team: Team, tasks: Array, config: AnalysisConfig, rng: np.random.Generator
) -> tuple[outputs.Series, Played]:
    """The roles' outputs of the team as it is and under messages of other trials."""
    N, J = len(tasks), config.message_trials
    groups = np.repeat(np.arange(N), J)
    conditions = [Condition()]
    for _ in range(config.replicates):
        content = {channel: permuted_within(groups, rng) for channel in CHANNELS}
        conditions.append(Condition("swapped", swap=Swap(content, permuted_within(groups, rng))))
    found = play(team, tasks, J, conditions, record=ACTING_ROLES, states=True, num_threads=config.num_threads)
    return role_outputs(team, found, groups), found


def role_outputs(team: Team, played: Played, groups: NDArray[np.int64]) -> outputs.Series:
    """Outputs of the roles as few numbers each, and the torque as V."""
    whole = played.whole.all(0)
    if whole.sum() < 0.5 * len(whole):
        raise ValueError(
            f"{team.scenario}: {int((~whole).sum())} of {len(whole)} trials end early; information measures need "
            "trials of one length: give a scenario without early ends, or a shorter horizon"
        )
    parts, widths = [], []
    for role in ACTING_ROLES:
        action = played.actions[role][:, :, whole]
        if role in _silent(team) and role == "state_modeling":
            action = np.zeros_like(action)
        widths.append(action.shape[-1])
        parts.append(action)
    directions = [principal_directions(part[0], MOST_NUMBERS) for part in parts]
    m = widths[1]
    torque = combine(
        *(parts[i].astype(np.float32) for i in (1, 2)), parts[3][..., :m].astype(np.float32)
    ).astype(np.float64)
    of_torque = principal_directions(torque[0], MOST_NUMBERS)
    # V must be a function of the parts that are shifted, so the parts are kept whole beside their few numbers.
    few = [part @ direction for part, direction in zip(parts, directions, strict=True)]
    exact = all(direction.shape[0] == direction.shape[1] for direction in directions[1:])

    def macro(shifted: Sequence[Array]) -> Array:
        prior, correction, control = (
            (part if exact else part @ direction.T)[..., :m].astype(np.float32)
            for part, direction in zip(shifted[1:], directions[1:], strict=True)
        )
        return np.asarray(combine(prior, correction, control) @ of_torque, dtype=np.float64)

    return outputs.Series(few, macro, groups[whole])


def _silent(team: Team) -> frozenset[str]:
    silent = frozenset(team.options.get("absent_roles", ())) | frozenset(team.options.get("muted_roles", ()))
    return silent | (frozenset(ACTING_ROLES) - frozenset(team.players))


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
    flat = state.reshape(-1, state.shape[-1])
    given = flat @ principal_directions(flat / np.maximum(flat.std(0), 1e-9), 8)
    left = [residuals(part[0].reshape(-1, part.shape[-1]), given) for part in series.parts]
    entropy = gaussian_entropy(left)
    conditioned = {
        "O-information given the state": float(o_information(entropy, len(left))),
        "S-information given the state": float(s_information(entropy, len(left))),
    }
    return found, spread, conditioned


def _signalling(
    team: Team, played: Played, tasks: Array, config: AnalysisConfig, rng: np.random.Generator
) -> tuple[list[Finding], dict[str, Any]]:
    scenario = find_scenario(team.scenario)
    N, J = len(tasks), config.message_trials
    belief = played.actions["state_modeling"][0]
    if "state_modeling" in _silent(team):
        belief = np.zeros_like(belief)
    T = belief.shape[0]
    features = task_features(scenario.id, tasks)
    found = [signalling.task_signalling(belief.reshape(T, N, J, -1), features, rng)]
    match_fields = Match(team, tasks[:1], 1, [Condition()]).env.state_fields
    velocities = played.states[0][..., match_fields["velocities"]]
    checks: dict[str, Any] = {}
    if velocities.shape[-1]:
        found.append(
            signalling.velocity_signalling(belief.reshape(T, N, J, -1), velocities.reshape(T, N, J, -1), rng)
        )
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


def task_features(scenario: str, tasks: Array) -> Array:
    """What identifies tasks [N, k]: normalised coordinates, wrapped ones as cosine and sine."""
    law = find_scenario(scenario).variation
    columns = []
    for coordinate, values in zip(law.coordinates, law.normalise(tasks).T, strict=True):
        if coordinate.kind == "wrapped":
            columns += [np.cos(np.pi * values), np.sin(np.pi * values)]
        else:
            columns.append(values)
    return np.stack(columns, axis=1)


def _diversity(team: Team, played: Played, N: int, J: int, rng: np.random.Generator) -> Finding:
    pair = ("meta_learning", "adaptation")
    series, deviations = [], []
    for role in pair:
        action = played.actions[role][0]
        series.append(action.reshape(len(action), N, J, -1))
        policy = team.players.get(role)
        network = isinstance(policy, NetworkPolicy)
        deviations.append(
            torch.exp(policy.network.log_std).detach().numpy().astype(np.float64)  # type: ignore[union-attr]
            if network
            else np.full(action.shape[-1], RESOLUTION)
        )
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
