"""The coordinator in a team whose adaptation role is stuck at full torque: it puts the damage right."""

import numpy as np

from ma_ssm_env import parallel_env
from ma_ssm_env.agreement import agreement
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.policy import Policy, ScriptedPolicy
from ma_ssm_env.scripted import scripted_team

env = parallel_env("PointDir-v0")
sound = scripted_team(env)
stuck = sound | {"adaptation": ScriptedPolicy(lambda seen, rng: np.ones((len(seen), 2), np.float32))}
coordinator = agreement(env)
assert isinstance(coordinator, Policy)

for name, team in {"sound": sound, "stuck": stuck, "mended": stuck | {"coordinator": coordinator}}.items():
    found = evaluate("PointDir-v0", team)
    print(f"{name} {found.returns.mean():.0f}, {found.bits.mean():.0f} bits")
