"""The law through its public entries: it conforms, and random effort costs what the hidden price says."""

import numpy as np

from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.policy import random_policy
from ma_ssm_env.testing import check_env

ID = "HalfCheetahEconomy-v0"
check_env(ID)

prices = np.array([[0.0], [1.0]])
free, dear = evaluate(ID, random_policy(6), tasks=prices, trials=20).returns.mean((1, 2))
print(f"random, free {free:.0f}, dear {dear:.0f}")
# E|a|^2 = 6 * 1/3 for six uniform torques in [-1, 1]; 200 steps, so 400 in expectation.
print(f"effort {free - dear:.0f}")
