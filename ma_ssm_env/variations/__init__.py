"""The variations, a file each: laws of hidden tasks.

Adding one is a file beside these and a line in `scenarios.py`.
"""

from ma_ssm_env.variations.base import BASE
from ma_ssm_env.variations.cripple import ANT_CRIPPLE, ANT_LEGS, HALF_CHEETAH_CRIPPLE, cripple
from ma_ssm_env.variations.dir import DIR
from ma_ssm_env.variations.fault import fault
from ma_ssm_env.variations.goal import ANT_GOAL, GOAL
from ma_ssm_env.variations.multiplied import (
    DAMPING,
    FRICTION,
    GRAVITY,
    HUMANOID_GRAVITY,
    MASS,
    damping,
    friction,
    gravity,
    mass,
)
from ma_ssm_env.variations.planar_dir import PLANAR_DIR
from ma_ssm_env.variations.rand_params import VARIBAD_RUNNING, rand_params
from ma_ssm_env.variations.running import running
from ma_ssm_env.variations.switch import (
    DIRECTION_SWITCH,
    SPEED_SWITCH,
    switch_direction,
    switch_value,
)
from ma_ssm_env.variations.variation import SPLITS, Coordinate, Split, Transition, Variation, Weights
from ma_ssm_env.variations.vel import VEL

__all__ = [
    "ANT_CRIPPLE",
    "ANT_GOAL",
    "ANT_LEGS",
    "BASE",
    "DAMPING",
    "DIR",
    "DIRECTION_SWITCH",
    "FRICTION",
    "GOAL",
    "GRAVITY",
    "HALF_CHEETAH_CRIPPLE",
    "HUMANOID_GRAVITY",
    "MASS",
    "PLANAR_DIR",
    "SPEED_SWITCH",
    "SPLITS",
    "VARIBAD_RUNNING",
    "VEL",
    "Coordinate",
    "Split",
    "Transition",
    "Variation",
    "Weights",
    "cripple",
    "damping",
    "fault",
    "friction",
    "gravity",
    "mass",
    "rand_params",
    "running",
    "switch_direction",
    "switch_value",
]
