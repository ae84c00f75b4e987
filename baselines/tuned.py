"""Which of a method's tuned settings a scenario takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ma_ssm_env.scenarios import Scenario, find_scenario

# Scenarios that were tuned for no method, ours included, and take what another was tuned to.
TAKES = {"PointGoal-v0": "PointDir-v0"}


def tuned_settings(table: Mapping[str, Mapping[str, Any]], scenario: str | Scenario) -> dict[str, Any]:
    """What a scenario's settings differ in from a method's defaults; nothing where it was not tuned.

    Args:
        table: the differences by the id of the scenario that they were found on.
        scenario: id or scenario.
    """
    known = find_scenario(scenario).id
    return dict(table.get(known) or table.get(TAKES.get(known, known), {}))
