"""The body through its public entries: it conforms, a regulator balances it, random torques do not."""

import numpy as np

from ma_ssm_env import single_agent_env
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.policy import ScriptedPolicy, random_policy
from ma_ssm_env.testing import check_env

ID = "InvertedDoublePendulum-v0"
check_env(ID)

fields = single_agent_env(ID).observation_fields()
# A linear-quadratic regulator of the model linearised about upright, for cart, lower and upper pole.
PLACES, SPEEDS = np.array([[0.13], [0.85], [3.76]]), np.array([[0.18], [0.53], [0.56]])


def balance(seen, rng):
    torque = -seen[:, fields["positions"]] @ PLACES - seen[:, fields["velocities"]] @ SPEEDS
    return np.clip(torque, -1.0, 1.0).astype(np.float32)


for name, policy in {"balanced": ScriptedPolicy(balance), "random": random_policy(1)}.items():
    print(f"{name} {evaluate(ID, policy, trials=20).returns.mean():.0f}")
