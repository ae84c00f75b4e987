"""Ids in the registries of Gymnasium (`ma_ssm/<id>`) and PettingZoo, made when `ma_ssm_env` is imported."""

from __future__ import annotations

import gymnasium as gym
import pettingzoo

from ma_ssm_env.scenarios import SCENARIOS

NAMESPACE = "ma_ssm"


def register_all() -> None:
    """Register every scenario; registering twice does nothing."""
    for id in SCENARIOS:
        name = f"{NAMESPACE}/{id}"
        if name not in gym.registry:
            gym.register(
                name,
                entry_point="ma_ssm_env.single_agent:SingleAgentEnv",
                vector_entry_point="ma_ssm_env.single_agent:SingleAgentVectorEnv",
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
