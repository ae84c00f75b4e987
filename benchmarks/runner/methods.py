"""The table of methods. Adding one is a line of `METHODS`; a new kind of learner is a file and its lines.

It holds the whole ladder: floors; Stable-Baselines3 (PPO, SAC, TD3, A2C) and sb3-contrib (RecurrentPPO, TQC);
PPO that sees its past; agents that are shown the task; parameter-shared PPO on the five roles; our PPO as one
agent, with each core, as wide as the team, without the privileged critic, handicapped, with a scratchpad,
blind; and the team with each core, its variants, and tasks that somebody chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from baselines.reference import Floor, twin_floor
from benchmarks.runner.method import Job, Method, Report
from benchmarks.runner.ours import ours
from benchmarks.runner.sb3 import (
    STACK,
    sb3_a2c,
    sb3_off_policy,
    sb3_ppo,
    sb3_recurrent_ppo,
    sb3_shared_ppo,
)
from benchmarks.runner.suites import ALL
from ma_ssm_env.curriculum import AlpGmm
from ma_ssm_env.roles import ACTING_ROLES
from policies.cores import CORES

__all__ = ["METHODS", "Job", "Method", "Report", "find_methods"]


def _floor(floor: Floor) -> Method:
    def run(job: Job, report: Report, progress: Callable[[int], None]) -> tuple[dict[str, int], int]:
        policy = twin_floor(floor, job.scenario)
        report(0, policy, policy)
        progress(job.budget)
        return {}, 0

    def configuration(scenario: str, budget: int) -> dict[str, Any]:
        return {"floor": floor}

    return Method(0.01, configuration, run, trains=False, kind="floor")


METHODS: dict[str, Method] = {
    "random": _floor("random"),
    "zero": _floor("zero"),
    # Stable-Baselines3 and sb3-contrib on the twin
    "sb3-ppo": sb3_ppo(),
    "sb3-ppo-stack": sb3_ppo(stack=STACK),
    "sb3-recurrent-ppo": sb3_recurrent_ppo(),
    "sb3-a2c": sb3_a2c(),
    "sb3-sac": sb3_off_policy("sac", 20.0),
    "sb3-td3": sb3_off_policy("td3", 14.0),
    "sb3-tqc": sb3_off_policy("tqc", 60.0),
    # shown the task
    "sb3-ppo-oracle": sb3_ppo(reveal_task=True),
    "sb3-sac-oracle": sb3_off_policy("sac", 20.0, reveal_task=True),
    "mono-mlp-oracle": ours("mlp", team=False, options={"reveal_task": True}),
    # told nothing of it
    **{
        f"mono-{core}-blind": ours(core, team=False, options={"feedback": "none"})
        for core in ("mlp", "s5", "gru")
    },
    # one network for the five roles
    "sb3-shared-ppo": sb3_shared_ppo(),
    # our PPO as one agent
    **{f"mono-{core}": ours(core, team=False) for core in CORES},
    **{f"mono-{core}-matched": ours(core, team=False, matched=True) for core in CORES},
    "mono-s5-plain-critic": ours("s5", team=False, privileged=False),
    "mono-mlp-plain-critic": ours("mlp", team=False, privileged=False),
    "mono-s5-infer-task": ours("s5", team=False, infer_task=True),
    "mono-s5-handicapped": ours("s5", team=False, options={"handicap": True}),
    "mono-mlp-scratchpad": ours("mlp", team=False, options={"scratchpad": True}),
    # the team
    **{f"team-{core}": ours(core, team=True) for core in CORES},
    "team-s5-plain-critic": ours("s5", team=True, privileged=False),
    "team-s5-infer-task": ours("s5", team=True, infer_task=True),
    "team-s5-full": ours("s5", team=True, options={"observability": "full"}),
    "team-s5-free": ours("s5", team=True, options={"bandwidth_cost": 0.0}),
    "team-s5-fixed-trust": ours("s5", team=True, options={"fixed_trust": True}),
    "team-s5-muted": ours("s5", team=True, options={"muted_roles": ["state_modeling"]}),
    "team-s5-reinforced": ours("s5", team=True, communication="reinforced"),
    "team-s5-curriculum": ours("s5", team=True, options={"task_source": "environment"}),
    "team-s5-alp-gmm": ours("s5", team=True, options={"task_source": "environment"}, teacher=AlpGmm),
    **{
        f"team-s5-without-{role.replace('_', '-')}": ours("s5", team=True, options={"absent_roles": [role]})
        for role in ACTING_ROLES
    },
}


def find_methods(names: Sequence[str]) -> list[str]:
    """`names`, each once, if all are in the table; "all" alone is the whole table.

    Raises:
        ValueError: one is not; the message names it and the table.
    """
    if list(names) == list(ALL):
        return list(METHODS)
    for name in names:
        if name not in METHODS:
            raise ValueError(f"method {name!r}: unknown; one of {', '.join(METHODS)} is expected")
    return list(dict.fromkeys(names))
