"""Five roles control one MuJoCo body on hidden tasks; a single-agent twin plays the same game alone.

    import ma_ssm_env

    team = ma_ssm_env.parallel_env("HalfCheetahVel-v0")          # PettingZoo ParallelEnv
    many = ma_ssm_env.vector_env("HalfCheetahVel-v0", 256)       # the same, batched
    twin = ma_ssm_env.single_agent_env("HalfCheetahVel-v0")      # Gymnasium Env

The ids are also in the registries of Gymnasium and PettingZoo, as `ma_ssm/HalfCheetahVel-v0`.
`register_scenario` adds a scenario of your own to them.
"""

from ma_ssm_env.parallel import TeamEnv, env, parallel_env
from ma_ssm_env.policy import Policy, ScriptedPolicy, neutral_policy, random_policy
from ma_ssm_env.registration import register_all, register_scenario
from ma_ssm_env.roles import ACTING_ROLES, ROLES
from ma_ssm_env.scenarios import SCENARIOS, Scenario
from ma_ssm_env.single_agent import SingleAgentEnv, single_agent_env
from ma_ssm_env.single_agent_vector import SingleAgentVectorEnv
from ma_ssm_env.team_vector import TeamVectorEnv, vector_env
from ma_ssm_env.version import __version__

register_all()

__all__ = [
    "ACTING_ROLES",
    "ROLES",
    "SCENARIOS",
    "Policy",
    "Scenario",
    "ScriptedPolicy",
    "SingleAgentEnv",
    "SingleAgentVectorEnv",
    "TeamEnv",
    "TeamVectorEnv",
    "__version__",
    "env",
    "neutral_policy",
    "parallel_env",
    "random_policy",
    "register_scenario",
    "single_agent_env",
    "vector_env",
]
