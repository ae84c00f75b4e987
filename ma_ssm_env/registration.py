"""Ids in the registries of Gymnasium (`ma_ssm/<id>`) and PettingZoo, made when `ma_ssm_env` is imported."""

from __future__ import annotations

import math
import re
from typing import Any, get_args

import gymnasium as gym
import pettingzoo

from ma_ssm_env.bodies import Body
from ma_ssm_env.scenarios import SCENARIOS, Feedback, Scenario
from ma_ssm_env.variations import Variation

NAMESPACE = "ma_ssm"
_ID = re.compile(r"[A-Za-z][A-Za-z0-9]*-v[0-9]+")


def register_scenario(scenario: Scenario) -> Scenario:
    """Add a scenario of your own to the table, so that its id works wherever one is asked for.

        from ma_ssm_env.testing import check_env

        register_scenario(Scenario("PointDrift-v0", BODIES["Point"], DRIFT, 2, 50, (-50.0, -5.0)))
        check_env("PointDrift-v0")                       # does it keep what this package promises?
        ma_ssm_env.parallel_env("PointDrift-v0")         # and gym.make("ma_ssm/PointDrift-v0")

    It is known to this process: write the line into a module, and import that in every process that names the
    id. (A pickled environment brings its scenario along, so functions of the law are to be importable: no
    lambdas.) `examples/custom_scenario.py` is a whole one. Registering the same scenario again does nothing.

    Args:
        scenario: what is added; `id` is letters and digits, then `-v` and the version.

    Returns:
        The scenario.

    Raises:
        ValueError: no scenario, an id that is none or that another scenario has, or defaults that no trial
            can be played with; nothing was registered then.
    """
    if not isinstance(scenario, Scenario):
        raise ValueError(f"{scenario!r}: a ma_ssm_env.scenarios.Scenario is expected")
    # From here on nothing is taken for granted that annotations say.
    id: Any = scenario.id
    body: Any = scenario.body
    law: Any = scenario.variation
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise ValueError(
            f"{id!r}: the id of a scenario is letters and digits, then its version: PointDrift-v0"
        )
    if not isinstance(body, Body) or not isinstance(law, Variation):
        raise ValueError(
            f"{id}: a Body of ma_ssm_env.bodies and a Variation of ma_ssm_env.variations are expected, not "
            f"{body!r} and {law!r}"
        )
    if SCENARIOS.get(id, scenario) != scenario:
        raise ValueError(f"{id}: another scenario has this id; give yours another name or a higher version")
    for name in ("episodes_per_trial", "horizon"):
        value = getattr(scenario, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{id}: {name} is {value!r}; a whole number of at least 1 is expected")
    low, high = scenario.outcome_scale
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            f"{id}: outcome_scale is {scenario.outcome_scale!r}; returns of an inner episode under random "
            "actions and under a good controller are expected, the lower first"
        )
    if scenario.feedback not in get_args(Feedback):
        raise ValueError(
            f"{id}: feedback is {scenario.feedback!r}; one of {', '.join(get_args(Feedback))} is expected"
        )
    SCENARIOS[id] = scenario
    register_all()
    return scenario


def register_all() -> None:
    """Register every scenario of the table; registering twice does nothing."""
    for id in SCENARIOS:
        name = f"{NAMESPACE}/{id}"
        if name not in gym.registry:
            gym.register(
                name,
                entry_point="ma_ssm_env.single_agent:SingleAgentEnv",
                vector_entry_point="ma_ssm_env.single_agent_vector:SingleAgentVectorEnv",
                kwargs={"scenario": id},
                # Our environments check their actions themselves, and say more when one is refused.
                order_enforce=False,
            )
        if name not in _known("parallel"):
            pettingzoo.register(
                "parallel", name, entry_point="ma_ssm_env.parallel:parallel_env", kwargs={"scenario": id}
            )
        if name not in _known("aec"):
            pettingzoo.register("aec", name, entry_point="ma_ssm_env.parallel:env", kwargs={"scenario": id})


def _known(kind: str) -> set[str]:
    from pettingzoo.env_registry import registration

    registry = registration.parallel_registry if kind == "parallel" else registration.aec_registry
    return set(registry)
