"""All measures of emergence of one team, as a JSON record.

Here the parts are put together. Each plays worlds and hands arrays to the measures of `benchmarks.metrics`;
what a measure is, when it misleads and what its verdict means is written there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.emergence.clock import Clock
from benchmarks.emergence.communication import of_messages
from benchmarks.emergence.config import AnalysisConfig
from benchmarks.emergence.information import of_replicates
from benchmarks.emergence.play import Team
from benchmarks.emergence.returns import ladder, of_coalitions, of_ladder, of_rates
from benchmarks.metrics.finding import Finding
from ma_ssm_env.scenarios import find_scenario

Array = NDArray[np.float64]
SCHEMA = 1


def analyse(
    team: Team,
    config: AnalysisConfig | None = None,
    *,
    retrained: Mapping[str, tuple[Array, Array]] | None = None,
    progress: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """The record of one team, without its name and origin.

    Args:
        team: who plays; without `references` nothing is frozen.
        config: how much is played; None: what `AnalysisConfig` says by itself.
        retrained: role -> returns per task of runs with it [R, N], and of runs trained without it [R', N].
        progress: called with the name of each part before it starts.
    """
    config = config or AnalysisConfig()
    rng = np.random.default_rng(config.seed)
    scenario = find_scenario(team.scenario)
    tasks = scenario.variation.tasks("test")
    clock = Clock(progress)
    record: dict[str, Any] = {"schema": SCHEMA, "scenario": scenario.id, "settings": asdict(config)}
    findings: dict[str, list[Finding]] = {}

    with clock.part("coalitions"):
        record["coalitions"], findings["coalitions"], values = of_coalitions(team, tasks, config, rng)
    with clock.part("ablations"):
        played = ladder(team, tasks, config, rng)
        findings["ablations"] = of_ladder(played, values, retrained or {}, rng)
        record["bits"], bits = of_rates(played, config.rates, rng)
    with clock.part("influence"):
        some = tasks[np.linspace(0, len(tasks) - 1, min(config.message_tasks, len(tasks))).astype(int)]
        channels, heard = of_messages(team, some, played, config, rng)
        record |= channels
        findings["communication"] = [*heard, bits]
    with clock.part("information"):
        told, found = of_replicates(team, some, config, rng)
        record |= told
        findings |= found
    own = played["team"].returns
    record["returns"] = {"team": float(own.mean()), "per_task": own[0].mean(1).tolist()}
    record["findings"] = {group: [f.to_json() for f in each] for group, each in findings.items()}
    record["cost"] = clock.parts
    return record
