"""Which scenario a name means: ids, ids with a namespace, and the names that Gymnasium has for the bodies."""

from __future__ import annotations

import difflib
import re

from ma_ssm_env.scenarios import SCENARIOS, Scenario, find_scenario
from ma_ssm_env.variations import BASE

_NAMESPACE = "ma_ssm/"


def scenario_of(name: str | Scenario) -> Scenario:
    """The scenario that a name means.

    `HalfCheetah-v5` and `HalfCheetah-v4`, as Gymnasium calls them, are `HalfCheetah-v0`: the same body and
    reward, and no hidden task; `ma_ssm/PointDir-v0` is `PointDir-v0`.

    Raises:
        ValueError: no scenario; the message says what was meant, or names those that are nearest.
    """
    if isinstance(name, Scenario):
        return name
    if not isinstance(name, str):
        raise ValueError(f"scenario {name!r}: the id of a scenario, such as 'PointDir-v0', is expected")
    id = name.removeprefix(_NAMESPACE)
    if id in SCENARIOS:
        return SCENARIOS[id]
    body, version = re.fullmatch(r"(.*?)(-v\d+)?", id, re.DOTALL).groups()  # type: ignore[union-attr]
    base = SCENARIOS.get(f"{body}-v0")
    if version and base is not None and base.variation.name == BASE.name:
        return base
    known = {known.rpartition("-v")[0].lower(): known for known in SCENARIOS}
    if body.lower() in known:
        raise ValueError(f"{name}: unknown scenario; {known[body.lower()]} is meant")
    near = difflib.get_close_matches(body.lower(), known, n=3, cutoff=0.6)
    if near:
        raise ValueError(f"{name}: unknown scenario; did you mean {' or '.join(known[n] for n in near)}?")
    return find_scenario(id)  # which raises, and names them all
