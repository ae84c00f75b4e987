"""What a team's outputs tell, played under its own messages and those of other trials.

Signalling, the measures of information and diversity need trials of one length: each is not reported where
too many end early.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.emergence.config import AnalysisConfig
from benchmarks.emergence.influence import deviation
from benchmarks.emergence.outputs import (
    TrialsEndEarly,
    played_replicates,
    silent_roles,
    task_features,
    whole_trials,
)
from benchmarks.emergence.play import Condition, Match, Played, Team
from benchmarks.metrics import diversity, outputs, signalling
from benchmarks.metrics.conditioning import residuals
from benchmarks.metrics.finding import Finding
from benchmarks.metrics.gaussian_copula import gaussian_entropy, gaussian_mutual_information
from benchmarks.metrics.information import o_information, s_information
from benchmarks.metrics.nearest_neighbours import ksg_mutual_information
from benchmarks.metrics.principal import principal_components, principal_directions
from ma_ssm_env.scenarios import find_scenario

Array = NDArray[np.float64]
KSG_SAMPLES = 1500


def of_replicates(
    team: Team, tasks: Array, config: AnalysisConfig, rng: np.random.Generator
) -> tuple[dict[str, Any], dict[str, list[Finding]]]:
    """Play a team under messages of other trials, and measure what its outputs tell.

    Args:
        team: who plays.
        tasks: hidden tasks [N, k].
        config: how much is played.
        rng: of the messages, permutations and intervals.

    Returns:
        For the record: `replicates`, the spread of each measure, and `checks`, cross-checks in nats (neither
        where nothing could be measured); the findings of `signalling`, `information` and `diversity`.
    """
    try:
        series, played = played_replicates(
            team,
            tasks,
            config.message_trials,
            rng,
            replicates=config.replicates,
            num_threads=config.num_threads,
        )
    except TrialsEndEarly as error:
        groups = ("signalling", "information", "diversity")
        return {}, {group: [_not_reported(group, error)] for group in groups}
    findings: dict[str, list[Finding]] = {}
    early: TrialsEndEarly | None = None
    checks: dict[str, float] = {}
    try:
        worlds = whole_trials(team.scenario, played.whole[0], len(tasks))
        findings["signalling"], checks = of_signals(team, played, tasks, worlds, rng)
    except TrialsEndEarly as error:
        findings["signalling"], early = [_not_reported("signalling", error)], error
    findings["information"], spread, given = of_outputs(series, played, rng)
    findings["diversity"] = [
        _not_reported("diversity", early) if early else of_proposals(team, played, worlds, rng)
    ]
    return {"replicates": spread, "checks": checks | given}, findings


def _not_reported(what: str, error: TrialsEndEarly) -> Finding:
    nan = float("nan")
    return Finding(what, nan, "nats", nan, nan, None, "none", "not reported", str(error))


def of_outputs(
    series: outputs.Series, played: Played, rng: np.random.Generator
) -> tuple[list[Finding], dict[str, Any], dict[str, Any]]:
    """Information in the roles' outputs, its spread under messages of other trials, and it given the state.

    Args:
        series, played: as `played_replicates` gives them.
        rng: of the null of circular shifts.
    """
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
